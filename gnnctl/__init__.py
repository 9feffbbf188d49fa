"""gnnctl: composable command-line stages for graph neural networks."""

__version__ = "0.1.0"

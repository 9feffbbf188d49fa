"""Serving a graph to other machines."""

from gnnctl.serving.server import GraphServer

__all__ = ["GraphServer"]

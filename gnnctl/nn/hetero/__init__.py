"""Models over one type of nodes, made models over many."""

from gnnctl.nn.hetero.bases import to_hetero_with_bases
from gnnctl.nn.hetero.convert import to_hetero

__all__ = ["to_hetero", "to_hetero_with_bases"]

"""Models over one type of nodes, made models over many."""

from gnnctl.nn.hetero.bases import to_hetero_with_bases
from gnnctl.nn.hetero.convert import to_hetero
from gnnctl.nn.hetero.group import group_types

__all__ = ["group_types", "to_hetero", "to_hetero_with_bases"]

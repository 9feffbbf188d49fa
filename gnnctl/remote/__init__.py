"""Graphs that lie on another machine, read through Arrow Flight; schemas/README.md has the protocol."""

from gnnctl.remote.connection import Connection
from gnnctl.remote.graph import ServedGraph, graph_option, graph_parent, open_served
from gnnctl.remote.protocol import PROTOCOL, is_address
from gnnctl.remote.view import ServedView

__all__ = [
    "PROTOCOL",
    "Connection",
    "ServedGraph",
    "ServedView",
    "graph_option",
    "graph_parent",
    "is_address",
    "open_served",
]

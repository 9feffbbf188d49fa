"""Typed graphs: structure and features on disk or in memory, and what a layer sees of them."""

from gnnctl.graph.graph import DEFAULT_EDGE, DEFAULT_NODE, EdgeStore, Graph, NodeStore
from gnnctl.graph.types import EdgeSchema, EdgeType, GraphSchema, NodeSchema

__all__ = [
    "DEFAULT_EDGE",
    "DEFAULT_NODE",
    "EdgeSchema",
    "EdgeStore",
    "EdgeType",
    "Graph",
    "GraphSchema",
    "NodeSchema",
    "NodeStore",
]

"""Typed graphs: structure and features on disk or in memory, and what a layer sees of them."""

from gnnctl.graph.features import FeatureFormat, Stored, decode_features, encode_features
from gnnctl.graph.graph import DEFAULT_EDGE, DEFAULT_NODE, EdgeStore, Graph, NodeStore
from gnnctl.graph.types import EdgeSchema, EdgeType, GraphSchema, NodeSchema

__all__ = [
    "DEFAULT_EDGE",
    "DEFAULT_NODE",
    "EdgeSchema",
    "EdgeStore",
    "EdgeType",
    "FeatureFormat",
    "Graph",
    "GraphSchema",
    "NodeSchema",
    "NodeStore",
    "Stored",
    "decode_features",
    "encode_features",
]

"""The arrays of a graph artifact, mapped."""

from typing import Any

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.errors import ArtifactError
from gnnctl.graph.features import feature_format
from gnnctl.graph.stores import EdgeStore, NodeStore
from gnnctl.graph.types import EdgeType

DAMAGED = "make the graph again, or copy it whole"


def is_feature(path: str) -> bool:
    """Whether a file of a graph artifact holds features of nodes or edges."""
    parts = path.split("/")
    return len(parts) > 2 and parts[0] in ("nodes", "edges") and parts[2] in ("x", "x_scale", "edge_attr")


def _unread(rows: int, names: list[str]) -> np.ndarray:
    """The shape of features that are not to be read: who reads them all the same gets NaN."""
    return np.broadcast_to(np.float32(np.nan), (rows, len(names)))


def open_nodes(artifact: Artifact, base: str, entry: dict[str, Any], features: bool = True) -> NodeStore:
    """The arrays of a node type below ``base``; with ``features`` False those of its features are not touched.

    Raises:
        ArtifactError: features of no known format.
    """
    if entry["x"] and not features:
        x: np.ndarray | None = _unread(entry["num_nodes"], entry["features"])
        x_scale = None
    else:
        x = artifact.array(f"{base}/x") if entry["x"] else None
        x_scale = artifact.array(f"{base}/x_scale") if x is not None and x.dtype == np.int8 else None
    if x is not None:
        try:
            feature_format(x, x_scale)
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"{artifact.path}/{base}: {error}", fix=DAMAGED) from None
    return NodeStore(
        num_nodes=entry["num_nodes"],
        ids=artifact.table(f"{base}/ids")["id"] if entry["ids"] else None,
        x=x,
        x_scale=x_scale,
        time=artifact.array(f"{base}/time") if entry["time"] else None,
        columns=artifact.table(f"{base}/columns") if entry["columns"] else None,
        feature_names=entry["features"],
        label=entry["label"],
    )


def open_edges(artifact: Artifact, edge_type: EdgeType, entry: dict[str, Any], features: bool = True) -> EdgeStore:
    """The arrays of an edge type; with ``features`` False those of its features are not touched."""
    base, names = f"edges/{edge_type.key}", entry["features"]

    def part(name: str) -> np.ndarray | None:
        return artifact.array(f"{base}/{name}") if entry[name] else None

    return EdgeStore(
        colptr=artifact.array(f"{base}/colptr"),
        row=artifact.array(f"{base}/row"),
        weight=part("weight"),
        edge_attr=part("edge_attr") if features or not entry["edge_attr"] else _unread(entry["num_edges"], names),
        time=part("time"),
        forward=part("forward"),
        feature_names=names,
    )

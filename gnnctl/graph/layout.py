"""What ``graph.json`` says of a node type and an edge type, and how their arrays are found again by it."""

import json
from typing import Any

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.errors import ArtifactError
from gnnctl.graph.features import feature_format
from gnnctl.graph.store_interfaces import Column, Key
from gnnctl.graph.stores import EdgeStore, NodeStore
from gnnctl.graph.tables import SUFFIX, ZARR, table_column
from gnnctl.graph.types import EdgeType

DAMAGED = "make the graph again, or copy it whole"


def node_entry(name: str, store: NodeStore) -> dict[str, Any]:
    """What ``graph.json`` says of a node type."""
    return {
        "name": name,
        "num_nodes": store.num_nodes,
        "ids": store.ids is not None,
        "x": store.x is not None,
        "time": store.time is not None,
        "columns": [] if store.columns is None else store.columns.column_names,
        "label": store.label,
        "features": store.feature_names,
    }


def edge_entry(edge_type: EdgeType, store: EdgeStore) -> dict[str, Any]:
    """What ``graph.json`` says of an edge type."""
    return {
        "type": list(edge_type),
        "num_edges": store.num_edges,
        "weight": store.weight is not None,
        "edge_attr": store.edge_attr is not None,
        "time": store.time is not None,
        "forward": store.forward is not None,
        "features": store.feature_names,
        **({} if store.columns is None else {"columns": store.columns.column_names}),
        **({"undirected": True} if store.undirected else {}),
    }


def is_feature(path: str) -> bool:
    """Whether a file of a graph artifact holds features of nodes or edges."""
    parts = path.split("/")
    return len(parts) > 2 and parts[0] in ("nodes", "edges") and parts[2] in ("x", "x_scale", "edge_attr", f"x{SUFFIX}")


def _unread(rows: int, names: list[str]) -> np.ndarray:
    """The shape of features that are not to be read: who reads them all the same gets NaN."""
    return np.broadcast_to(np.float32(np.nan), (rows, len(names)))


def open_nodes(artifact: Artifact, base: str, entry: dict[str, Any], features: bool = True) -> NodeStore:
    """The arrays and tables of a node type in the folder ``base``, mapped; without ``features`` these are not touched.

    Raises:
        ArtifactError: features of another format than there is.
    """
    if entry["x"] and not features:
        x: np.ndarray | Column | None = _unread(entry["num_nodes"], entry["features"])
        x_scale = None
    else:
        x = _features(artifact, base, entry["name"]) if entry["x"] else None
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


def _features(artifact: Artifact, base: str, name: str) -> np.ndarray | Column:
    folder = artifact.path / f"{base}/x{SUFFIX}"
    return table_column(folder, Key(name, "x")) if folder.is_dir() else artifact.array(f"{base}/x")


def store_of(artifact: Artifact) -> str | None:
    """Which store a graph's node features are in, as ``--store`` names it; None: it has no features."""
    ends = f"/x{SUFFIX}/store.json"
    stores = [entry["path"] for entry in artifact.manifest.files if entry["path"].endswith(ends)]
    if stores:
        return str(json.loads((artifact.path / stores[0]).read_text(encoding="utf-8"))["store"])
    layout = artifact.json("graph")
    return ZARR if any(entry["x"] for entry in layout["nodes"]) else None


def open_edges(artifact: Artifact, edge_type: EdgeType, entry: dict[str, Any], features: bool = True) -> EdgeStore:
    """The arrays and tables of an edge type, mapped; without ``features`` these are not touched."""
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
        columns=artifact.table(f"{base}/columns") if entry.get("columns") else None,
        undirected=entry.get("undirected", False),
    )

"""Partitions of a graph on disk: an index that every process maps, and a folder for each partition.

The index says who owns each node and where its in-edges stand in the whole graph. A partition has its own nodes'
features and in-edges, in the order of the whole graph.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.errors import ArtifactError
from gnnctl.graph.features import attributes_of
from gnnctl.graph.graph import Graph
from gnnctl.graph.stores import EdgeStore
from gnnctl.graph.types import EdgeType

BASE = "partitions"
EDGE_ARRAYS = ("row", "weight", "edge_attr", "time")
VIEWS = 3  # of a split of links: those of train, val and test
_ROWS = 1 << 18  # copied at once


def has_partitions(artifact: Artifact) -> bool:
    """Whether a split has its graph in partitions beside it."""
    return artifact.has(f"{BASE}/layout")


def write_partitions(
    writer: ArtifactWriter,
    graph: Graph,
    owner: Mapping[str, np.ndarray],
    parts: int,
    codes: Mapping[EdgeType, np.ndarray] | None,
    facts: Mapping[str, Any],
) -> None:
    """Write a graph in partitions into the split of it.

    Args:
        graph: opened from an artifact.
        owner: by node type (N,) integers, 0 to ``parts`` - 1.
        parts: how many.
        codes: of a split of links: by edge type (E,) int8, the first view that shows an edge; None: of another split.
        facts: that the layout keeps: how the nodes were dealt out.
    """
    assert graph.artifact is not None
    hides = codes or {}
    own = [{t: np.flatnonzero(of == number) for t, of in owner.items()} for number in range(parts)]
    arrays: dict[str, Any] = {}
    for name, nodes in graph.nodes.items():
        base = f"nodes/{name}"
        writer.array(f"{BASE}/{base}/owner", owner[name].astype(np.int32))
        place = np.empty(nodes.num_nodes, np.int32 if nodes.num_nodes < 2**31 else np.int64)
        for rows in own:
            place[rows[name]] = np.arange(len(rows[name]))
        writer.array(f"{BASE}/{base}/place", place)
        for part in ("time", "x_scale"):
            if (values := getattr(nodes, part)) is not None:
                writer.array(f"{BASE}/{base}/{part}", np.asarray(values))
        if nodes.x is not None:
            arrays[f"{base}/x"] = {"dtype": nodes.x.dtype.str, "shape": list(nodes.x.shape)}
    for edge_type, edges in graph.edges.items():
        base = f"edges/{edge_type.key}"
        writer.array(f"{BASE}/{base}/colptr", np.asarray(edges.colptr))
        for view in range(VIEWS if edge_type in hides else 0):
            before = np.concatenate([[0], np.cumsum(hides[edge_type] <= view, dtype=np.int64)])
            writer.array(f"{BASE}/{base}/view-{view}", before[edges.colptr])
        for part in EDGE_ARRAYS:
            if (values := getattr(edges, part)) is not None:
                arrays[f"{base}/{part}"] = {"dtype": values.dtype.str, "shape": list(values.shape)}
    for number, rows in enumerate(own):
        _write_part(writer, graph, rows, number, hides)
    # What the graph's manifest says of its making stays there: an equal graph gives equal bytes here.
    made = {"fingerprint": graph.artifact.fingerprint, "content": graph.artifact.content}
    document = {"graph": graph.layout(), "encoders": graph.encoders, "arrays": arrays, "made": made}
    views = 0 if codes is None else VIEWS
    writer.json(f"{BASE}/layout", {"parts": parts, "views": views, **facts, **document})


def _write_part(
    writer: ArtifactWriter,
    graph: Graph,
    own: Mapping[str, np.ndarray],
    number: int,
    codes: Mapping[EdgeType, np.ndarray],
) -> None:
    for name, nodes in graph.nodes.items():
        rows, base = own[name], f"{BASE}/{number}/nodes/{name}"
        if nodes.x is not None:
            shape = (len(rows), *nodes.x.shape[1:])
            stream = writer.array_stream(f"{base}/x", nodes.x.dtype, shape, attributes_of(nodes.x.dtype))
            for start in range(0, len(rows), _ROWS):
                stream.append(nodes.x[rows[start : start + _ROWS]])
    for edge_type, edges in graph.edges.items():
        base = f"{BASE}/{number}/edges/{edge_type.key}"
        held: dict[str, np.ndarray | None] = {part: getattr(edges, part) for part in EDGE_ARRAYS}
        held["code"] = codes.get(edge_type)
        rows = own[edge_type.dst]
        count = int((edges.colptr[rows + 1] - edges.colptr[rows]).sum())
        for part, values in held.items():
            if values is not None:
                stream = writer.array_stream(f"{base}/{part}", values.dtype, (count, *values.shape[1:]))
                for positions in _positions(edges, rows):
                    stream.append(values[positions])


def _positions(edges: EdgeStore, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of the in-edges of some nodes, a piece at a time."""
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        first = edges.colptr[part]
        degree = edges.colptr[part + 1] - first
        before = np.cumsum(degree) - degree
        positions = np.arange(int(degree.sum()), dtype=np.int64)
        positions += np.repeat(first - before, degree)
        for at in range(0, len(positions), _ROWS):
            yield positions[at : at + _ROWS]


class PartitionIndex:
    """What every process knows of the partitions.

    Attributes:
        artifact: the split.
        parts: how many there are.
        layout: the documents of the graph, ``graph`` and ``encoders``; ``arrays`` by name.
        owner: by node type (N,) int32.
        place: by node type (N,) integers, which of its owner's nodes a node is.
        views: that a split of links has: those of train, val and test; 0 of another.
        edge_types: in the graph's order.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.layout: dict[str, Any] = artifact.json(f"{BASE}/layout")
        self.parts, self.views = int(self.layout["parts"]), int(self.layout["views"])
        graph = self.layout["graph"]
        self.owner, self.place = (
            {e["name"]: artifact.array(f"{BASE}/nodes/{e['name']}/{what}") for e in graph["nodes"]}
            for what in ("owner", "place")
        )
        self.edge_types = [EdgeType(*entry["type"]) for entry in graph["edges"]]
        for entry in graph["nodes"]:
            if any(len(held[entry["name"]]) != entry["num_nodes"] for held in (self.owner, self.place)):
                where = f"{artifact.path}/{BASE}/nodes/{entry['name']}"
                raise ArtifactError(f"{where} does not fit the graph", fix="make the split again")

    def colptr(self, edge_type: EdgeType, view: int | None) -> np.ndarray:
        """(N + 1,) int64, where the in-edges of the whole graph's nodes stand in a view; None: in the graph."""
        base = f"{BASE}/edges/{edge_type.key}"
        shown = view is not None and self.artifact.has(f"{base}/view-{view}")
        return self.artifact.array(f"{base}/view-{view}" if shown else f"{base}/colptr")

    def array(self, name: str) -> np.ndarray | None:
        """Another array that the whole graph has in the index: times and scales."""
        return self.artifact.array(f"{BASE}/{name}") if self.artifact.has(f"{BASE}/{name}") else None

"""The one graph model: typed nodes and edges, edges sorted by destination.

A homogeneous graph has one node type and one edge type. Arrays may be memory-mapped from an artifact or live in memory;
they are read-only either way.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.artifacts import Artifact, ArtifactWriter, checksum_json
from gnnctl.artifacts.checksum import array_checksum
from gnnctl.errors import ArtifactError, DataError
from gnnctl.graph.build import EdgeList, by_name, integers, sort_edges
from gnnctl.graph.features import attributes_of
from gnnctl.graph.graphs import GRAPH, GraphSet
from gnnctl.graph.layout import DAMAGED, edge_entry, node_entry, open_edges, open_nodes
from gnnctl.graph.stores import EdgeStore, NodeStore
from gnnctl.graph.types import EdgeSchema, EdgeType, GraphSchema, NodeSchema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DEFAULT_EDGE", "DEFAULT_NODE", "EdgeStore", "Graph", "NodeStore"]

_ROWS = 1 << 18  # written at once

DEFAULT_NODE = "node"
DEFAULT_EDGE = EdgeType("node", "to", "node")


class Graph:
    """A typed graph. Open one with :meth:`open`, or build one in memory with :meth:`from_coo`."""

    def __init__(
        self,
        nodes: dict[str, NodeStore],
        edges: dict[EdgeType, EdgeStore],
        *,
        encoders: dict[str, Any] | None = None,
        artifact: Artifact | None = None,
        graphs: GraphSet | None = None,
    ) -> None:
        self.nodes = nodes
        self.edges = edges
        self.encoders = encoders or {}
        self.artifact = artifact
        self.graphs = graphs

    @property
    def node_types(self) -> list[str]:
        """Node types in their fixed order."""
        return list(self.nodes)

    @property
    def edge_types(self) -> list[EdgeType]:
        """Edge types in their fixed order."""
        return list(self.edges)

    def store(self, name: str) -> NodeStore:
        """The table of a node type, or, called ``graph``, of the graphs that this one is made of.

        Raises:
            KeyError: there is none.
        """
        return self.graphs.table if name == GRAPH and self.graphs is not None else self.nodes[name]

    def stores(self) -> dict[str, NodeStore]:
        """By name every table of :meth:`store`."""
        return self.nodes if self.graphs is None else {**self.nodes, GRAPH: self.graphs.table}

    def num_nodes(self, node_type: str) -> int:
        """Nodes of one type; graphs, of ``graph``."""
        return self.store(node_type).num_nodes

    @property
    def num_edges(self) -> int:
        """Edges of all types."""
        return sum(e.num_edges for e in self.edges.values())

    @cached_property
    def schema(self) -> GraphSchema:
        """Types and feature widths."""
        return GraphSchema(
            nodes={
                name: NodeSchema(n.num_nodes, 0 if n.x is None else int(n.x.shape[1])) for name, n in self.nodes.items()
            },
            edges={
                t: EdgeSchema(0 if e.edge_attr is None else int(e.edge_attr.shape[1]), e.weight is not None)
                for t, e in self.edges.items()
            },
            graph_features=None if self.graphs is None else len(self.graphs.table.feature_names),
        )

    @cached_property
    def fingerprint(self) -> str:
        """The artifact's fingerprint; for a graph in memory, a hash of its structure and features."""
        if self.artifact is not None:
            return self.artifact.fingerprint
        parts: dict[str, Any] = {"schema": self.schema.to_json()}
        for name, n in self.nodes.items():
            parts[name] = None if n.x is None else array_checksum(np.asarray(n.x))
            if n.x_scale is not None:
                parts[f"{name} scale"] = array_checksum(n.x_scale)
        for t, e in self.edges.items():
            parts[str(t)] = [array_checksum(e.colptr), array_checksum(e.row)]
        if self.graphs is not None:
            parts["graphs"] = self.graphs.fingerprint_parts()
        return checksum_json(parts)

    # -- on disk -----------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, source: Path | str | Artifact, *, features: bool = True) -> "Graph":
        """Open a graph artifact; arrays are mapped and each CSC is checked once.

        Args:
            features: False touches no features of nodes and edges: they are there in shape, and NaN, for one who has
                them from elsewhere.

        Raises:
            ArtifactError: missing, damaged, or no graph.
        """
        artifact = source if isinstance(source, Artifact) else Artifact.open(source, "graph")
        if artifact.kind != "graph":
            raise ArtifactError(f"{artifact.path} is a {artifact.kind}, not a graph", fix="name a graph artifact")
        layout = artifact.json("graph")
        nodes = {
            entry["name"]: open_nodes(artifact, f"nodes/{entry['name']}", entry, features) for entry in layout["nodes"]
        }
        edges = {}
        for entry in layout["edges"]:
            edge_type = EdgeType(*entry["type"])
            edges[edge_type] = open_edges(artifact, edge_type, entry, features)
        graphs = None
        if (entry := layout.get("graphs")) is not None:
            table = open_nodes(
                artifact, "graphs", {**entry, "name": GRAPH, "num_nodes": entry["num_graphs"], "time": False}
            )
            graphs = GraphSet.open(artifact, table, {name: store.num_nodes for name, store in nodes.items()})
        graph = cls(nodes, edges, encoders=artifact.json("encoders"), artifact=artifact, graphs=graphs)
        graph.check()
        return graph

    def write(self, writer: ArtifactWriter) -> None:
        """Write a graph that is in memory into an artifact; ingest streams larger ones array by array."""
        stores = {f"nodes/{name}": store for name, store in self.nodes.items()}
        if self.graphs is not None:
            stores["graphs"] = self.graphs.table
            self.graphs.write_ptr(writer)
        for base, n in stores.items():
            if n.ids is not None:
                writer.table(f"{base}/ids", _ids_table(n.ids))
            if n.columns is not None:
                writer.table(f"{base}/columns", n.columns)
            for part in ("x", "x_scale", "time"):
                if (values := getattr(n, part)) is not None:
                    stream = writer.array_stream(
                        f"{base}/{part}", values.dtype, values.shape, attributes_of(values.dtype)
                    )
                    for start in range(0, len(values), _ROWS):
                        stream.append(values[start : start + _ROWS])
        for t, e in self.edges.items():
            for part in ("colptr", "row", "weight", "edge_attr", "time", "forward"):
                if (values := getattr(e, part)) is not None:
                    writer.array(f"edges/{t.key}/{part}", values)
            if e.columns is not None:
                writer.table(f"edges/{t.key}/columns", e.columns)
        writer.json("graph", self.layout())
        writer.json("encoders", self.encoders)
        writer.summary.update(self.summary())

    def layout(self) -> dict[str, Any]:
        """The document ``graph.json``: types in order, sizes, and which arrays each has."""
        graphs = {} if self.graphs is None else {"graphs": self.graphs.layout()}
        return {
            "nodes": [node_entry(name, store) for name, store in self.nodes.items()],
            "edges": [edge_entry(edge_type, store) for edge_type, store in self.edges.items()],
            **graphs,
        }

    def summary(self) -> dict[str, Any]:
        """Counts for the manifest."""
        graphs = {} if self.graphs is None else {"graphs": self.graphs.num_graphs}
        return {
            **graphs,
            "nodes": {name: n.num_nodes for name, n in self.nodes.items()},
            "edges": {str(t): e.num_edges for t, e in self.edges.items()},
            "features": {name: n.features for name, n in self.schema.nodes.items()},
            "labels": {name: store.label for name, store in self.stores().items() if store.label},
        }

    # -- contents ----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Check every CSC: shapes, sorted ``colptr``, sources in range.

        Raises:
            ArtifactError: which array is wrong, and how.
        """
        for t, e in self.edges.items():
            where = f"edges '{t}'" + (f" of {self.artifact.path}" if self.artifact else "")
            for end in (t.src, t.dst):
                if end not in self.nodes:
                    raise ArtifactError(f"{where}: there is no node type '{end}'", fix=DAMAGED)
            if len(e.colptr) != self.num_nodes(t.dst) + 1 or e.colptr[0] != 0 or e.colptr[-1] != len(e.row):
                raise ArtifactError(
                    f"{where}: colptr does not fit {self.num_nodes(t.dst)} nodes and {len(e.row)} edges", fix=DAMAGED
                )
            if np.any(e.colptr[1:] < e.colptr[:-1]):
                raise ArtifactError(f"{where}: colptr decreases", fix=DAMAGED)
            if len(e.row) and (int(e.row.min()) < 0 or int(e.row.max()) >= self.num_nodes(t.src)):
                raise ArtifactError(f"{where}: row has an entry outside 0..{self.num_nodes(t.src) - 1}", fix=DAMAGED)
            if self.graphs is not None and (crossing := self.graphs.crossing(t, e)[0]):
                raise ArtifactError(f"{where}: {crossing:,} edges lead from one graph to another", fix=DAMAGED)

    def rows_of(self, node_type: str, ids: list[Any]) -> np.ndarray:
        """Rows (int64) of original ids; text matches ids of any type by what they print as.

        Raises:
            DataError: an unknown type or id.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if node_type not in self.stores():
            raise DataError(f"the graph has no node type '{node_type}'", fix=f"it has {', '.join(self.nodes)}")
        store = self.store(node_type)
        known = store.ids if store.ids is not None else pa.array(np.arange(store.num_nodes))
        wanted = pa.array([str(i) for i in ids], pa.string())
        rows = pc.index_in(wanted, value_set=pc.cast(known, pa.string()))
        if rows.null_count:
            missing = [text for text, row in zip(wanted.to_pylist(), rows.to_pylist(), strict=True) if row is None]
            raise DataError(
                f"no {node_type} has the id {', '.join(repr(m) for m in missing[:3])}" + _nearest(missing[0], known),
                fix="check the spelling",
            )
        found: np.ndarray = rows.to_numpy(zero_copy_only=False).astype(np.int64)
        return found

    def ids_of(self, node_type: str, rows: np.ndarray) -> "pa.Array":
        """Original ids of rows, in their own Arrow type; the rows themselves where the type has no ids."""
        import pyarrow as pa

        ids = self.store(node_type).ids
        if ids is None:
            return pa.array(rows)
        found = ids.take(pa.array(rows))
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found

    # -- in memory ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_coo(
        cls,
        num_nodes: int | Mapping[str, int],
        edges: np.ndarray | Mapping[EdgeType, np.ndarray],
        *,
        x: np.ndarray | Mapping[str, np.ndarray] | None = None,
        edge_weight: np.ndarray | Mapping[EdgeType, np.ndarray] | None = None,
        edge_attr: np.ndarray | Mapping[EdgeType, np.ndarray] | None = None,
        time: np.ndarray | Mapping[str, np.ndarray] | None = None,
        edge_time: np.ndarray | Mapping[EdgeType, np.ndarray] | None = None,
        columns: "pa.Table | Mapping[str, pa.Table] | None" = None,
        edge_columns: "pa.Table | Mapping[EdgeType, pa.Table] | None" = None,
        ids: "Mapping[str, pa.Array] | None" = None,
        graphs: GraphSet | None = None,
        num_threads: int = 1,
    ) -> "Graph":
        """A graph in memory from edge lists in any order; any order of the same edges gives the same bytes.

        Args:
            num_nodes: count, or counts by node type.
            edges: (2, E) integers, sources over destinations, or one such array by edge type.
            x: (N, F), or by node type.
            edge_weight: (E,) in the order of ``edges``, or by edge type.
            edge_attr: (E, F) likewise.
            time: (N,) integers, when nodes become visible, or by node type; the least int64 is always.
            edge_time: (E,) integers in the order of ``edges``, or by edge type.
            columns: kept columns, or by node type.
            edge_columns: kept columns (E rows) in the order of ``edges``, or by edge type.
            ids: original ids by node type.
            graphs: those that it is made of; nodes stand in their order already.
            num_threads: for sorting.

        Raises:
            ValueError: an edge points outside the nodes, a type is unknown, or lengths do not fit.
            TypeError: edges or times that are no integers.
        """
        counts = {DEFAULT_NODE: num_nodes} if isinstance(num_nodes, int) else dict(num_nodes)
        by_type: dict[EdgeType, np.ndarray] = (
            {t: np.asarray(e) for t, e in edges.items()} if isinstance(edges, Mapping) else {DEFAULT_EDGE: edges}
        )
        features, times = by_name(x, DEFAULT_NODE, counts, "x"), by_name(time, DEFAULT_NODE, counts, "time")
        kept = by_name(columns, DEFAULT_NODE, counts, "columns")
        weights = by_name(edge_weight, DEFAULT_EDGE, by_type, "edge_weight")
        attributes = by_name(edge_attr, DEFAULT_EDGE, by_type, "edge_attr")
        edge_times = by_name(edge_time, DEFAULT_EDGE, by_type, "edge_time")
        edge_kept = by_name(edge_columns, DEFAULT_EDGE, by_type, "edge_columns")
        nodes = {}
        for name, count in counts.items():
            values = features.get(name)
            values = None if values is None else np.ascontiguousarray(values, dtype=np.float32)
            names = [] if values is None else [f"x{i}" for i in range(values.shape[1])]
            visible = None if name not in times else integers(times[name], f"time of '{name}'", count)
            nodes[name] = NodeStore(count, (ids or {}).get(name), values, visible, kept.get(name), names)
        stores = {}
        for t, coo in by_type.items():
            for end in (t.src, t.dst):
                if end not in counts:
                    raise ValueError(f"edges: '{t}' needs a node type '{end}'")
            given = EdgeList(coo, edge_times.get(t), weights.get(t), attributes.get(t), edge_kept.get(t))
            try:
                found = sort_edges(given, counts[t.src], counts[t.dst], nodes[t.src].time, num_threads=num_threads)
            except (ValueError, TypeError) as error:
                raise type(error)(f"edges '{t}': {error}") from None
            names = [] if found.edge_attr is None else [f"e{i}" for i in range(found.edge_attr.shape[1])]
            stores[t] = EdgeStore(
                found.colptr,
                found.row,
                found.weight,
                found.edge_attr,
                found.time,
                feature_names=names,
                columns=found.columns,
            )
        if graphs is not None:
            graphs.check(counts)
            for t, store in stores.items():
                if crossing := graphs.crossing(t, store)[0]:
                    raise ValueError(f"edges '{t}': {crossing} lead from one graph to another")
        return cls(nodes, stores, graphs=graphs)


def _ids_table(ids: "pa.Array | pa.ChunkedArray") -> "pa.Table":
    import pyarrow as pa

    return pa.table({"id": ids})


def _nearest(text: str, known: "pa.Array | pa.ChunkedArray") -> str:
    import difflib

    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.cast(known, pa.string())
    start = pc.starts_with(texts, pattern=text[:3])
    close = difflib.get_close_matches(text, texts.filter(start).to_pylist()[:20000], n=3)
    return f" (nearest: {', '.join(close)})" if close else ""

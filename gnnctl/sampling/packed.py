"""Writing feature rows beside the records that need them, so that training on these touches no feature store.

A file of records has one Arrow table for each node type with features and one for each edge type with weights or
features: the rows (positions) that its records name, each once, ascending, and what belongs to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.artifacts.tables import write_table
from gnnctl.errors import DataError
from gnnctl.graph.features import FeatureFormat, encode_features, feature_format, int8_scale
from gnnctl.graph.graph import Graph, NodeStore
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.columns import Layout

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "packed"
_ROWS = 1 << 16  # converted at a time
_PENDING = 1 << 20  # rows that wait before they are made distinct


@dataclass(frozen=True)
class PackedNodes:
    """Features of one node type: their format, width, and for int8 the scale (2, F) as nested lists."""

    format: FeatureFormat
    width: int
    scale: tuple[tuple[float, ...], ...] | None = None

    def scale_array(self) -> np.ndarray | None:
        """(2, F) float32, or None."""
        return None if self.scale is None else np.array(self.scale, np.float32)


@dataclass(frozen=True)
class PackedEdges:
    """Whether an edge type has weights, and how many features."""

    weight: bool
    width: int


@dataclass(frozen=True)
class Packing:
    """What lies beside the records.

    Attributes:
        nodes: by node type that has features.
        edges: by edge type that has weights or features, both float32.
    """

    nodes: dict[str, PackedNodes]
    edges: dict[EdgeType, PackedEdges]

    @classmethod
    def of(cls, graph: Graph, format: FeatureFormat | None) -> "Packing":
        """What a graph's features become.

        Args:
            format: None keeps each type's own. int8, where the graph has another, spreads the range of each column
                over all nodes of the type: one pass over its features.

        Raises:
            DataError: features that the format cannot hold.
        """
        nodes = {}
        for name, store in graph.nodes.items():
            if store.x is None:
                continue
            own = feature_format(store.x, store.x_scale)
            scale = store.x_scale if own == "int8" else None
            if format == "int8" and own != "int8":
                scale = _range_scale(name, store)
            listed = None if scale is None or format not in (None, "int8") else tuple(map(tuple, scale.tolist()))
            nodes[name] = PackedNodes(format or own, int(store.x.shape[1]), listed)
        edges = {
            t: PackedEdges(store.weight is not None, 0 if store.edge_attr is None else int(store.edge_attr.shape[1]))
            for t, store in graph.edges.items()
            if store.weight is not None or store.edge_attr is not None
        }
        return cls(nodes, edges)

    def to_json(self) -> dict[str, Any]:
        """JSON document that :meth:`from_json` reads."""
        return {
            "nodes": {
                name: {"dtype": n.format, "width": n.width, **({} if n.scale is None else {"scale": n.scale})}
                for name, n in self.nodes.items()
            },
            "edges": {str(t): {"weight": e.weight, "width": e.width} for t, e in self.edges.items()},
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Packing":
        """Rebuild it from its JSON document."""
        nodes = {
            name: PackedNodes(n["dtype"], n["width"], tuple(map(tuple, n["scale"])) if "scale" in n else None)
            for name, n in document["nodes"].items()
        }
        edges = {EdgeType.parse(t): PackedEdges(e["weight"], e["width"]) for t, e in document["edges"].items()}
        return cls(nodes, edges)

    def row_bytes(self) -> dict[str | EdgeType, int]:
        """Bytes of one node or edge of each type, its row among them."""
        sizes: dict[str | EdgeType, int] = {}
        for name, n in self.nodes.items():
            sizes[name] = 8 + n.width * {"float32": 4, "int8": 1}.get(n.format, 2)
        for t, e in self.edges.items():
            sizes[t] = 8 + 4 * (e.weight + e.width)
        return sizes

    def files(self) -> "dict[str | EdgeType, str]":
        """How the file of each type is called, after the number of its file of records."""
        return {**{t: f"nodes.{t}" for t in self.nodes}, **{t: f"edges.{t.key}" for t in self.edges}}


class PackWriter:
    """Gathers what the records of one file name, and writes it beside them. Memory: the rows of one file.

    Args:
        graph: where the features are.
        packing: what becomes of them.
        layout: of the records.
    """

    def __init__(self, graph: Graph, packing: Packing, layout: Layout) -> None:
        self._graph, self._packing, self._layout = graph, packing, layout
        self._distinct = {t: np.zeros(0, np.int64) for t in packing.files()}
        self._pending: dict[str | EdgeType, list[np.ndarray]] = {t: [] for t in self._distinct}

    def add(self, batch: "pa.RecordBatch") -> None:
        """Note the nodes and edges of some records."""
        for t, rows in named_rows(batch, self._layout).items():
            if t not in self._distinct or len(rows) == 0:
                continue
            self._pending[t].append(np.unique(rows))
            if sum(map(len, self._pending[t])) > max(_PENDING, len(self._distinct[t])):
                self._merge(t)

    @property
    def bytes(self) -> int:
        """What would be written, or more: rows that several batches name may be counted twice."""
        sizes = self._packing.row_bytes()
        return sum(
            size * (len(self._distinct[t]) + sum(map(len, self._pending[t])))
            for t, size in sizes.items()
        )  # fmt: skip

    def merge(self) -> None:
        """Make :attr:`bytes` exact."""
        for t in self._distinct:
            self._merge(t)

    def write(self, paths: "dict[str | EdgeType, Path]") -> None:
        """Write the table of every type."""
        for t, path in paths.items():
            self._merge(t)
            rows = self._distinct[t]
            write_table(path, self._node_table(t, rows) if isinstance(t, str) else self._edge_table(t, rows))

    def _merge(self, t: str | EdgeType) -> None:
        if self._pending[t]:
            self._distinct[t] = np.unique(np.concatenate([self._distinct[t], *self._pending[t]]))
            self._pending[t] = []

    def _node_table(self, name: str, rows: np.ndarray) -> "pa.Table":
        import pyarrow as pa

        values = packed_values(self._graph.nodes[name], rows, self._packing.nodes[name], name)
        return pa.table({"row": rows, "x": _vectors(values)})

    def _edge_table(self, t: EdgeType, rows: np.ndarray) -> "pa.Table":
        import pyarrow as pa

        store, found = self._graph.edges[t], {"pos": pa.array(rows)}
        if store.weight is not None:
            found["weight"] = pa.array(np.ascontiguousarray(store.weight[rows], np.float32))
        if store.edge_attr is not None:
            found["edge_attr"] = _vectors(np.ascontiguousarray(store.edge_attr[rows], np.float32))
        return pa.table(found)


def packed_values(store: NodeStore, rows: np.ndarray, packed: PackedNodes, name: str) -> np.ndarray:
    """Features of rows (n,) as they are packed: (n, F) in the packed format.

    Raises:
        DataError: a value that float16 cannot hold.
    """
    assert store.x is not None
    if feature_format(store.x, store.x_scale) == packed.format:
        own: np.ndarray = store.x[rows]
        return np.ascontiguousarray(own)
    scale, parts = packed.scale_array(), []
    for start in range(0, len(rows), _ROWS):
        x = store.features(rows[start : start + _ROWS])
        assert x is not None
        values = encode_features(x, packed.format, scale).values
        if packed.format == "float16" and not np.array_equal(np.isfinite(values), np.isfinite(x)):
            problem = f"features of {name}: one is beyond 65,504, the largest that float16 holds"
            raise DataError(problem, fix="pass --feature-dtype bfloat16")
        parts.append(values)
    return np.concatenate(parts) if parts else encode_features(
        np.zeros((0, packed.width), np.float32), packed.format, scale
    ).values  # fmt: skip


def named_rows(batch: "pa.RecordBatch", layout: Layout) -> dict[str | EdgeType, np.ndarray]:
    """By type all rows and positions that some records name, as often as they do; -1, which no edge has, left out."""
    found: dict[str | EdgeType, np.ndarray] = {}
    kinds: list[tuple[str, str, Sequence[str | EdgeType], int]] = [
        ("nodes", "node_counts", layout.node_types, layout.hops + 1),
        ("edge_pos", "edge_counts", layout.edge_types, layout.hops),
    ]
    for column, counts, types, steps in kinds:
        values = batch.column(column).flatten().to_numpy()
        sizes = batch.column(counts).flatten().to_numpy().reshape(batch.num_rows, len(types), steps).sum(axis=2)
        of = np.repeat(np.tile(np.arange(len(types)), batch.num_rows), sizes.ravel())
        for i, t in enumerate(types):
            rows = values[of == i]
            found[t] = rows[rows >= 0]
    return found


def _vectors(values: np.ndarray) -> "pa.Array":
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _range_scale(name: str, store: NodeStore) -> np.ndarray:
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    for start in range(0, store.num_nodes, _ROWS):
        x = store.features(np.arange(start, min(start + _ROWS, store.num_nodes)))
        assert x is not None
        least, most = x.min(0), x.max(0)
        low = least if low is None else np.minimum(low, least)
        high = most if high is None else np.maximum(high, most)
    assert store.x is not None
    zero = np.zeros(store.x.shape[1], np.float32)
    try:
        return int8_scale(zero if low is None else low, zero if high is None else high)
    except ValueError as error:
        raise DataError(f"features of {name}: {error}", fix="pass another --feature-dtype") from None

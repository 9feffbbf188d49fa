"""A graph in partitions, each held by one process: read through the store of whoever has a row."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.artifacts.manifest import FORMATS, Manifest
from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.own_part import OwnPart, OwnRows
from gnnctl.graph.owners import Owner
from gnnctl.graph.partition_files import EDGE_ARRAYS, PartitionIndex
from gnnctl.graph.store_interfaces import Column, FeatureStore, Key, Rows, check_read
from gnnctl.graph.stores import EdgeStore, NodeStore
from gnnctl.graph.types import EdgeType

T = TypeVar("T")
_ROWS = 1 << 20  # of a range, at once


class Traffic:
    """How many rows of node features were read, and how many of them from other partitions.

    Args:
        number: of one's own partition.
    """

    def __init__(self, number: int) -> None:
        self.number, self.rows, self.others = number, 0, 0
        self._lock = threading.Lock()

    def count(self, owner: np.ndarray) -> None:
        """Add a read of rows by who owns them."""
        others = int(np.count_nonzero(owner != self.number))
        with self._lock:
            self.rows += len(owner)
            self.others += others

    def describe(self) -> str:
        """In words."""
        return f"{self.others / max(1, self.rows):.1%} of {self.rows:,} feature rows were read from other partitions"


class RoutedRows:
    """The :class:`gnnctl.graph.store_interfaces.FeatureStore` over all partitions: each row is asked of its owner.

    Args:
        index: says whose a row is.
        owners: by number of the partition.
        shapes: the store of one of them, which knows all shapes.
        view: that edges have their positions in.
        each: asks several owners at once.
        traffic: where to count.
    """

    def __init__(
        self,
        index: PartitionIndex,
        owners: Mapping[int, Owner],
        shapes: FeatureStore,
        view: int | None,
        each: "Callable[[list[Callable[[], None]]], object]",
        traffic: Traffic,
    ) -> None:
        self._index, self._owners, self._shapes, self._view, self._each = index, owners, shapes, view, each
        self._traffic = traffic

    def keys(self) -> Sequence[Key]:
        """What there is."""
        return self._shapes.keys()

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...)."""
        return (int(self._colptr(key)[-1]),) if _is_forward(key) else self._shapes.shape(key)

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values."""
        return np.dtype(np.int64) if _is_forward(key) else self._shapes.dtype(key)

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer; ResourceError: an owner does not answer."""
        if _is_forward(key):
            raise UsageError(
                f"partitions do not keep which edges '{key.group}' is the reverse of", fix="train in one process"
            )
        shape = self.shape(key)
        check_read(key, shape, self.dtype(key), rows, out)
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(shape[0])
            for at in range(start, stop, _ROWS):
                part = np.arange(at, min(at + _ROWS, stop), dtype=np.int64)
                self._read(key, part, out[at - start : at - start + len(part)], num_threads)
        else:
            self._read(key, rows, out, num_threads)

    def _read(self, key: Key, rows: np.ndarray, out: np.ndarray, num_threads: int) -> None:
        if isinstance(key.group, EdgeType):
            nodes = np.searchsorted(self._colptr(key), rows, side="right") - 1
            owner = self._index.owner[key.group.dst][nodes]
        else:
            owner = self._index.owner[key.group][rows]
            self._traffic.count(owner)

        def ask(number: int) -> None:
            at = np.flatnonzero(owner == number)
            found = np.empty((len(at), *out.shape[1:]), out.dtype)
            self._owners[number].features(self._view).read(key, rows[at], found, num_threads=num_threads)
            out[at] = found

        self._each([partial(ask, number) for number in np.flatnonzero(np.bincount(owner)).tolist()])

    def _colptr(self, key: Key) -> np.ndarray:
        assert isinstance(key.group, EdgeType)
        return self._index.colptr(key.group, self._view)


def _is_forward(key: Key) -> bool:
    return key.attribute == "forward"


class PartitionedArtifact(Artifact):
    """The artifact of a graph that is read in partitions: where it is not looked at, only what it was is known."""

    def __init__(self, index: PartitionIndex) -> None:
        self._documents = index.layout
        split = index.artifact
        path = next(p["path"] for p in split.manifest.parents if p["role"] == "graph")
        made = index.layout["made"]
        manifest = Manifest(
            kind="graph", format=FORMATS["graph"], fingerprint=made["fingerprint"], content=made["content"],
            stage="ingest", algorithm=1, options={}, parents=[], inputs={}, files=[], contents={}, summary={},
            versions={}, created="",
        )  # fmt: skip
        super().__init__(Path(split.path.resolve(), path).resolve(), manifest)

    def json(self, name: str) -> Any:
        """See :class:`Artifact`."""
        return self._documents[name]


class PartitionedGraph(Graph):
    """A graph whose nodes' features and in-edges lie with the owners of the nodes.

    Positions, times and who owns a node are known here. Everything else is a column of :class:`RoutedRows`.

    Args:
        part: this process's own.
        owners: by number of the partition; those of other processes may be added until something is read.
        view: of a split of links, or None.
        nodes: those of another view, which it shares.

    Attributes:
        traffic: what was read of the nodes' features; those of a view count with the graph's.
    """

    def __init__(
        self,
        part: OwnPart,
        owners: dict[int, Owner],
        view: int | None = None,
        nodes: dict[str, NodeStore] | None = None,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        index = part.index
        self.part, self.index, self.owners, self.number = part, index, owners, view
        self._pool = pool or ThreadPoolExecutor(4 * index.parts, thread_name_prefix="owners")
        self.traffic = Traffic(part.number)
        self.features = RoutedRows(index, owners, OwnRows(part, view), view, self.at_once, self.traffic)
        layout = index.layout["graph"]
        if nodes is None:
            nodes = {entry["name"]: self._nodes(entry) for entry in layout["nodes"]}
        edges = {EdgeType(*entry["type"]): self._edges(entry) for entry in layout["edges"]}
        artifact = PartitionedArtifact(index) if view is None else None
        super().__init__(nodes, edges, encoders=index.layout["encoders"], artifact=artifact)

    def _nodes(self, entry: dict[str, Any]) -> NodeStore:
        name = entry["name"]
        return NodeStore(
            entry["num_nodes"],
            x=Column(self.features, Key(name, "x")) if entry["x"] else None,
            x_scale=self.index.array(f"nodes/{name}/x_scale"),
            time=self.index.array(f"nodes/{name}/time"),
            feature_names=entry["features"],
            label=entry["label"],
        )

    def _edges(self, entry: dict[str, Any]) -> EdgeStore:
        edge_type = EdgeType(*entry["type"])
        # A column is indexed like an array, which is all that is done with arrays that may be large.
        columns = {
            part: cast(np.ndarray, Column(self.features, Key(edge_type, part)))
            for part in (*EDGE_ARRAYS, "forward")
            if part == "row" or entry[part]
        }
        return EdgeStore(
            colptr=self.index.colptr(edge_type, self.number),
            **columns,
            feature_names=entry["features"],
            undirected=entry.get("undirected", False),
        )

    def view(self, number: int) -> "PartitionedGraph":
        """The edges that messages of a part of a split of links pass along; nodes are the same."""
        return PartitionedGraph(self.part, self.owners, number, self.nodes, self._pool)

    def structure_of(self, edge_types: Sequence[EdgeType]) -> Graph:
        """The edges of some types, without anything else of theirs, brought into memory."""
        edges = {t: EdgeStore(self.edges[t].colptr, np.asarray(self.edges[t].row)) for t in edge_types}
        return Graph(self.nodes, edges)

    def at_once(self, asked: list[Callable[[], T]]) -> list[T]:
        """What several owners answer, asked together."""
        if len(asked) < 2:
            return [one() for one in asked]
        return [answer.result() for answer in [self._pool.submit(one) for one in asked]]

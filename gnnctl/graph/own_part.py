"""One partition, opened: its arrays under the numbers that their rows have in the whole graph."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gnnctl.errors import ArtifactError
from gnnctl.graph.array_stores import ArrayFeatures
from gnnctl.graph.partition_files import BASE, PartitionIndex
from gnnctl.graph.store_interfaces import Key, Rows, check_read
from gnnctl.graph.types import EdgeType


class OwnEdges(NamedTuple):
    """In-edges of the partition's nodes, of one type and view.

    Attributes:
        whole: (N + 1,) int64, where each node's in-edges stand in the whole graph.
        colptr: (N + 1,) int64, where they stand here; a node of another partition has none.
        arrays: by attribute (e, ...).
    """

    whole: np.ndarray
    colptr: np.ndarray
    arrays: dict[str, np.ndarray]

    def position(self, nodes: np.ndarray, here: np.ndarray) -> np.ndarray:
        """Positions in the whole graph of in-edges of ``nodes`` that stand ``here``."""
        found: np.ndarray = here + (self.whole[nodes] - self.colptr[nodes])
        return found


class OwnPart:
    """A partition that this process holds; mapped, but for 8 bytes a node of the whole graph and edge type.

    Args:
        index: of all partitions.
        number: which.
    """

    def __init__(self, index: PartitionIndex, number: int) -> None:
        self.index, self.number = index, number
        self._edges: dict[tuple[EdgeType, int | None], OwnEdges] = {}
        artifact, nodes = index.artifact, f"{BASE}/{number}/nodes"
        self.x = {
            name: artifact.array(f"{nodes}/{name}/x")
            for name in index.owner
            if f"nodes/{name}/x" in index.layout["arrays"]
        }

    def rows(self, node_type: str) -> np.ndarray:
        """(n,) int64, its nodes in the whole graph, ascending."""
        return np.flatnonzero(self.index.owner[node_type] == self.number)

    def edges(self, edge_type: EdgeType, view: int | None) -> OwnEdges:
        """Its edges of a type that a view shows; made once."""
        if (edge_type, view) not in self._edges:
            artifact, base = self.index.artifact, f"{BASE}/{self.number}/edges/{edge_type.key}"
            held = {p for p in self.index.layout["arrays"] if p.startswith(f"edges/{edge_type.key}/")}
            arrays = {p.rpartition("/")[2]: artifact.array(f"{base}/{p.rpartition('/')[2]}") for p in held}
            if view is not None and artifact.has(f"{base}/code"):
                seen = artifact.array(f"{base}/code") <= view
                arrays = {name: values[seen] for name, values in arrays.items()}
            whole = self.index.colptr(edge_type, view)
            colptr = np.zeros(len(whole), np.int64)
            own = self.index.owner[edge_type.dst] == self.number
            np.cumsum(np.where(own, np.diff(whole), 0), out=colptr[1:])
            if any(len(values) != colptr[-1] for values in arrays.values()):
                raise ArtifactError(f"{artifact.path}/{base} does not fit the graph", fix="make the split again")
            self._edges[edge_type, view] = OwnEdges(whole, colptr, arrays)
        return self._edges[edge_type, view]


class OwnRows:
    """The :class:`gnnctl.graph.store_interfaces.FeatureStore` of one's own partition, by numbers of the whole graph.

    Args:
        part: where they are.
        view: that edges have their positions in.
    """

    def __init__(self, part: OwnPart, view: int | None) -> None:
        self._part, self._view = part, view
        known = {f"edges/{t.key}": t for t in part.index.edge_types}
        self._shapes: dict[Key, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for name, found in part.index.layout["arrays"].items():
            base, _, attribute = name.rpartition("/")
            shape = tuple(found["shape"])
            if base in known:
                shape = (int(part.index.colptr(known[base], view)[-1]), *shape[1:])
            key = Key(known.get(base, base.removeprefix("nodes/")), attribute)
            self._shapes[key] = (shape, np.dtype(found["dtype"]))

    def keys(self) -> Sequence[Key]:
        """What there is."""
        return list(self._shapes)

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...), those of the whole graph."""
        return self._shapes[key][0]

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values."""
        return self._shapes[key][1]

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer; IndexError: one is another partition's."""
        shape, dtype = self._shapes[key]
        check_read(key, shape, dtype, rows, out)
        wanted = np.arange(*rows.indices(shape[0]), dtype=np.int64) if isinstance(rows, slice) else rows
        if isinstance(key.group, EdgeType):
            edges = self._part.edges(key.group, self._view)
            nodes = np.searchsorted(edges.whole, wanted, side="right") - 1
            own = self._part.index.owner[key.group.dst][nodes] == self._part.number
            here, values = wanted - (edges.whole[nodes] - edges.colptr[nodes]), edges.arrays[key.attribute]
        else:
            own = self._part.index.owner[key.group][wanted] == self._part.number
            here, values = self._part.index.place[key.group][wanted].astype(np.int64), self._part.x[key.group]
        if not own.all():
            where = f"{key.group} {key.attribute}"
            raise IndexError(f"{where}: row {int(wanted[~own][0])} is not in partition {self._part.number}")
        ArrayFeatures({key: values}).read(key, here, out, num_threads=num_threads)

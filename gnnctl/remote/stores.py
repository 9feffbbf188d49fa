"""The remote pair of stores: features and edges of a served graph, read over Arrow Flight."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gnnctl.errors import ArtifactError
from gnnctl.graph.store_interfaces import Key, Rows, check_read
from gnnctl.graph.types import EdgeType
from gnnctl.remote.connection import Connection


class ServedFeatures:
    """The :class:`gnnctl.graph.store_interfaces.FeatureStore` of a server: all its arrays by key.

    Rows that follow each other are asked for as a range; others in requests of at most 2 MiB.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        document = connection.description["documents"]["graph"]
        groups: list[tuple[str, str | EdgeType]] = [(f"nodes/{e['name']}", e["name"]) for e in document["nodes"]]
        kinds = [EdgeType(*entry["type"]) for entry in document["edges"]]
        groups += [(f"edges/{kind.key}", kind) for kind in kinds]
        known, self._key_of = dict(groups), dict[str, Key]()
        self._of = dict[Key, tuple[str, np.dtype[Any], tuple[int, ...]]]()
        for name, found in connection.description["arrays"].items():
            base, _, attribute = name.rpartition("/")
            if base in known:
                key = self._key_of[name] = Key(known[base], attribute)
                self._of[key] = (name, np.dtype(found["dtype"]), tuple(found["shape"]))

    def keys(self) -> Sequence[Key]:
        """What there is."""
        return list(self._of)

    def key_of(self, name: str) -> Key:
        """The key of an array of the graph's artifact.

        Raises:
            ArtifactError: the server has none of this name.
        """
        try:
            return self._key_of[name]
        except KeyError:
            where = self._connection.address
            raise ArtifactError(f"{where} has no array {name}", fix="make the graph again, and serve it") from None

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...)."""
        return self._of[key][2]

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values as they are stored."""
        return self._of[key][1]

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer; ResourceError: the server does not answer."""
        name, dtype, shape = self._of[key]
        check_read(key, shape, dtype, rows, out)
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(shape[0])
        elif len(rows) and rows[-1] - rows[0] == len(rows) - 1 and bool(np.all(np.diff(rows) == 1)):
            start, stop = int(rows[0]), int(rows[-1]) + 1
        else:
            self._connection.read_rows(name, rows, out)
            return
        self._connection.read_range(name, start, stop, out)


class ServedEdges:
    """The :class:`gnnctl.graph.store_interfaces.GraphStore` of a server.

    Args:
        features: of the same server.
        num_nodes: by node type.
        edge_types: in the graph's order.
    """

    def __init__(self, features: ServedFeatures, num_nodes: dict[str, int], edge_types: list[EdgeType]) -> None:
        self._features, self._num_nodes, self._edge_types = features, num_nodes, edge_types

    def edge_types(self) -> Sequence[EdgeType]:
        """What there is."""
        return self._edge_types

    def num_nodes(self, node_type: str) -> int:
        """Nodes of a type."""
        return self._num_nodes[node_type]

    def num_edges(self, edge_type: EdgeType) -> int:
        """Edges of a type."""
        return self._features.shape(Key(edge_type, "row"))[0]

    def csc(self, edge_type: EdgeType) -> tuple[np.ndarray, np.ndarray]:
        """All edges of a type, brought into memory."""
        return self._read(Key(edge_type, "colptr"), slice(None)), self._read(Key(edge_type, "row"), slice(None))

    def in_edges(self, edge_type: EdgeType, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The in-edges of some destinations, in two round trips."""
        count = self._features.shape(Key(edge_type, "colptr"))[0] - 1
        if len(nodes) and (int(nodes.min()) < 0 or int(nodes.max()) >= count):
            raise IndexError(f"{edge_type}: a node is outside 0..{count - 1}")
        first, last = self._read(Key(edge_type, "colptr"), np.concatenate([nodes, nodes + 1])).reshape(2, -1)
        local = np.concatenate([np.zeros(1, np.int64), np.cumsum(last - first, dtype=np.int64)])
        positions = np.arange(local[-1], dtype=np.int64) + np.repeat(first - local[:-1], last - first)
        return local, self._read(Key(edge_type, "row"), positions), positions

    def _read(self, key: Key, rows: Rows) -> np.ndarray:
        count = self._features.shape(key)[0] if isinstance(rows, slice) else len(rows)
        out = np.empty((count, *self._features.shape(key)[1:]), self._features.dtype(key))
        self._features.read(key, rows, out)
        return out

"""Sampling from a graph on a server: seeds go there, records and the features of their nodes and edges come back."""

from typing import Any

import numpy as np

from gnnctl.errors import ArtifactError, UsageError
from gnnctl.graph.features import Stored, decode_features
from gnnctl.graph.graph import Graph
from gnnctl.graph.store_interfaces import Column
from gnnctl.graph.types import EdgeType
from gnnctl.remote import ServedGraph
from gnnctl.remote.protocol import RECORD, Request
from gnnctl.sampling.columns import Layout
from gnnctl.sampling.records import from_arrow
from gnnctl.sampling.subgraph import Subgraph


class ServedMethod:
    """A way of sampling that a server applies; the same seeds give what they give where the graph lies.

    Any number of threads may ask at once; each request is one round trip.

    Args:
        graph: on the server.
        spec: how it samples.
        features: whether those of nodes and edges come along.

    Raises:
        UsageError: a way of sampling of one's own, whose code the server does not have.
    """

    def __init__(self, graph: ServedGraph, spec: Any, features: bool) -> None:
        document = spec.to_json()
        if ":" in document.get("method", ""):
            fix = "use one of gnnctl sample --list-samplers"
            raise UsageError(f"--sampler {document['method']}: a server runs no code of others", fix=fix)
        self.graph: Graph = graph
        self._connection, self._document, self._features = graph.connection, document, features
        self._hops, self._disjoint, self._weighted, self._time = spec.hops, spec.disjoint, spec.own_weights, spec.time

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """See :class:`Method`."""
        if "method" not in self._document:
            return None
        words = {"spec": self._document, "node_type": node_type}
        parts = [data for _, data in self._connection.parts(Request("groups", words, {"rows": seeds}))]
        return np.concatenate(parts).view(np.int64) if parts else None

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int, times: np.ndarray | None = None) -> Subgraph:
        """See :class:`Method`; ``times`` as :meth:`gnnctl.sampling.Sampler.sample` takes them."""
        import pyarrow as pa

        words = {"spec": self._document, "node_type": node_type, "epoch": epoch, "features": self._features}
        columns = {"rows": seeds} if times is None else {"rows": seeds, "times": times}
        found: dict[str, list[np.ndarray]] = {}
        for part, data in self._connection.parts(Request("sample", words, columns)):
            found.setdefault(part, []).append(data)
        where = self._connection.address
        layout = Layout.of(self.graph, self._hops, node_type, self._disjoint, weighted=self._weighted, time=self._time)
        try:
            record = pa.ipc.open_stream(np.concatenate(found.pop(RECORD))).read_next_batch()
        except (KeyError, pa.ArrowException, StopIteration):
            raise ArtifactError(
                f"{where}: an answer without a record", fix="use the same gnnctl on both sides"
            ) from None
        subgraph = from_arrow(record, layout, None, self.graph, where).columns.subgraph(0)
        if not np.array_equal(subgraph.seeds, seeds):
            raise ArtifactError(f"{where}: an answer to another question", fix="use the same gnnctl on both sides")
        if self._features:
            subgraph.features = _Arrived(
                self.graph, where, {name: np.concatenate(parts) for name, parts in found.items()}
            )
        return subgraph


class _Arrived:
    """Features that came with one subgraph, in the order of its nodes and edges."""

    def __init__(self, graph: Graph, where: str, parts: dict[str, np.ndarray]) -> None:
        self._graph, self._where, self._parts = graph, where, parts

    def node_features(self, node_type: str, rows: np.ndarray, num_threads: int) -> np.ndarray | None:
        """See :class:`gnnctl.graph.batch.FeatureSource`."""
        store = self._graph.nodes[node_type]
        if store.x is None:
            return None
        stored = self._values(f"nodes/{node_type}/x", store.x, len(rows))
        return decode_features(Stored(stored, store.x_scale), num_threads=num_threads)

    def edge_values(self, edge_type: EdgeType, positions: np.ndarray, name: str, virtual: float) -> np.ndarray | None:
        """See :class:`gnnctl.graph.batch.FeatureSource`."""
        like = getattr(self._graph.edges[edge_type], name)
        if like is None:
            return None
        found = self._values(f"edges/{edge_type.key}/{name}", like, len(positions)).copy()
        found[positions < 0] = virtual
        return found

    def _values(self, name: str, like: np.ndarray | Column, count: int) -> np.ndarray:
        """(count, ...) of the dtype and the width of the array that they are rows of."""
        data = self._parts.get(name, np.zeros(0, np.uint8))
        shape = (count, *like.shape[1:])
        if data.nbytes != int(np.prod(shape)) * like.dtype.itemsize:
            raise ArtifactError(
                f"{self._where}: {name} does not fit the record", fix="use the same gnnctl on both sides"
            )
        return data.view(like.dtype).reshape(shape)

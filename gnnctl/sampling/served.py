"""Sampling from a graph on a server: seeds go there, records and the features of their nodes and edges come back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.errors import ArtifactError, UsageError
from gnnctl.graph.features import Stored, decode_features
from gnnctl.graph.graph import Graph
from gnnctl.graph.store_interfaces import Column
from gnnctl.graph.types import EdgeType
from gnnctl.remote import ServedGraph, ServedView
from gnnctl.remote.protocol import RECORD, Request
from gnnctl.sampling.columns import Layout
from gnnctl.sampling.link_batch import LinkBatch
from gnnctl.sampling.link_columns import LinkLayout
from gnnctl.sampling.link_requests import links_request
from gnnctl.sampling.records import from_arrow
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.subgraph import Subgraph

if TYPE_CHECKING:
    from gnnctl.sampling.methods import Spec


class ServedMethod:
    """A way of sampling that a server applies; the same seeds give what they give where the graph lies.

    Any number of threads may ask at once; each request is one round trip.

    Args:
        graph: on the server, or a view of it.
        spec: how it samples; an attribute, too.
        features: whether those of nodes and edges come along.

    Raises:
        UsageError: a way of sampling of one's own, whose code the server does not have.
    """

    def __init__(self, graph: ServedGraph | ServedView, spec: "Spec", features: bool) -> None:
        document = spec.to_json()
        if ":" in document.get("method", ""):
            fix = "use one of gnnctl sample --list-samplers"
            raise UsageError(f"--sampler {document['method']}: a server runs no code of others", fix=fix)
        self.graph: Graph = graph
        self.spec, self._served = spec, graph
        self._connection, self._document, self._features = graph.connection, document, features

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """See :class:`Method`."""
        if "method" not in self._document:
            return None
        answer = self._connection.ask(Request("groups", self._words(node_type=node_type), {"rows": seeds}))
        return answer["groups"].view(np.int64) if answer else None

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int, times: np.ndarray | None = None) -> Subgraph:
        """See :class:`Method`; ``times`` as :meth:`gnnctl.sampling.Sampler.sample` takes them."""
        columns = {"rows": seeds} if times is None else {"rows": seeds, "times": times}
        words = self._words(node_type=node_type, epoch=epoch, features=self._features)
        subgraph = self._asked(Request("sample", words, columns), node_type, None)
        if not np.array_equal(subgraph.seeds, seeds):
            raise self._other()
        return subgraph

    def around(self, links: LinkBatch, epoch: int, opposite: Mapping[EdgeType, Sequence[EdgeType]]) -> Subgraph:
        """The subgraph around links: what :meth:`gnnctl.sampling.LinkSampler.around` gives where the graph lies.

        Args:
            opposite: by edge type of the links, those that hold the same links the other way round.
        """
        words = self._words(epoch=epoch, features=self._features)
        layout = LinkLayout(links.edge_types, links.disjoint)
        subgraph = self._asked(links_request(links, opposite, words), links.edge_types[0].src, layout)
        found = subgraph.links
        if found is None or not replace(links, times=None).same_as(replace(found, times=None)):
            raise self._other()
        return subgraph

    @property
    def fan_outs(self) -> SampleSpec | None:
        """How it samples, where it is by fan-outs."""
        return self.spec if isinstance(self.spec, SampleSpec) else None

    def _words(self, **more: Any) -> dict[str, Any]:
        view = {"view": self._served.on_server()} if isinstance(self._served, ServedView) else {}
        return {"spec": self._document, **view, **more}

    def _other(self) -> ArtifactError:
        where = self._connection.address
        return ArtifactError(f"{where}: an answer to another question", fix="use the same gnnctl on both sides")

    def _asked(self, request: Request, node_type: str, links: LinkLayout | None) -> Subgraph:
        import pyarrow as pa

        found, where, spec = self._connection.ask(request), self._connection.address, self.spec
        more: dict[str, Any] = {"weighted": spec.own_weights, "time": spec.time, "links": links}
        layout = Layout.of(self.graph, spec.hops, node_type, spec.disjoint, **more)
        try:
            record = pa.ipc.open_stream(found.pop(RECORD)).read_next_batch()
        except (KeyError, pa.ArrowException, StopIteration):
            raise ArtifactError(
                f"{where}: an answer without a record", fix="use the same gnnctl on both sides"
            ) from None
        subgraph = from_arrow(record, layout, None, self.graph, where).columns.subgraph(0)
        if self._features:
            subgraph.features = _Arrived(self.graph, where, found)
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

"""A server of one graph over Arrow Flight: arrays in rows and ranges, tables, and sampling with features."""

import hmac
import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

from gnnctl import __version__
from gnnctl.errors import GnnctlError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.store_interfaces import Column
from gnnctl.remote.protocol import (
    CHUNK_BYTES,
    LINKS,
    NEGATIVES,
    PROTOCOL,
    RECORD,
    REQUEST_BYTES,
    SEAL,
    SHOW,
    VIEW,
    Request,
    answer_batch,
    answer_schema,
    check_protocol,
)
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.link_columns import LinkLayout
from gnnctl.sampling.link_requests import no_links, read_links
from gnnctl.sampling.link_sampler import LinkSampler
from gnnctl.sampling.method import Method
from gnnctl.sampling.methods import METHODS, MethodSpec, Spec, open_method, read_spec
from gnnctl.sampling.records import Block, to_arrow
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.subgraph import Subgraph
from gnnctl.serving.accounts import Accounts
from gnnctl.serving.views import Views

SPECS_KEPT = 8  # ways of sampling that stay open
Answer = Iterator[pa.RecordBatch]


class _Bearer(flight.ServerMiddlewareFactory):  # type: ignore[misc]  # pyarrow.flight has no types
    """Lets a call in that brings the token."""

    def __init__(self, token: str) -> None:
        self._wanted = f"Bearer {token}".encode()

    def start_call(self, info: Any, headers: dict[str, list[str]]) -> None:
        given = next((v[0] for k, v in headers.items() if k.lower() == "authorization" and v), "")
        if not hmac.compare_digest(given.encode(), self._wanted):
            raise flight.FlightUnauthenticatedError("no such token")


class GraphServer(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Serves from the moment it is made until :meth:`shutdown`.

    An answer is made piece by piece as its client takes it. What of it lies in memory meanwhile, the structure of one
    sample and a piece of 1 MiB, counts on the client's account, as do the views that it has shown; what would overdraw
    that is refused. Only computing holds one of the ``threads``, waiting for a client does not.

    Args:
        graph: opened from an artifact.
        location: ``grpc://host:port``; port 0 takes a free one.
        token: that every call must bring; None: any may come.
        tls: certificate chain and private key (PEM), or None.
        memory: bytes of unread answers and of views a client.
        threads: that sample and gather at a time.

    Raises:
        UsageError: a graph in memory, or a data set of many graphs.
    """

    def __init__(
        self,
        graph: Graph,
        location: str,
        *,
        token: str | None = None,
        tls: tuple[bytes, bytes] | None = None,
        memory: int = 256 << 20,
        threads: int = 2,
    ) -> None:
        if graph.artifact is None or graph.graphs is not None:
            what = "a graph in memory" if graph.artifact is None else "a data set of many graphs"
            raise UsageError(f"{what} is not served", fix="serve one graph from its artifact")
        artifact = graph.artifact
        self._graph, self._artifact = graph, artifact
        self._accounts, self._slots = Accounts(memory), threading.BoundedSemaphore(threads)
        self._views = Views(graph, self._accounts, self._slots)
        self._methods: OrderedDict[str, Method] = OrderedDict()
        self._opening = threading.Lock()
        contents = self._artifact.manifest.contents
        self._arrays: dict[str, np.ndarray | Column] = {n: artifact.array(n) for n in artifact.array_names()}
        self._arrays.update({f"nodes/{name}/x": n.x for name, n in graph.nodes.items() if n.x is not None})
        self._tables = {n for n in contents if n.rpartition("/")[2] in ("ids", "columns") and n not in self._arrays}
        middleware = {} if token is None else {"token": _Bearer(token)}
        super().__init__(location, middleware=middleware, tls_certificates=[] if tls is None else [tls])

    def shutdown(self) -> None:
        """End it, once answers under way have been taken."""
        self._views.close()
        super().shutdown()

    def __exit__(self, *error: object) -> None:
        self.shutdown()  # what Flight would do here is end it without

    @property
    def held(self) -> dict[str, int]:
        """Bytes of unread answers and of views by client that has any."""
        return self._accounts.held

    # -- what Flight calls -------------------------------------------------------------------------------------------

    def do_action(self, context: Any, action: Any) -> list[bytes]:
        """``describe``: everything that a client needs to know before it asks for data, as JSON."""
        with _Refusals():
            actions = self._actions()
            if action.type not in actions:
                raise ValueError(f"there is no action '{action.type:.40}'")
            try:
                asked = json.loads(action.body.to_pybytes())["protocol"]
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{action.type} wants a JSON document with 'protocol'") from None
            check_protocol(asked)
            return [json.dumps(actions[action.type]()).encode()]

    def do_get(self, context: Any, ticket: Any) -> Any:
        """The answer to a :class:`Request`, as a stream."""
        with _Refusals():
            request = Request.read(ticket.ticket)
            client = context.peer()
            if request.do == "table":
                return self._table(request)
            answers = self._answers(context.is_cancelled)
            if request.do not in answers:
                raise ValueError(f"there is no request '{request.do:.40}'")
            answer = answers[request.do](request, client)
            first = next(answer, None)  # so that a refusal comes before any data
            return flight.GeneratorStream(answer_schema(), answer if first is None else _after(first, answer))

    def _actions(self) -> dict[str, Callable[[], dict[str, Any]]]:
        return {"describe": self._described}

    def _answers(self, gone: Callable[[], bool]) -> dict[str, Callable[[Request, str], Answer]]:
        """By what is asked the answer to a request of a client, of whom ``gone`` tells whether it waits no more."""
        return {
            "array": self._array,
            "sample": self._sample,
            "groups": self._groups,
            LINKS: self._links,
            VIEW: partial(self._views.opened, gone=gone),
            SHOW: self._views.show,
            SEAL: self._views.seal,
            NEGATIVES: self._views.negatives,
        }

    # -- answers -----------------------------------------------------------------------------------------------------

    def _described(self) -> dict[str, Any]:
        return {
            "protocol": PROTOCOL,
            "gnnctl": __version__,
            "manifest": asdict(self._artifact.manifest),
            "documents": {name: self._artifact.json(name) for name in ("graph", "encoders")},
            "arrays": {n: {"dtype": a.dtype.str, "shape": list(a.shape)} for n, a in self._arrays.items()},
            "tables": sorted(self._tables),
            "limits": {"request_bytes": REQUEST_BYTES, "memory": self._accounts.limit},
        }

    def _table(self, request: Request) -> Any:
        name = request.word("name", str)
        if name not in self._tables:
            raise ValueError(f"there is no table '{name:.60}'")
        return flight.RecordBatchStream(self._artifact.table(name))  # mapped, sent piece by piece

    def _array(self, request: Request, client: str) -> Answer:
        name = request.word("name", str)
        if name not in self._arrays:
            raise ValueError(f"there is no array '{name:.60}'")
        values = self._arrays[name]
        wanted: np.ndarray | range
        if "rows" in request.columns:
            rows = request.columns["rows"]
            if len(rows) and not (rows.min() >= 0 and rows.max() < len(values)):
                raise ValueError(f"{name}: a row outside 0..{len(values) - 1}")
            wanted, held = rows, rows.nbytes
        else:
            start, stop = request.word("start", int), request.word("stop", int)
            if not 0 <= start <= stop <= len(values):
                raise ValueError(f"{name}: rows {start} to {stop} are not within 0..{len(values)}")
            wanted, held = range(start, stop), 0
        with self._accounts.holding(client, held + CHUNK_BYTES):
            yield from self._rows(name, values, wanted)

    def _rows(self, name: str, values: np.ndarray | Column, rows: np.ndarray | range) -> Answer:
        """Rows of an array, gathered piece by piece."""
        width = max(1, values.dtype.itemsize * int(np.prod(values.shape[1:])))
        step = max(1, CHUNK_BYTES // width)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            with self._slots:
                found = values[part.start : part.stop] if isinstance(part, range) else values[part]
                found = np.ascontiguousarray(found)
            yield answer_batch(name, found.reshape(-1).view(np.uint8))

    def _sample(self, request: Request, client: str) -> Answer:
        spec, node_type = self._spec(request), self._node_type(request)
        seeds, times = self._seeds(request, node_type), request.columns.get("times")
        with self._slots:
            method = self._method(request, spec)
            self._check_draws(spec, {node_type: len(seeds)})
            if times is None:
                subgraph = method.sample(seeds, node_type, request.word("epoch", int))
            elif isinstance(method, Sampler):
                subgraph = method.sample(seeds, node_type, request.word("epoch", int), times)
            else:
                raise ValueError("'times' goes with fan-outs only")
        del seeds, times, method
        yield from self._sampled(request, client, subgraph, spec, None)

    def _links(self, request: Request, client: str) -> Answer:
        spec = self._spec(request)
        if isinstance(spec, MethodSpec):
            raise ValueError("links are sampled around by fan-outs")
        with self._slots:
            links, opposite = read_links(request, self._graph, spec.disjoint)
            sampler = LinkSampler(self._method(request, spec), no_links(links), links.edge_types, opposite=opposite)
            self._check_draws(spec, {t: len(rows) for t, rows in links.ends().rows.items()})
            subgraph = sampler.around(links, request.word("epoch", int))
        layout = LinkLayout(links.edge_types, spec.disjoint)
        del links, sampler
        yield from self._sampled(request, client, subgraph, spec, layout)

    def _sampled(
        self, request: Request, client: str, subgraph: Subgraph, spec: Spec, links: LinkLayout | None
    ) -> Answer:
        """A record, and the features of its nodes and edges where they are asked for."""
        view = self._views.of(request)
        with self._slots:
            record = self._record(subgraph, spec, request.word("epoch", int), links)
            wanted = request.word("features", bool)
            rows = list(self._gathered(subgraph, self._graph if view is None else view.graph)) if wanted else []
        del subgraph, view
        held = record.size + sum(where.nbytes for _, _, where in rows) + CHUNK_BYTES
        with self._accounts.holding(client, held):
            for start in range(0, record.size, CHUNK_BYTES):
                yield answer_batch(RECORD, record.slice(start, min(CHUNK_BYTES, record.size - start)))
            yield from chain.from_iterable(self._rows(*part) for part in rows)

    def _check_draws(self, spec: Spec, seeds: Mapping[str, int]) -> None:
        """Draws with replacement are as many as asked for, whatever the degrees: the most that they can be is known
        before they are made."""
        if isinstance(spec, MethodSpec) or not spec.replace:
            return
        nodes, drawn = Counter(seeds), 0
        for hop in range(spec.hops):
            reached: Counter[str] = Counter()
            for t, fan_outs in spec.num_neighbors.items():
                reached[t.src] += nodes[t.dst] * max(0, fan_outs[hop])
            drawn += reached.total()
            if 8 * drawn > self._accounts.limit:
                raise ValueError(
                    f"draws with replacement of up to {8 * drawn:,} bytes are over the {self._accounts.limit:,} of a "
                    "client: ask for fewer seeds or neighbours, or serve with more --memory"
                )
            nodes = reached
            if not spec.disjoint:
                nodes = Counter({name: min(count, self._graph.num_nodes(name)) for name, count in reached.items()})

    @staticmethod
    def _gathered(subgraph: Subgraph, graph: Graph) -> Iterator[tuple[str, np.ndarray | Column, np.ndarray]]:
        """Which rows of which arrays are the features of a subgraph; an edge that is not in the graph has any."""
        for node_type, rows in subgraph.nodes.items():
            if (x := graph.nodes[node_type].x) is not None:
                yield f"nodes/{node_type}/x", x, rows
        for t, edges in subgraph.edges.items():
            for name in ("weight", "edge_attr"):
                if (values := getattr(graph.edges[t], name)) is not None and len(values):
                    yield f"edges/{t.key}/{name}", values, np.maximum(edges.pos, 0)

    def _record(self, subgraph: Subgraph, spec: Spec, epoch: int, links: LinkLayout | None) -> pa.Buffer:
        """The published record, as an Arrow IPC stream."""
        more: dict[str, Any] = {"weighted": spec.own_weights, "time": spec.time, "links": links}
        layout = Layout.of(self._graph, spec.hops, subgraph.node_type, spec.disjoint, **more)
        columns = RecordColumns.of([subgraph], layout)
        batch = to_arrow(Block(columns, 0, "train" if epoch else "val", epoch, None))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue()

    def _groups(self, request: Request, client: str) -> Answer:
        spec, node_type = self._spec(request), self._node_type(request)
        seeds = self._seeds(request, node_type)
        with self._slots:
            found = self._method(request, spec).groups(seeds, node_type)
        if found is not None:
            with self._accounts.holding(client, found.nbytes):
                yield answer_batch("groups", np.ascontiguousarray(found, np.int64).view(np.uint8))

    # -- what requests are about -------------------------------------------------------------------------------------

    def _node_type(self, request: Request) -> str:
        name: str = request.word("node_type", str)
        if name not in self._graph.nodes:
            raise ValueError(f"the graph has no node type '{name:.60}'")
        return name

    def _seeds(self, request: Request, node_type: str) -> np.ndarray:
        if "rows" not in request.columns:
            raise ValueError(f"'{request.do}' wants seeds in the column 'rows'")
        rows, count = request.columns["rows"], self._graph.num_nodes(node_type)
        if len(rows) and not (rows.min() >= 0 and rows.max() < count):
            raise ValueError(f"seeds: a row outside 0..{count - 1} of '{node_type}'")
        return rows.copy()

    def _spec(self, request: Request) -> Spec:
        document = request.word("spec", dict)
        if "method" in document and document["method"] not in METHODS:
            raise ValueError(f"there is no way of sampling '{document['method']!s:.60}'")
        try:
            spec = read_spec(document)
            if isinstance(spec, MethodSpec):
                return spec
            if unknown := [t for t in spec.num_neighbors if t not in self._graph.edges]:
                raise ValueError(f"the graph has no edge type '{unknown[0]}'")
            return spec
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no spec of sampling: {error}") from None

    def _method(self, request: Request, spec: Spec) -> Method:
        """What samples the request's view, or the graph, by a spec; the last few stay open."""
        if (view := self._views.of(request)) is not None:
            return view.method(spec)
        key = json.dumps(spec.to_json(), sort_keys=True)
        with self._opening:
            if key not in self._methods:
                self._methods[key] = open_method(self._graph, spec)
            self._methods.move_to_end(key)
            while len(self._methods) > SPECS_KEPT:
                self._methods.popitem(last=False)
            return self._methods[key]


def _after(first: pa.RecordBatch, rest: Answer) -> Answer:
    """The whole answer again; what it holds is let go of when the client leaves in the middle."""
    try:
        yield first
        del first
        yield from rest
    finally:
        rest.close()  # type: ignore[attr-defined]  # a generator, as all answers are


class _Refusals:
    """What is wrong with a request goes to its client in one line, as invalid; the server goes on."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (GnnctlError, ValueError, TypeError, KeyError, IndexError)) and not isinstance(
            error, pa.ArrowException
        ):
            raise pa.ArrowInvalid(" ".join(str(error).split())) from None

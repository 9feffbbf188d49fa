"""Views of the graph that clients have shown: which edges the messages of a part of their split pass along."""

import hashlib
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from gnnctl.graph.array_stores import ArrayFeatures
from gnnctl.graph.graph import Graph
from gnnctl.graph.seen import EDGE_PARTS, Seen, renumbered_types, seen_edges
from gnnctl.graph.store_interfaces import Key, Rows
from gnnctl.graph.stores import EdgeStore
from gnnctl.graph.types import EdgeType
from gnnctl.remote.protocol import CHUNK_BYTES, NO_VIEW, VIEW, Request, answer_batch
from gnnctl.sampling.adjacency import Adjacency
from gnnctl.sampling.method import Method
from gnnctl.sampling.methods import MethodSpec, Spec, open_method
from gnnctl.sampling.negatives import NegativeSampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.serving.accounts import Accounts, Room

T = TypeVar("T")
KEPT = 4  # ways of sampling a view, and of drawing its negatives, that stay open
WEIGHED, SORTED, WIDENED, TURNED = 8, 16, 32, 48  # bytes an edge that sampling may take beside the arrays of a view
LEAST = 1 << 16  # bytes that any view counts, so that nobody opens more than there is room for
LOOK = 0.2  # seconds between looks whether a client is still there
_OWN_PARTS = ("colptr", "row", "weight", "time")  # of a view; the others are read from the graph


class HeldView:
    """One view of one client, on its account.

    Of the types that hide edges it has ``colptr``, ``row``, weights and times of its own, and a bit an edge; features
    are the graph's.

    Args:
        graph: the whole one.
        edge_types: that hide edges.
        room: on the client's account, for as long as the view is there.

    Raises:
        ValueError: an edge type that there is not, or the account would be overdrawn.
    """

    def __init__(self, graph: Graph, edge_types: list[str], room: Room) -> None:
        known = {t.key: t for t in graph.edges}
        if unknown := [name for name in edge_types if name not in known]:
            raise ValueError(f"the graph has no edge type '{unknown[0]!s:.60}'")
        self._whole, self._room, self._types = graph, room, [known[name] for name in dict.fromkeys(edge_types)]
        self._lock = threading.RLock()
        self._graph: Graph | None = None
        self._methods: OrderedDict[str, tuple[Method, Room]] = OrderedDict()
        self._negatives: OrderedDict[str, tuple[NegativeSampler, Room]] = OrderedDict()
        room.hold(LEAST + sum(self._bytes(t) for t in renumbered_types(graph.edges, self._types)))
        self._bits = {t: np.zeros(-(-graph.edges[t].num_edges // 64), "<i8") for t in self._types}
        self._shown = dict.fromkeys(self._types, 0)

    def _bytes(self, t: EdgeType) -> int:
        store = self._whole.edges[t]
        parts = [getattr(store, part) for part in _OWN_PARTS if getattr(store, part) is not None]
        return store.num_edges // 7 + int(sum(values.nbytes for values in parts))

    def show(self, edge_type: str, first: int, bits: np.ndarray) -> None:
        """Take in the bits (n,) int64 of the edges from 64 x ``first`` on, which follow those that there are.

        Raises:
            ValueError: they do not, or the view is made already.
        """
        with self._lock:
            found = next((t for t in self._types if t.key == edge_type), None)
            if found is None or self._graph is not None:
                raise ValueError(f"the view shows no edges of '{edge_type:.60}' anew")
            if first != self._shown[found] or first + len(bits) > len(self._bits[found]):
                raise ValueError(f"'{edge_type:.60}': edges are not shown in their order, or are too many")
            self._bits[found][first : first + len(bits)] = bits
            self._shown[found] += len(bits)

    def seal(self, sha256: str) -> None:
        """Make the view of the bits that were shown.

        Raises:
            ValueError: some are missing, or they are not those that were sent.
        """
        with self._lock:
            if self._graph is not None:
                return
            digest = hashlib.sha256()
            for t, bits in self._bits.items():
                if self._shown[t] != len(bits):
                    raise ValueError(f"not all edges of '{t}' have been shown")
                digest.update(bits.data)
            if digest.hexdigest() != sha256:
                raise ValueError("the edges that have arrived are not those that were shown")
            seen = {t: Seen(self._whole.edges[t].num_edges, _Unpacked(bits)) for t, bits in self._bits.items()}
            arrays = {
                Key(t, part): values
                for t, store in self._whole.edges.items()
                for part in EDGE_PARTS
                if (values := getattr(store, part)) is not None
            }
            edges = seen_edges(self._whole.edges, ArrayFeatures(arrays), seen)
            self._graph = Graph(self._whole.nodes, {t: _in_memory(store) for t, store in edges.items()})

    @property
    def graph(self) -> Graph:
        """What it shows.

        Raises:
            ValueError: not all of it has been shown yet.
        """
        if self._graph is None:
            raise ValueError("the view is not whole yet: show its edges, and seal it")
        return self._graph

    def method(self, spec: Spec) -> Method:
        """What samples it by a spec."""

        def make(room: Room) -> Method:
            edges = sum(e.num_edges for e in self.graph.edges.values())
            if isinstance(spec, MethodSpec):
                room.hold(TURNED * edges)
            else:
                room.hold(WEIGHED * edges if spec.draw == "weighted" else 0)
                room.hold(WIDENED * edges if spec.subgraph != "directional" else 0)
            both_ways = isinstance(spec, SampleSpec) and spec.subgraph == "bidirectional"
            return open_method(_with_forward(self.graph) if both_ways else self.graph, spec)

        return self._kept(self._methods, json.dumps(spec.to_json(), sort_keys=True), make)

    def negatives(self, request: Request) -> NegativeSampler:
        """What draws the negatives of one edge type, as a request words it."""
        key = request.word("edge_type", str)
        words: dict[str, Any] = {name: request.word(name, kind) for name, kind in _NEGATIVES.items()}
        found = next((t for t in self.graph.edges if t.key == key), None)
        if found is None:
            raise ValueError(f"the graph has no edge type '{key:.60}'")

        def make(room: Room) -> NegativeSampler:
            store, nodes = self.graph.edges[found], self.graph.nodes
            timed = store.time is not None or nodes[found.src].time is not None
            room.hold(8 * sum(nodes[end].num_nodes for end in (found.src, found.dst)))
            room.hold(SORTED * store.num_edges if timed else 0)
            alone = Graph(nodes, {found: EdgeStore(store.colptr, store.row)})
            return _CountedNegatives(alone, found, **words, room=room)

        return self._kept(self._negatives, json.dumps([key, words]), make)

    def _kept(self, known: "OrderedDict[str, tuple[T, Room]]", key: str, make: Callable[[Room], T]) -> T:
        with self._lock:
            if key not in known:
                with self._room.inner() as room:
                    known[key] = make(room), room
            known.move_to_end(key)
            while len(known) > KEPT:
                known.popitem(last=False)[1][1].leave()
            return known[key][0]

    def leave(self) -> None:
        """Give back what it held."""
        with self._lock:
            for _, room in (*self._methods.values(), *self._negatives.values()):
                room.leave()
            self._room.leave()


_NEGATIVES = {"method": str, "corrupt": str, "exclude": bool, "loops": bool, "power": float, "seed": int}


class _CountedNegatives(NegativeSampler):
    """Takes room on the account before it turns the lists round, which it seldom must."""

    def __init__(self, graph: Graph, edge_type: EdgeType, *, room: Room, **options: Any) -> None:
        super().__init__(graph, edge_type, **options)
        self._room, self._turned, self._turning = room, False, threading.Lock()

    def _by_source(self) -> Adjacency:
        with self._turning:
            if not self._turned:
                self._room.hold(TURNED * self.graph.num_edges)
                self._turned = True
        return super()._by_source()


class _Unpacked:
    """Tells of some positions whether their bits are set."""

    def __init__(self, bits: np.ndarray) -> None:
        self._bytes = bits.view(np.uint8)

    def __call__(self, rows: Rows) -> np.ndarray:
        if not isinstance(rows, slice):
            return np.asarray(self._bytes[rows >> 3] >> (rows & 7).astype(np.uint8) & 1, bool)
        start, stop = rows.start, rows.stop
        part = self._bytes[start // 8 : -(-stop // 8)]
        return np.unpackbits(part, bitorder="little")[start % 8 : start % 8 + stop - start].view(bool)


def _in_memory(store: EdgeStore) -> EdgeStore:
    """What sampling reads of edges, in memory; what models read of them stays a column."""
    parts: dict[str, Any] = {name: getattr(store, name) for name in _OWN_PARTS}
    arrays: dict[str, Any] = {name: None if values is None else np.asarray(values) for name, values in parts.items()}
    return replace(store, **arrays)


def _with_forward(graph: Graph) -> Graph:
    """The same with the positions of forward edges in memory too."""
    forward = {t: None if e.forward is None else np.asarray(e.forward) for t, e in graph.edges.items()}
    return Graph(graph.nodes, {t: replace(e, forward=forward[t]) for t, e in graph.edges.items()})


class Views:
    """The views of all clients, each as long as its client keeps the answer to ``view`` open.

    Args:
        graph: the whole one.
        accounts: of the clients.
        slots: one is held while something is computed.
    """

    def __init__(self, graph: Graph, accounts: Accounts, slots: threading.Semaphore) -> None:
        self._graph, self._accounts, self._slots = graph, accounts, slots
        self._known: dict[str, HeldView] = {}
        self._closing = threading.Event()

    def opened(self, request: Request, client: str, gone: Callable[[], bool]) -> Iterator[pa.RecordBatch]:
        """A new view's name, and then nothing until the client has gone."""
        types = request.word("edge_types", list)
        view = HeldView(self._graph, [str(name) for name in types], Room(self._accounts, client, "a view"))
        name = secrets.token_hex(16)
        self._known[name] = view
        try:
            yield answer_batch(VIEW, name.encode())
            while not self._closing.wait(LOOK) and not gone():
                pass
        finally:
            del self._known[name]
            view.leave()

    def show(self, request: Request, client: str) -> Iterator[pa.RecordBatch]:
        """Takes in which of some edges a view shows; an answer of nothing."""
        bits = request.columns.get("bits")
        if bits is None:
            raise ValueError(f"'{request.do}' wants the column 'bits'")
        self._named(request).show(request.word("edge_type", str), request.word("first", int), bits)
        yield from ()

    def seal(self, request: Request, client: str) -> Iterator[pa.RecordBatch]:
        """Makes a view of what was shown; an answer of nothing."""
        view, sha256 = self._named(request), request.word("sha256", str)
        with self._slots:
            view.seal(sha256)
        yield from ()

    def negatives(self, request: Request, client: str) -> Iterator[pa.RecordBatch]:
        """Negatives of links of one type, drawn with the edges of a view."""
        view, epoch, each = self._named(request), request.word("epoch", int), request.word("per_positive", int)
        src, dst = request.columns.get("src"), request.columns.get("dst")
        if src is None or dst is None or each < 0:
            raise ValueError(f"'{request.do}' wants the columns 'src' and 'dst', and 0 or more 'per_positive'")
        with self._accounts.holding(client, 40 * len(src) * each + CHUNK_BYTES):
            with self._slots:
                drawn = view.negatives(request).sample(np.stack([src, dst]), each, epoch=epoch)
            for name, values in (("src", drawn.edges[0]), ("dst", drawn.edges[1]), ("found", drawn.found)):
                data = np.ascontiguousarray(values).view(np.uint8)
                for start in range(0, len(data), CHUNK_BYTES):
                    yield answer_batch(name, data[start : start + CHUNK_BYTES])

    def _named(self, request: Request) -> HeldView:
        view = self.of(request)
        if view is None:
            raise ValueError(f"'{request.do}' wants a 'view'")
        return view

    def of(self, request: Request) -> HeldView | None:
        """The view that a request is about; None: it is about the whole graph.

        Raises:
            ValueError: there is no such view.
        """
        if request.words.get("view") is None:
            return None
        try:
            return self._known[request.word("view", str)]
        except KeyError:
            raise ValueError(NO_VIEW) from None

    def close(self) -> None:
        """End all of them."""
        self._closing.set()

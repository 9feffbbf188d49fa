"""Some of the edges of a served graph: read here through the list of what is hidden, sampled on the server."""

import hashlib
import threading
from collections.abc import Mapping
from weakref import finalize

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.seen import Seen, seen_edges
from gnnctl.graph.store_interfaces import Rows
from gnnctl.graph.types import EdgeType
from gnnctl.remote.connection import Connection
from gnnctl.remote.graph import ServedGraph
from gnnctl.remote.protocol import SEAL, SHOW, Request

_SHOWN = 1 << 23  # edges that a request shows, a bit each


class ServedView(Graph):
    """The edges of a served graph that a part of a split of links sees. Nothing is held of them here.

    The server knows nothing of splits. When something is first asked of it that needs the view, it is shown which edges
    are seen, a bit each, and keeps the view as long as this one lives, on this client's account.

    Args:
        graph: the whole one.
        codes: by edge type (E,) int8, as those of a split; of another type all edges are seen.
        number: up to which code edges are seen.

    Attributes:
        connection: to the server.
    """

    def __init__(self, graph: ServedGraph, codes: Mapping[EdgeType, np.ndarray], number: int) -> None:
        self._seen = {t: Seen(len(code), _Shown(code, number)) for t, code in codes.items()}
        edges = seen_edges(graph.edges, graph.features, self._seen)
        super().__init__(graph.nodes, edges, encoders=graph.encoders)
        self.connection = graph.connection
        self._held: str | None = None
        self._lock = threading.Lock()

    def on_server(self) -> str:
        """What the server calls the view; it is shown to it at the first call."""
        with self._lock:
            if self._held is None:
                name, leave = self.connection.open_view([t.key for t in self._seen])
                left = finalize(self, leave)
                try:
                    show(self.connection, name, self._seen)
                except BaseException:
                    left()
                    raise
                self._held = name
            return self._held


class _Shown:
    """Tells of some positions whether their codes are at most ``number``."""

    def __init__(self, code: np.ndarray, number: int) -> None:
        self._code, self._number = code, number

    def __call__(self, rows: Rows) -> np.ndarray:
        found: np.ndarray = self._code[rows] <= self._number
        return found


def show(connection: Connection, view: str, seen: Mapping[EdgeType, Seen]) -> None:
    """Tell the server which edges a view shows, and that these are all."""
    digest = hashlib.sha256()
    for t, own in seen.items():
        for start in range(0, own.count, _SHOWN):
            words = pack_bits(own.mask(start, min(start + _SHOWN, own.count)))
            digest.update(words.data)
            at = {"view": view, "edge_type": t.key, "first": start // 64}
            connection.ask(Request(SHOW, at, {"bits": words}))
    connection.ask(Request(SEAL, {"view": view, "sha256": digest.hexdigest()}))


def pack_bits(mask: np.ndarray) -> np.ndarray:
    """(ceil(n / 64),) int64: bit i % 64 of number i // 64 is ``mask`` (n,) bool at i; 0 beyond."""
    packed = np.packbits(mask, bitorder="little")
    padded = np.zeros(-(-len(mask) // 64) * 8, np.uint8)
    padded[: len(packed)] = packed
    found: np.ndarray = padded.view("<i8").astype(np.int64, copy=False)
    return found

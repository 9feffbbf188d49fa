"""The processes of one run, each serving its partition of a graph to the others."""

import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gnnctl.errors import ResourceError
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.graph.store_interfaces import Column
from gnnctl.remote.connection import Certificate, Connection
from gnnctl.remote.owner import LEAVE, PARTS, PICK, RemoteOwner, array_name, read_pick_request
from gnnctl.remote.protocol import CHUNK_BYTES, Request, answer_batch
from gnnctl.sampling.hop import LocalOwner
from gnnctl.serving.server import Answer, GraphServer

T = TypeVar("T")
MEMORY = 1 << 30  # bytes of unread answers a process
THREADS = 4


class PartServer(GraphServer):
    """Serves one partition: rows of its own nodes and edges by their numbers in the whole graph, and hops of sampling.

    Args:
        graph: whose partition this process holds.
        owner: of it.
        location, token, tls: as for :class:`GraphServer`.

    Attributes:
        left: set when the first process has told that nothing more will be asked.
    """

    def __init__(
        self, graph: PartitionedGraph, owner: LocalOwner, location: str, token: str, tls: Certificate | None = None
    ) -> None:
        self.left = threading.Event()
        self._owner = owner
        super().__init__(graph, location, token=token, tls=tls, memory=MEMORY, threads=THREADS)
        stores = {view: owner.features(view) for view in (None, *range(graph.index.views))}
        self._arrays = {
            array_name(key, view): Column(store, key)
            for view, store in stores.items()
            for key in store.keys()  # noqa: SIM118  # a store is no dictionary
        }

    def _actions(self) -> dict[str, Callable[[], dict[str, Any]]]:
        return {**super()._actions(), LEAVE: self._leave}

    def _answers(self, gone: Callable[[], bool]) -> dict[str, Callable[[Request, str], Answer]]:
        return {"array": self._array, PICK: self._pick}

    def _leave(self) -> dict[str, Any]:
        self.left.set()
        return {}

    def _pick(self, request: Request, client: str) -> Answer:
        frontier = read_pick_request(request)
        with self._slots:
            found = self._owner.pick(frontier)
        with self._accounts.holding(client, sum(part.nbytes for picks in found for part in picks) + CHUNK_BYTES):
            for number, picks in enumerate(found):
                for name, values in zip(PARTS, picks, strict=True):
                    data = np.ascontiguousarray(values, np.int64).view(np.uint8)
                    for start in range(0, max(1, len(data)), CHUNK_BYTES):
                        yield answer_batch(f"{number}/{name}", data[start : start + CHUNK_BYTES])


class Meeting:
    """This process's server and its way to the others, from the moment it is made.

    Args:
        graph: gets the owners of the other partitions.
        rank: of this process, which is the number of its partition.
        master: the machine of the first process; None: all are on one.
        first: gives all processes what the first one makes.
        tell: gives every process what each of them says.
        gone: what to raise where another process does not answer.
        tls: certificate chain and private key (PEM) of this process, for data that are not to travel in the clear;
            None in all processes, or in none.
        tls_ca: PEM file of who signed the others'; None: those that the system trusts.

    Raises:
        ResourceError: another process is not reached, or its certificate is not trusted.

    Attributes:
        graph: the same.
    """

    def __init__(
        self,
        graph: PartitionedGraph,
        rank: int,
        master: str | None,
        first: Callable[[Callable[[], str]], str],
        tell: Callable[[str], list[str]],
        gone: Callable[[], Exception],
        tls: Certificate | None = None,
        tls_ca: Path | None = None,
    ) -> None:
        self.graph = graph
        own = graph.owners[rank]
        assert isinstance(own, LocalOwner)
        token = first(lambda: secrets.token_hex(32))
        host = "127.0.0.1" if master is None else _address_towards(master)
        at = f"[{host}]" if ":" in host else host
        scheme = "grpc" if tls is None else "grpc+tls"
        self._server = PartServer(graph, own, f"{scheme}://{at}:0", token, tls)
        self._others: list[RemoteOwner] = []
        for number, address in enumerate(tell(f"{scheme}://{at}:{self._server.port}")):
            if number != rank:
                self._others.append(RemoteOwner(Connection(address, token, tls_ca), own.features, gone))
                graph.owners[number] = self._others[-1]

    def wait(self) -> None:
        """Serve until the first process leaves."""
        self._server.left.wait()

    def leave(self) -> None:
        """Tell the others that nothing more will be asked."""
        for other in self._others:
            other.leave()


def _address_towards(machine: str) -> str:
    """This machine's own address, as another one sees it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(machine, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # sends nothing
            return str(probe.getsockname()[0])
    except OSError as error:
        fix = "set MASTER_ADDR to a machine that all others reach"
        raise ResourceError(f"no way to {machine}: {error.strerror}", fix=fix) from None

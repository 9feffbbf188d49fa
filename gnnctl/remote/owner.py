"""A partition that another process holds, asked over Arrow Flight."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from gnnctl.errors import ResourceError
from gnnctl.graph.owners import Frontier, Picks
from gnnctl.graph.store_interfaces import FeatureStore, Key, Rows
from gnnctl.graph.types import EdgeType
from gnnctl.remote.connection import Connection
from gnnctl.remote.protocol import Request

PICK, LEAVE = "pick", "leave"
PARTS = ("degree", "source", "pos")


def array_name(key: Key, view: int | None) -> str:
    """Under which a server of a partition has the rows of a key, edges by their positions in a view."""
    group = f"edges/{key.group.key}" if isinstance(key.group, EdgeType) else f"nodes/{key.group}"
    return f"{'' if view is None else f'view-{view}/'}{group}/{key.attribute}"


def pick_request(frontier: Frontier) -> Request:
    """A frontier as a request."""
    words = {
        "spec": dict(frontier.spec),
        "hop": frontier.hop,
        "epoch": frontier.epoch,
        "counts": frontier.counts,
        "view": frontier.view,
        "kind": frontier.kind,
        "hidden": [[number, ptr.tolist(), at.tolist()] for number, (ptr, at) in frontier.hidden.items() if len(at)],
    }
    columns = {"rows": frontier.rows, "words": frontier.words, "times": frontier.times}
    return Request(PICK, words, {name: values for name, values in columns.items() if values is not None})


def read_pick_request(request: Request) -> Frontier:
    """The frontier of a request.

    Raises:
        ValueError: it has none.
    """
    try:
        hidden = {int(e): (np.array(ptr, np.int64), np.array(at, np.int64)) for e, ptr, at in request.words["hidden"]}
        counts, view = [int(n) for n in request.words["counts"]], request.words["view"]
        rows = request.columns["rows"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no frontier: {error}") from None
    return Frontier(
        request.word("spec", dict),
        request.word("hop", int),
        request.word("epoch", int),
        counts,
        rows,
        None if view is None else int(view),
        request.word("kind", int),
        request.columns.get("words"),
        request.columns.get("times"),
        hidden,
    )


class RemoteOwner:
    """The :class:`gnnctl.graph.owners.Owner` of a partition in another process.

    Args:
        connection: to its server.
        shapes: by view the store of one's own partition, which has the same keys.
        gone: what to raise where it does not answer.
    """

    def __init__(
        self, connection: Connection, shapes: Callable[[int | None], FeatureStore], gone: Callable[[], Exception]
    ) -> None:
        self._connection, self._shapes, self._gone = connection, shapes, gone

    def features(self, view: int | None) -> FeatureStore:
        """See :class:`gnnctl.graph.owners.Owner`."""
        return _Rows(self, self._shapes(view), view)

    def pick(self, frontier: Frontier) -> list[Picks]:
        """See :class:`gnnctl.graph.owners.Owner`."""
        found: dict[str, list[np.ndarray]] = {}
        with self._answering():
            for part, data in self._connection.parts(pick_request(frontier)):
                found.setdefault(part, []).append(data)
        count = max((int(name.partition("/")[0]) for name in found), default=-1) + 1
        arrays = {name: np.concatenate(pieces).view(np.int64) for name, pieces in found.items()}
        none = np.zeros(0, np.int64)
        return [Picks(*(arrays.get(f"{e}/{part}", none) for part in PARTS)) for e in range(count)]

    def leave(self) -> None:
        """Tell it that nothing more will be asked; it may be gone before its answer is here."""
        with suppress(ResourceError):
            self._connection.act(LEAVE)

    def read_rows(self, name: str, rows: np.ndarray, out: np.ndarray) -> None:
        """Rows of an array of its server."""
        with self._answering():
            self._connection.read_rows(name, rows, out)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except ResourceError as error:
            raise self._gone() from error


class _Rows:
    """The :class:`gnnctl.graph.store_interfaces.FeatureStore` of a partition in another process."""

    def __init__(self, owner: RemoteOwner, shapes: FeatureStore, view: int | None) -> None:
        self._owner, self._shapes, self._view = owner, shapes, view

    def keys(self) -> Sequence[Key]:
        """What there is."""
        return self._shapes.keys()

    def shape(self, key: Key) -> tuple[int, ...]:
        """(rows, ...)."""
        return self._shapes.shape(key)

    def dtype(self, key: Key) -> "np.dtype[Any]":
        """Of the values."""
        return self._shapes.dtype(key)

    def read(self, key: Key, rows: Rows, out: np.ndarray, *, num_threads: int = 1) -> None:
        """Read rows into a buffer; what the server refuses is a UsageError."""
        wanted = np.arange(*rows.indices(self.shape(key)[0]), dtype=np.int64) if isinstance(rows, slice) else rows
        self._owner.read_rows(array_name(key, self._view), wanted, out)

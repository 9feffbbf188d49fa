"""Who holds how much of the server's memory."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

ANSWER, FEWER = "an answer", "ask for fewer seeds or rows at a time, or "


class Accounts:
    """Bytes that the server holds for clients, by client: answers that they have not yet taken, and their views.

    Args:
        limit: bytes a client.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, client: str, count: int, what: str = ANSWER) -> Iterator[None]:
        """Hold ``count`` bytes for a client while the block runs.

        Raises:
            ValueError: it would hold more than the limit.
        """
        with self._lock:
            held = self._held[client]
            if held + count > self.limit:
                already = f" beside {held:,} that it holds" if held else ""
                raise ValueError(
                    f"{what} of {count:,} bytes{already} is over the {self.limit:,} of a client: "
                    f"{FEWER if what == ANSWER else ''}serve with more --memory"
                )
            self._held[client] += count
        try:
            yield
        finally:
            with self._lock:
                self._held[client] -= count
                if not self._held[client]:
                    del self._held[client]

    @property
    def held(self) -> dict[str, int]:
        """Bytes by client that has any."""
        with self._lock:
            return dict(self._held)


class Room:
    """Bytes on a client's account until they are given back.

    Args:
        accounts: that it is one of. client: whose. what: is held, in words.
    """

    def __init__(self, accounts: Accounts, client: str, what: str) -> None:
        self._accounts, self._client, self._what, self._stack = accounts, client, what, ExitStack()
        self._left, self._lock = False, threading.Lock()

    def hold(self, count: int) -> None:
        """Hold more; ValueError: that would overdraw the account. What is left already goes without."""
        with self._lock:
            if not self._left:
                self._stack.enter_context(self._accounts.holding(self._client, count, self._what))

    @contextmanager
    def inner(self) -> "Iterator[Room]":
        """Room on the same account for something of its own, given back where that fails to be made."""
        room = Room(self._accounts, self._client, self._what)
        try:
            yield room
        except BaseException:
            room.leave()
            raise

    def leave(self) -> None:
        """Give all of it back."""
        with self._lock:
            self._left = True
            self._stack.close()

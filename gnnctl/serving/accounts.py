"""Who holds how much of the server's memory."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Accounts:
    """Bytes of answers that clients have not yet taken, by client.

    Args:
        limit: bytes a client.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, client: str, count: int) -> Iterator[None]:
        """Hold ``count`` bytes for a client while the block runs.

        Raises:
            ValueError: it would hold more than the limit.
        """
        with self._lock:
            held = self._held[client]
            if held + count > self.limit:
                already = f" beside {held:,} that it has not read" if held else ""
                raise ValueError(
                    f"an answer of {count:,} bytes{already} is over the {self.limit:,} of a client: "
                    "ask for fewer seeds or rows at a time, or serve with more --memory"
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

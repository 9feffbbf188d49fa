"""The processes of one run that torchrun started, as their environment tells of them, and which of them speaks.

What goes wrong goes wrong for all of them: the one with the news says it, or every one where torchrun does not hold the
store in which they agree.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gnnctl.errors import ResourceError, UsageError

_WAIT = 5.0  # seconds for the store to answer


class Place(NamedTuple):
    """One process among so many; ``local`` is its number on its machine, ``local_among`` how many there are."""

    rank: int = 0
    among: int = 1
    local: int = 0
    local_among: int = 1

    @property
    def master(self) -> str | None:
        """The machine of the first process; None where all are on this one."""
        return None if self.local_among == self.among else os.environ.get("MASTER_ADDR")


ALONE = Place()


def place() -> Place:
    """This process's place; alone where nothing else is said.

    Raises:
        UsageError: the environment says what cannot be.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:
        return ALONE
    try:
        found = Place(*(int(os.environ.get(name, default)) for name, default in zip(names, Place(), strict=True)))
    except ValueError:
        found = Place(rank=-1)
    if not (0 <= found.rank < found.among and 0 <= found.local < found.local_among):
        told = " ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ)
        raise UsageError(f"{told} is no process of a run", fix="start it with torchrun, or unset them")
    return found


def prepare() -> None:
    """Where a run has several processes, keep torch's own warnings of each of them off the terminal."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """Around all that a process does: one of several ends at once when that is done.

    Threads of torch's collective operations may still want the interpreter while it is taken down, which aborts the
    process, and torchrun all others with it.
    """
    try:
        yield
    except SystemExit as stop:
        if os.environ.get("WORLD_SIZE", "1") == "1":
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(stop.code if isinstance(stop.code, int) else int(stop.code is not None))


def speaks() -> bool:
    """Whether this process is to say what went wrong: the first that asks."""
    if os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    from datetime import timedelta

    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not list it

    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=timedelta(seconds=_WAIT),
            wait_for_workers=False,
        )
        said = f"gnnctl/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/said"
        return bool(store.add(said, 1) == 1)
    except (KeyError, ValueError, RuntimeError):  # the store is gone: rather twice than never
        return True


def lost() -> ResourceError:
    """What each process that is left has to say when another one ended."""
    return ResourceError(
        "the run was stopped, or one of its processes was lost",
        fix="start the same command again: it goes on after the last epoch that was saved",
    )


def end_at_signal(farewell: Callable[[], None]) -> None:
    """Have SIGTERM, with which torchrun ends what is left of a run, end this process with the code of :func:`lost`.

    A thread waits for it, as the main one may stand in a collective operation that never returns.

    Args:
        farewell: called before the end.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def wait() -> None:
        while os.read(reading, 1)[0] != signal.SIGTERM:
            pass
        farewell()
        os._exit(ResourceError.exit_code)

    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=wait, daemon=True).start()


def say(error: Exception) -> None:
    """One line on stderr, if it is this process that speaks."""
    if speaks():
        sys.stderr.write(f"gnnctl: error: {error}\n")
        sys.stderr.flush()

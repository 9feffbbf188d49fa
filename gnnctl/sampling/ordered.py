"""Work done by background threads, delivered in order."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Task], Result], tasks: Iterable[Task], num_threads: int, ahead: int | None = None
) -> Generator[Result, None, None]:
    """Results of ``function`` over ``tasks``, in the order of the tasks, whichever thread is done first.

    The threads gain where the function releases the GIL. An exception, of the function or of the tasks' iterator, is
    raised where its result would have come. When the caller stops early, the threads end after what they are at, or
    sooner where that calls :func:`end_if_abandoned`.

    Args:
        function: called in a background thread.
        tasks: drawn from by one thread at a time, never further ahead than ``ahead``.
        num_threads: 0 works in the calling thread.
        ahead: results that may be ready or under way before they are asked for; default two a thread.

    Raises:
        ValueError: a negative number of threads.
    """
    if num_threads < 0:
        raise ValueError(f"num_threads: expected 0 or more, got {num_threads}")
    if num_threads == 0:
        yield from map(function, tasks)
        return
    window = _Window(function, iter(tasks), max(num_threads, ahead or 2 * num_threads))
    threads = [threading.Thread(target=window.work, name=f"gnnctl-{i}", daemon=True) for i in range(num_threads)]
    for thread in threads:
        thread.start()
    try:
        while (found := window.take()) is not None:
            result, error = found
            if error is not None:
                raise error
            yield result[0]
    finally:
        window.close()
        for thread in threads:
            thread.join()


class Abandoned(Exception):
    """Nobody waits for what this thread is at."""


_at_work = threading.local()


def end_if_abandoned() -> None:
    """Called now and then by work that takes long.

    Raises:
        Abandoned: in a thread of :func:`ordered_map` whose caller has stopped.
    """
    window = getattr(_at_work, "window", None)
    if window is not None and window.closed:
        raise Abandoned


class _Window(Generic[Task, Result]):
    """Numbered tasks on the one side, their results in order on the other."""

    def __init__(self, function: Callable[[Task], Result], tasks: Iterator[Task], ahead: int) -> None:
        self._function = function
        self._tasks = tasks
        self._ahead = ahead
        self._drawing = threading.Lock()
        self._changed = threading.Condition()
        self._results: dict[int, tuple[list[Result], BaseException | None]] = {}
        self._drawn = 0
        self._taken = 0
        self._exhausted = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the caller has stopped."""
        return self._closed

    def work(self) -> None:
        _at_work.window = self
        while (drawn := self._draw()) is not None:
            number, task = drawn
            try:
                self._put(number, [self._function(task)], None)
            except BaseException as error:
                self._put(number, [], error)
            del task, drawn

    def _draw(self) -> tuple[int, Task] | None:
        with self._drawing:
            with self._changed:
                while not (self._closed or self._exhausted) and self._drawn - self._taken >= self._ahead:
                    self._changed.wait()
                if self._closed or self._exhausted:
                    return None
                number = self._drawn
            error: BaseException | None = None
            try:
                task = next(self._tasks)
            except StopIteration:
                with self._changed:
                    self._exhausted = True
                    self._changed.notify_all()
                return None
            except BaseException as raised:
                error = raised
            with self._changed:
                self._drawn += 1
                if error is not None:
                    self._exhausted = True
                    self._results[number] = ([], error)
                    self._changed.notify_all()
                    return None
            return number, task

    def _put(self, number: int, result: list[Result], error: BaseException | None) -> None:
        with self._changed:
            if not self._closed:
                self._results[number] = (result, error)
            self._changed.notify_all()

    def take(self) -> tuple[list[Result], BaseException | None] | None:
        with self._changed:
            while self._taken not in self._results:
                if self._exhausted and self._taken == self._drawn:
                    return None
                self._changed.wait()
            found = self._results.pop(self._taken)
            self._taken += 1
            self._changed.notify_all()
            return found

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._results.clear()
            self._changed.notify_all()

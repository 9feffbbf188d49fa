import gc
import os
import signal
import threading
import time

import pytest

from gnnctl.sampling.ordered import ordered_map


def running():
    return [t for t in threading.enumerate() if t.name.startswith("gnnctl-")]


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_order_is_kept(threads):
    def slow_first(i):
        time.sleep(0.01 if i % 5 == 0 else 0)
        return i * i

    assert list(ordered_map(slow_first, range(40), threads)) == [i * i for i in range(40)]
    assert not running()


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_an_exception_comes_where_its_result_would(threads):
    def fail_at_five(i):
        if i == 5:
            raise ValueError("five")
        return i

    seen = []
    with pytest.raises(ValueError, match="five"):
        seen.extend(ordered_map(fail_at_five, range(40), threads))
    found = []
    try:
        for i in ordered_map(fail_at_five, range(40), threads):
            found.append(i)  # noqa: PERF402
    except ValueError:
        pass
    assert found == [0, 1, 2, 3, 4]
    assert not running()


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_an_exception_of_the_tasks_comes_after_what_was_drawn(threads):
    def tasks():
        yield from range(3)
        raise OSError("gone")

    found = []
    with pytest.raises(OSError, match="gone"):
        for i in ordered_map(lambda i: i, tasks(), threads):
            found.append(i)  # noqa: PERF402
    assert found == [0, 1, 2]
    assert not running()


def test_no_more_is_drawn_than_may_be_ahead():
    drawn = []

    def tasks():
        for i in range(100):
            drawn.append(i)
            yield i

    results = ordered_map(lambda i: i, tasks(), 2, ahead=4)
    for wanted in range(10):
        assert next(results) == wanted
        time.sleep(0.005)
        assert len(drawn) <= wanted + 1 + 4 + 1
    results.close()
    assert not running()


def test_threads_end_when_the_caller_walks_away():
    results = ordered_map(lambda i: i, iter(int, 1), 3)
    assert next(results) == 0
    assert len(running()) == 3
    del results
    gc.collect()
    assert not running()


def test_nothing_to_do():
    assert list(ordered_map(lambda i: i, [], 2)) == []
    assert list(ordered_map(lambda i: i, [], 0)) == []


def test_negative_threads_are_refused():
    with pytest.raises(ValueError, match="num_threads"):
        list(ordered_map(lambda i: i, [], -1))


@pytest.mark.parametrize("threads", [0, 2])
def test_an_interrupt_arrives_while_waiting(threads):
    """Ctrl-C is delivered while a result is awaited, and the threads end after what they are at."""
    finish = threading.Event()
    interrupt = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    late = threading.Timer(0.4, finish.set)

    def work(i):
        if i == 3 and not finish.wait(30):
            raise TimeoutError
        return i

    found = []
    interrupt.start()
    late.start()
    with pytest.raises(KeyboardInterrupt):
        for i in ordered_map(work, range(40), threads):
            found.append(i)  # noqa: PERF402
    late.join()
    assert found == [0, 1, 2]
    assert not running()

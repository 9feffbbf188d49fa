"""What a figure was measured on: the processor, the versions, and the machine's own limits.

Rates of gnnctl are reported in units of these limits, measured in the same run, because absolute figures drift and do
not carry over to another machine.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gnnctl.bench.timing import LEAST_REPEATS, Timing, interleave
from gnnctl.native import random_gather_rate, random_row_rate, stream_bandwidth

GATHER_ENTRIES = 1 << 24  # 134 MB of int64: far beyond the caches
COPY_BYTES = 1 << 28
PRODUCT_SIZE = 1024
PACKAGES = ("gnnctl", "torch", "numpy", "torch-geometric", "pyg-lib")


def machine_facts() -> dict[str, Any]:
    """Processor, cores, memory, system, versions of what is measured, torch's threads."""
    import torch

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch_threads": torch.get_num_threads(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def machine_rates(repeats: int = LEAST_REPEATS, entries: int = GATHER_ENTRIES) -> dict[str, Timing]:
    """The machine's limits, one thread: ``gather`` (random reads of an int64 array in pages of 4 KiB, per second),
    ``gather_large`` (the same in pages of 2 MiB), and ``copy`` (bytes read and written per second by a streaming copy).
    """
    reads = min(entries, 1 << 23)
    return {
        "gather": Timing(tuple(random_gather_rate(entries, reads, repeats))),
        "gather_large": Timing(tuple(random_gather_rate(entries, reads, repeats, True))),
        "copy": Timing(tuple(stream_bandwidth(min(COPY_BYTES, entries * 16), repeats))),
    }


def row_rate(row_bytes: int, repeats: int = LEAST_REPEATS, rows: int = 1 << 20) -> Timing:
    """Rows of ``row_bytes`` copied per second from random places, one thread, without asking ahead."""
    return Timing(tuple(random_row_rate(rows, row_bytes, min(rows, 1 << 18), repeats)))


def copy_rate(threads: int, repeats: int = LEAST_REPEATS, size: int = COPY_BYTES) -> Timing:
    """Bytes read and written per second by ``threads`` streaming copies at once, together."""
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda _: stream_bandwidth(size // threads, repeats), range(threads)))
    return Timing(tuple(sum(together) for together in zip(*found, strict=True)))


def product_rate(threads: int, repeats: int = LEAST_REPEATS, size: int = PRODUCT_SIZE) -> tuple[str, Timing]:
    """Operations (a multiplication or an addition) per second of a dense float32 product of two square matrices, in
    the fastest of torch's own library, oneDNN and gnnctl; and which that is."""
    import torch

    from gnnctl.nn import ops

    left, right = torch.rand(size, size), torch.rand(size, size)
    sides: dict[str, Callable[[], object]] = {
        "torch": lambda: left @ right.mT,
        "gnnctl": lambda: ops.linear(left, right),
    }
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch gives it no types
        packed = left.to_mkldnn(), right.to_mkldnn()
        sides["oneDNN"] = lambda: torch.nn.functional.linear(*packed)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        measured = interleave({name: _rate_of(run, 2 * size**3) for name, run in sides.items()}, repeats=repeats)
    finally:
        torch.set_num_threads(before)
    fastest = max(measured, key=lambda name: measured[name]["rate"].median)
    return fastest, measured[fastest]["rate"]


def _rate_of(run: Callable[[], object], operations: int) -> Callable[[], Mapping[str, float]]:
    def timed() -> Mapping[str, float]:
        start = time.perf_counter()
        run()
        return {"rate": operations / (time.perf_counter() - start)}

    return timed


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    if hasattr(os, "sysconf"):
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return 0.0


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

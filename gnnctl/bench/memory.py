"""How much memory a piece of work takes at its peak."""

from collections.abc import Callable
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_growth(work: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that the process (on Linux) or the device holds at most during ``work`` beyond what it held before.

    None where the system does not tell. Memory that the process keeps for reuse counts as held before, so this is a
    lower bound of what the work needs.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    try:
        _RESET.write_text("5")  # the peak becomes what is resident now
        before = _kilobytes("VmRSS")
        work()
        return max(0, _kilobytes("VmHWM") - before) * 1024
    except OSError:
        work()
        return None


def _kilobytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])

"""Run a command in a limited memory, and write down what it took.

    python guard.py 4GiB LOG.jsonl -- gnnctl ingest ...

On Linux with a memory cgroup that may be made (version 1 or 2, as root or delegated), the limit holds for everything,
pages of mapped files included: what does not fit is read again. Elsewhere on Linux the memory that the command's
processes cannot give back is watched, and the command is killed above the limit. A line of LOG has the command, its
exit code, seconds, the peak of memory that is not a file's, and the bytes read from and written to the disk.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

UNITS = {"MiB": 1 << 20, "GiB": 1 << 30}
POLL_SECONDS = 0.05


def make_group(limit: int) -> Path | None:
    """A memory cgroup with the limit, or None where none can be made."""
    root = Path("/sys/fs/cgroup")
    for parent, name in ((root / "memory", "memory.limit_in_bytes"), (root, "memory.max")):
        group = parent / f"gnnctl-{os.getpid()}"
        if not (parent / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
            (group / name).write_text(str(limit))
            return group
        except OSError:
            if group.is_dir():
                group.rmdir()
    return None


def family(pid: int) -> list[int]:
    """The process and those it started."""
    found = [pid]
    for parent in found:
        try:
            tasks = Path(f"/proc/{parent}/task").iterdir()
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def numbers(path: str) -> dict[str, int]:
    """``name: number`` lines of a file of /proc; empty where the process is gone."""
    try:
        return {name: int(value) for name, value in re.findall(r"(\w+):\s+(\d+)", Path(path).read_text())}
    except OSError:
        return {}


def run(command: list[str], limit: int) -> dict[str, object]:
    """The command's figures."""
    group = make_group(limit)
    start = time.monotonic()
    join = (lambda: (group / "cgroup.procs").write_text(str(os.getpid()))) if group else None
    process = subprocess.Popen(command, preexec_fn=join)
    peak, killed = 0, False
    moved: dict[int, dict[str, int]] = {}
    while process.poll() is None:
        held = 0
        for pid in family(process.pid):
            status = numbers(f"/proc/{pid}/status")
            held += 1024 * (status.get("RssAnon", 0) + status.get("RssShmem", 0))
            moved[pid] = numbers(f"/proc/{pid}/io") or moved.get(pid, {})
        peak = max(peak, held)
        if held > limit and not killed:
            killed = True
            for pid in reversed(family(process.pid)):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    if group is not None:
        group.rmdir()
    return {
        "command": command,
        "exit": process.returncode,
        "seconds": round(time.monotonic() - start, 2),
        "limit": limit,
        "held_by": "cgroup" if group else "watching",
        "peak": peak,
        "read": sum(io.get("read_bytes", 0) for io in moved.values()),
        "written": sum(io.get("write_bytes", 0) for io in moved.values()),
    }


def main() -> None:
    """Run, note, and exit as the command did."""
    size, log, dashes, *command = sys.argv[1:]
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(MiB|GiB)", size)
    if found is None or dashes != "--" or not command:
        sys.exit("usage: guard.py 4GiB LOG.jsonl -- COMMAND ...")
    if not Path("/proc/self/status").exists():
        sys.exit("guard.py needs Linux's /proc; run the command by itself")
    taken = run(command, int(float(found[1]) * UNITS[found[2]]))
    with Path(log).open("a") as file:
        file.write(json.dumps(taken) + "\n")
    sys.exit(taken["exit"] if taken["exit"] >= 0 else 128 - taken["exit"])


if __name__ == "__main__":
    main()

"""What dropout and the allocator take of training: seconds an epoch of `gnnctl train` with and without each.

    python tests/benchmarks/steps.py [--epochs 4] [--repeats 3] [--quick]

The graph and model of processes.py, batches of 2,048, fan-outs [10, 10], dropout .5, one thread. Each side is a whole
run; what counts is what it reports for its epochs of training, the first left out. The sides take turns. "torch's
dropout" is :func:`torch.nn.functional.dropout` in place of the kernel; "memory given back" leaves glibc's allocator as
it is.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import SEEDS, write_split

TORCH = "import torch, gnnctl.nn.dropout as d; d.dropout = torch.nn.functional.dropout\n"
GIVEN_BACK = {"MALLOC_ARENA_TEST": "8"}  # the default: a variable of the allocator that changes nothing is set
SIDES = {
    "as it is": ("", {}),
    "torch's dropout": (TORCH, {}),
    "memory given back": ("", GIVEN_BACK),
    "both": (TORCH, GIVEN_BACK),
}


def main() -> None:
    """Write a split, train on it, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the graph")
    asked = parser.parse_args()
    scale = 10 if asked.quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder, seeds = Path(name), SEEDS // 4 // scale
        write_split(folder, 1_000_000 // scale, 10_000_000 // scale, seeds)
        taken: dict[str, list[float]] = {side: [] for side in SIDES}
        for turn in range(asked.repeats):
            for number, (side, found) in enumerate(taken.items()):
                found.append(epoch_seconds(folder, side, asked.epochs, f"{number}-{turn}"))
        least = statistics.median(taken["as it is"])
        for side, found in taken.items():
            median = statistics.median(found)
            print(
                f"{side:18s} {median:.3f} s an epoch ({min(found):.3f}-{max(found):.3f}), "
                f"{seeds / median:,.0f} seeds/s, {median / least:.2f} times"
            )


def epoch_seconds(folder: Path, side: str, epochs: int, name: str) -> float:
    """Median seconds of an epoch's training, without the first epoch."""
    before, variables = SIDES[side]
    out = folder / f"model-{name}"
    arguments = ["gnnctl", "train", str(folder / "split"), "-o", str(out), "--hidden", "256", "--dropout", "0.5"]
    arguments += ["--num-neighbors", "10,10", "--batch-size", "2048", "--epochs", str(epochs + 1), "--threads", "1"]
    arguments += ["--loader-threads", "0", "--device", "cpu", "--quiet", "--no-resume"]
    code = f"{before}import sys; sys.argv = {arguments!r}\nfrom gnnctl.cli import main\nmain()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.DEVNULL)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return statistics.median(record["seconds"]["train"] for record in records[1:])


if __name__ == "__main__":
    main()

"""Training in several processes against one: seeds a second, every process held to one thread.

    python tests/benchmarks/processes.py [--processes 2] [--epochs 4] [--quick]

A power-law graph of 1 million nodes and 10 million edges with 64 features, SAGE of 256 channels, fan-outs [15, 10],
4,096 seeds a process. Each side is a whole run of `gnnctl train` with one thread and no loading thread a process; what
counts is the time that the first process reports for its epochs of training, the first epoch left out. The sides take
turns. Several processes are set beside one with the batch that each of them has, as data-parallel training is usually
scaled, and beside one with the batch of all, which meets more of its nodes twice.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.bench.rmat import power_law
from gnnctl.graph.graph import DEFAULT_NODE, Graph
from gnnctl.splits import NodeSplit, Target

FEATURES, CLASSES, SEEDS, BATCH = 64, 10, 163_840, 4096


def main() -> None:
    """Write a split, train on it, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the graph")
    asked = parser.parse_args()
    scale = 10 if asked.quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = SEEDS // scale
        write_split(folder, 1_000_000 // scale, 10_000_000 // scale, seeds)
        batch = BATCH // scale
        sides = [(1, batch), (1, asked.processes * batch), (asked.processes, asked.processes * batch)]
        rates: dict[tuple[int, int], list[float]] = {side: [] for side in sides}
        for turn in range(asked.repeats):
            for (processes, joint), found in rates.items():
                found.append(seeds / epoch_seconds(folder, processes, joint, asked.epochs, turn))
        many = statistics.median(rates[sides[-1]])
        for (processes, joint), found in rates.items():
            rate, spread = statistics.median(found), f"{min(found):,.0f}-{max(found):,.0f}"
            print(
                f"{processes} x 1 thread, batches of {joint:,}: {rate:,.0f} seeds/s ({spread}); "
                f"{asked.processes} processes: {many / rate:.2f} times"
            )


def write_split(folder: Path, nodes: int, edges: int, seeds: int) -> None:
    """`graph` and `split`: classes that say nothing, as only the time counts."""
    rng = np.random.default_rng(0)
    graph = power_law(nodes, edges, features=FEATURES)
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {"nodes": nodes})) as writer:
        graph.write(writer)
    rows = np.sort(rng.permutation(nodes)[:seeds])
    none = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    parts = {"train": (rows, rng.integers(0, CLASSES, seeds)), "val": none, "test": none}
    target = Target(DEFAULT_NODE, "y", "multiclass", list(range(CLASSES)), CLASSES)
    stored = Artifact.open(folder / "graph")
    split = NodeSplit(Graph.open(stored), target, parts)
    with ArtifactWriter(folder / "split", Recipe("split", "split", 1, {}, [Parent("graph", stored)])) as writer:
        split.write(writer)


def epoch_seconds(folder: Path, processes: int, batch: int, epochs: int, turn: int) -> float:
    """Median seconds of an epoch's training, without the first epoch."""
    out = folder / f"model-{processes}-{batch}-{turn}"
    runner = [sys.executable, "-m", "gnnctl"]
    if processes > 1:
        runner = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "-m", "gnnctl"]
    options = ["--hidden", "256", "--num-neighbors", "15,10", "--batch-size", str(batch), "--epochs", str(epochs + 1)]
    options += ["--threads", "1", "--loader-threads", "0", "--device", "cpu", "--quiet", "--no-resume"]
    command = [*runner, "train", str(folder / "split"), "-o", str(out), *options]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return statistics.median(record["seconds"]["train"] for record in records[1:])


if __name__ == "__main__":
    main()

"""Records on disk against sampling on the fly: seconds of processor time a batch, and bytes a seed.

    OMP_NUM_THREADS=1 python tests/benchmarks/records.py [--quick]

A power-law graph of 500,000 nodes and 8 million edges, fan-outs [15,10], batches of 1,024, structure alone and then
with 100 features. All on one thread; sides alternate, and medians of processor time are compared, so that a machine
which does other work as well disturbs little.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.bench.rmat import power_law
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import DEFAULT_NODE, Graph
from gnnctl.sampling.description import Description
from gnnctl.sampling.packed import Packing
from gnnctl.sampling.packs import PackedFeatures
from gnnctl.sampling.plan import RecordPlan
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.write import write_records
from gnnctl.splits import NodeSplit, Target

BATCH, FEATURES = 1024, 100


def main() -> None:
    """Write, read, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a twentieth of the graph")
    small = 20 if parser.parse_args().quick else 1
    graph = power_law(500_000 // small, 8_000_000 // small, features=FEATURES)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), graph, 40 if small == 1 else 8)


def measure(folder: Path, graph: Graph, count: int) -> None:
    """All figures, over ``count`` batches."""
    split = split_of(folder, graph, count * BATCH)
    spec = SampleSpec.uniform(split.graph.edge_types, (15, 10), seed=1)
    parts = {name: rows for name, (rows, _) in split.parts.items()}
    labels = {name: values for name, (_, values) in split.parts.items()}
    plan = RecordPlan(parts, "batch", BATCH, 1, 1)
    producer = Producer(split.graph, spec, plan, DEFAULT_NODE, labels)
    found: dict[str, SubgraphRecords] = {}
    for name, form, packing in (
        ("parquet", "parquet", None),
        ("arrow", "arrow", None),
        ("packed float32", "parquet", Packing.of(split.graph, None)),
        ("packed float16", "parquet", Packing.of(split.graph, "float16")),
    ):
        assert split.artifact is not None
        recipe = Recipe("subgraphs", "sample", 1, {"format": form, "name": name}, [Parent("split", split.artifact)])
        started = time.process_time()
        description = Description.of(producer, packing)
        summary = write_records(folder / name, recipe, description, producer, (0, plan.records))
        seconds = time.process_time() - started
        artifact = Artifact.open(folder / name)
        sizes = [f["bytes"] for f in artifact.manifest.files if f["path"].startswith(("records/", "packed/"))]
        found[name] = SubgraphRecords.open(artifact)
        seeds = summary["seeds"]
        each = f"{summary['nodes'] / seeds:.1f} nodes, {summary['edges'] / seeds:.1f} edges"
        print(f"{name:15s} {sum(sizes) / seeds:7.0f} bytes a seed ({each}), written at {seeds / seconds:9,.0f} seeds/s")
    cut = batches(parts["train"], BATCH, shuffle=True, seed=1, epoch=1)
    sampler = Sampler(split.graph, spec)

    def sample() -> None:
        for seeds in cut:
            sampler.sample(seeds, DEFAULT_NODE, 1)

    def read(name: str, positions: bool) -> Callable[[], None]:
        def run() -> None:
            for block in found[name].blocks("train", 1, positions=positions):
                for i in range(len(block)):
                    block.columns.subgraph(i)

        return run

    whole = {f"{name}, positions": read(name, True) for name in ("parquet", "arrow")}
    needed = {name: read(name, False) for name in ("parquet", "arrow")}  # what training reads: no edge has features
    report("structure", {"sampled": sample, **needed, **whole}, count)

    def sample_batches() -> None:
        for seeds in cut:
            Batch.from_subgraph(sampler.sample(seeds, DEFAULT_NODE, 1), split.graph)

    def read_batches(name: str) -> Callable[[], None]:
        def run() -> None:
            for block in found[name].blocks("train", 1, positions=False):
                features = PackedFeatures(block.packs) if block.packs else None
                for i in range(len(block)):
                    Batch.from_subgraph(block.columns.subgraph(i), split.graph, features=features)

        return run

    sides = {name: read_batches(name) for name in ("parquet", "arrow", "packed float32", "packed float16")}
    report(f"with {FEATURES} features", {"sampled": sample_batches, **sides}, count)


def split_of(folder: Path, graph: Graph, seeds: int) -> NodeSplit:
    """A split on disk whose training part are so many nodes with in-edges."""
    with ArtifactWriter(folder / "graph", Recipe("graph", "bench", 1, {})) as writer:
        graph.write(writer)
    opened = Graph.open(folder / "graph")
    [edges] = opened.edges.values()
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(np.flatnonzero(np.diff(edges.colptr)))[:seeds])
    labels = rng.integers(0, 2, len(rows))
    target = Target(DEFAULT_NODE, "label", "multiclass", [0, 1], 2)
    none = (rows[:0], labels[:0])
    assert opened.artifact is not None
    made = NodeSplit(opened, target, {"train": (rows, labels), "val": none, "test": none})
    with ArtifactWriter(
        folder / "split", Recipe("split", "bench", 1, {}, [Parent("graph", opened.artifact)])
    ) as writer:
        made.write(writer)
    return NodeSplit.open(folder / "split", opened)


def report(title: str, sides: dict[str, Callable[[], None]], count: int) -> None:
    """Median processor time of each side, and its ratio to the first."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(8):
        for name, run in sides.items():
            started = time.process_time()
            run()
            if turn:  # the first one warms up
                taken[name].append((time.process_time() - started) / count)
    first = statistics.median(next(iter(taken.values())))
    for name, times in taken.items():
        each = statistics.median(times)
        spread = f"{1e3 * min(times):.2f} to {1e3 * max(times):.2f}"
        print(
            f"{title:18s} {name:18s} {1e3 * each:6.2f} ms a batch ({spread}), {BATCH / each:11,.0f} seeds/s, "
            f"{first / each:5.2f} times the first"
        )


if __name__ == "__main__":
    pa.set_cpu_count(1)
    main()

"""Memory stays flat over a thousand epochs."""

import gc
import sys

import numpy as np
import pytest
from test_loader import loader
from test_packed_records import PackedRun

from gnnctl.graph import Graph
from gnnctl.sampling.loader import Loader
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.store import SubgraphRecords

EPOCHS, WARM = 1000, 200
READINGS = 160
MEGABYTE = 1 << 20


def resident_bytes():
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    import resource

    return pages * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_a_thousand_epochs():
    rng = np.random.default_rng(0)
    nodes, width = 300, 64
    x = rng.random((nodes, width), dtype=np.float32)
    edges = rng.integers(0, nodes, (2, 2000))
    graph = Graph.from_coo(nodes, edges, x=x, edge_weight=rng.random(2000))
    sampler = Sampler(graph, SampleSpec.uniform(graph.edge_types, (4, 3)))
    labels, batches, before = np.arange(nodes), 0, 0
    for epoch in range(1, EPOCHS + 1):
        loader = Loader(
            sampler, graph, "node", labels, labels, batch_size=128, shuffle_seed=1, epoch=epoch, num_threads=2,
            degrees=True, prepare=lambda batch: batch.prepare(2),
        )  # fmt: skip
        batches += sum(1 for _ in loader)
        if epoch == WARM:
            gc.collect()
            before = resident_bytes()
    gc.collect()
    assert batches == 3 * EPOCHS
    # A batch is about 0.1 MB; keeping one of each epoch would be 80.
    assert resident_bytes() - before < 12 * MEGABYTE


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_memory_stays_flat_over_many_readings(split_path, tmp_path, form):
    run = PackedRun(split_path, form=form, epochs=1, file_bytes=1 << 16)
    records = SubgraphRecords.open(run.write(tmp_path / "samples"))
    before, batches = 0, 0
    for reading in range(READINGS):
        batches += sum(1 for _ in loader(run, records, order=reading, num_threads=2))
        if reading == READINGS // 4:
            gc.collect()
            before = resident_bytes()
    gc.collect()
    assert batches == 7 * READINGS
    # A reading is about 0.3 MB of records, and twice that of batches.
    assert resident_bytes() - before < 12 * MEGABYTE

"""Work by block and bytes by edge, counted where the emulated kernels read and write."""

import pytest
import torch
from edges import graph

from gnnctl.bench import rmat
from gnnctl.bench.cuda_kernels import edge_cost, segment_cost
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import ops

WORD = {2: 1, 4: 2, 8: 3, 16: 4}  # index of an access size in what the shim counts


def power_law():
    """The RMAT graph of the benchmarks, small: its largest degree is sixty times the average."""
    store = next(iter(rmat(12).edges.values()))
    colptr, row = (torch.from_numpy(a.copy()) for a in (store.colptr[:], store.row[:]))
    count = len(colptr) - 1
    return EdgeIndex(colptr, row, count, count)


def launches(shim, run):
    shim.taken_launches()
    run()
    return shim.taken_launches()


@pytest.mark.parametrize("width", [64, 512])
def test_blocks_share_the_edges_of_hubs(shim, width):
    edges = power_law()
    degrees = edges.in_degree()
    assert degrees.max() > 50 * degrees.float().mean()
    walk, _ = launches(shim, lambda: ops.spmm(edges, torch.ones(edges.num_src, width)))
    read = torch.tensor(walk["loaded"])[:, WORD[16]].double()  # bytes of features: edges of the block
    assert read.sum() == edges.num_edges * width * 4
    slots = width // 4
    chunks = 128 // slots  # of 64 steps each, in a block
    assert read.max() <= chunks * 64 * width * 4
    # A block for as many destinations would take what the largest of them have.
    rows = torch.nn.functional.pad(degrees, (0, -len(degrees) % chunks)).view(-1, chunks).sum(1)
    assert read.max() / read.mean() < 1.1
    assert rows.max() / rows.double().mean() > 10


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 4), (torch.bfloat16, 2)])
def test_an_edge_costs_what_the_model_says(shim, dtype, size):
    edges, width = graph("random", torch.device("cpu")), 64
    x, weight = torch.randn(edges.num_src, width, dtype=dtype), torch.rand(edges.num_edges, dtype=dtype)
    slots = width * size // 16
    for weights in (None, weight):
        walk, join = launches(shim, lambda w=weights: ops.spmm(edges, x, w))
        loaded = torch.tensor(walk["loaded"]).sum(0)
        cost = edge_cost(edges, width, size, weight_bytes=0 if weights is None else size)
        features = int(loaded[WORD[16]])
        # Threads of a row read the same index and weight: the hardware reads it once.
        indices = int(loaded[WORD[4]]) // slots + (0 if weights is None or size == 4 else int(loaded[WORD[2]]) // slots)
        written = sum(int(torch.tensor(launch["stored"])[:, WORD[16]].sum()) for launch in (walk, join))
        assert features == edges.num_edges * width * size
        assert features + indices + written == cost.bytes - 8 * (edges.num_dst + 1)


def test_a_segment_row_costs_what_the_model_says(shim):
    edges, width = graph("random", torch.device("cpu")), 32
    rows = torch.randn(edges.num_edges, width)
    seen = launches(shim, lambda: ops.segment_logsumexp(edges.colptr, rows))
    moved = sum(int(torch.tensor(launch[side])[:, WORD[16]].sum()) for launch in seen for side in ("loaded", "stored"))
    assert moved == segment_cost(edges, width, 4).bytes - 8 * (edges.num_dst + 1)

"""The native functions in several threads at once: what ThreadSanitizer watches (make sanitize)."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.native import SampledEdgeType, Sampler, SamplerRules, csc_from_coo, gather_rows
from gnnctl.nn import ops

CALLERS = 4


def at_once(function, arguments):
    """Results of ``function`` over the arguments, several of them at any time."""
    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(function, arguments))


def test_one_sampler_serves_many_threads():
    rng = np.random.default_rng(0)
    colptr, row, _ = csc_from_coo(rng.integers(0, 2000, 40_000), rng.integers(0, 2000, 40_000), 2000, 2000, True, 2)
    edge_type = SampledEdgeType(0, 0, colptr, row, 7, [10, 5])
    sampler = Sampler([2000], [1], [edge_type], 2, 0, SamplerRules(), 2)
    seeds = [np.sort(rng.choice(2000, 64, replace=False)) for _ in range(32)]
    alone = [sampler.sample(s, 0, 1) for s in seeds]
    # Results are dropped here and there, so that their memory goes back to the pool while others draw from it.
    together = at_once(lambda s: (sampler.sample(s, 0, 2), sampler.sample(s, 0, 1))[1], seeds)
    for (nodes, edges), (same_nodes, same_edges) in zip(alone, together, strict=True):
        assert np.array_equal(nodes[0][0], same_nodes[0][0])
        assert all(np.array_equal(a, b) for a, b in zip(edges[0][:3], same_edges[0][:3], strict=True))


def test_threads_of_gathers_write_rows_of_their_own():
    src = np.random.default_rng(0).random((5000, 25), dtype=np.float32)

    def gather(seed):
        index = np.random.default_rng(seed).integers(0, 5000, 6000)
        out = np.empty((6000, 25), np.float32)
        gather_rows(src, index, out, 3)
        return np.array_equal(out, src[index])

    assert all(at_once(gather, range(12)))


def test_edge_lists_are_sorted_by_several_threads_at_once():
    def sort(seed):
        rng = np.random.default_rng(seed)
        row, col = rng.integers(0, 500, 140_000), rng.integers(0, 3000, 140_000)
        _, out, perm = csc_from_coo(row, col, 500, 3000, True, 2)
        return np.array_equal(perm, np.lexsort((row, col))) and np.array_equal(out, row[perm])

    assert all(at_once(sort, range(6)))


def test_kernels_share_their_pool_of_threads():
    generator = torch.Generator().manual_seed(0)
    coo = torch.randint(0, 3000, (2, 80_000), generator=generator)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        edges, _ = EdgeIndex.from_coo(coo, 3000)
        x, grad = torch.randn(3000, 16, generator=generator), torch.randn(3000, 16, generator=generator)
        scores = torch.randn(80_000, 4, generator=generator)

        def work(_):
            torch.set_num_threads(3)  # of this thread
            own = EdgeIndex(edges.colptr, edges.row, 3000, 3000)  # builds its transposed view anew
            given = x.clone().requires_grad_()
            found = [ops.spmm(own, given, None, reduce) for reduce in ("sum", "max")]
            return [*found, *(torch.autograd.grad(out, given, grad)[0] for out in found), ops.edge_softmax(own, scores)]

        alone = work(0)
        for together in at_once(work, range(8)):
            assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    finally:
        torch.set_num_threads(before)

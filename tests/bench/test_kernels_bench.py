import pytest
import torch

from gnnctl.bench import rmat
from gnnctl.bench.kernel_problem import Problem
from gnnctl.bench.kernel_table import KERNELS
from gnnctl.bench.kernels import KernelOptions, bench_kernels
from gnnctl.bench.kernels_report import kernels_report
from gnnctl.errors import UsageError

GRAPH = rmat(8)


def tensors(found):
    return [found] if isinstance(found, torch.Tensor) else list(found)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_all_sides_compute_the_same(kernel):
    problem = Problem.of(GRAPH, 6, 2, 0)
    assert kernel.bytes(problem) > 0
    assert kernel.others
    if kernel.name == "csc build":
        (edges, perm), (colptr, row, order) = (make(problem)() for make in (kernel.ours, kernel.others["torch"]))
        assert torch.equal(edges.colptr, colptr)
        assert torch.equal(edges.row.long(), row)
        assert torch.equal(perm, order)
        return
    ours = tensors(kernel.ours(problem)())
    filled = torch.diff(problem.edges.colptr) > 0
    for name, make in kernel.others.items():
        theirs = tensors(make(problem)())
        if kernel.name == "transposed view":
            ours, theirs = [ours[2].long(), ours[1].long(), ours[0][1:]], [t.long() for t in theirs]
        for a, b in zip(ours, theirs, strict=True):
            if len(a) == len(filled) and "backward" not in kernel.name:
                a, b = a[filled], b[filled]  # torch leaves -inf where there are no edges
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


def test_figures_fit_together():
    names = ("spmm sum", "csc build", "matrices of 64 types")
    options = KernelOptions(names, (1, 2), 4, 2, repeats=2, limit_bytes=1 << 16, limit_rows=32)
    before = torch.get_num_threads()
    result = bench_kernels(GRAPH, options)
    assert torch.get_num_threads() == before
    assert {(row.kernel, row.threads) for row in result.rows} == {(k, t) for k in options.kernels for t in (1, 2)}
    for row in result.rows:
        rate = row.bytes / (row.milliseconds.median / 1e3)
        assert row.stream_share == pytest.approx(rate / result.limits[row.threads].median)
        name, product = result.products[row.threads]
        assert name in ("torch", "oneDNN", "gnnctl")
        assert (row.product_share is not None) == row.kernel.startswith("matrices")
        if row.product_share is not None:
            operations = 2 * GRAPH.num_nodes("node") * 4 * 4 / (row.milliseconds.median / 1e3)
            assert row.product_share == pytest.approx(operations / product.median)
    assert not bench_kernels(GRAPH, KernelOptions(("csc build",), (1,), 4, 2, repeats=2, limit_bytes=1 << 16)).products
    report = kernels_report(GRAPH, "a graph", options, result)
    assert len(report.rows) == len(result.rows)


def test_an_unknown_kernel_is_refused():
    with pytest.raises(UsageError, match="fast"):
        bench_kernels(GRAPH, KernelOptions(("fast",)))

"""Aggregation, its gradients, gathers and products along edges, against float64 torch operations."""

import pytest
import torch
from edges import GRAPHS, HUB, agree, graph, identical_on_every_schedule, results, wide

from gnnctl.nn import ops

WIDTHS = (1, 3, 16, 17, 63, 130)
REDUCES = ("sum", "mean", "min", "max", "var", "std")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def inputs(edges, width, heads, weighted, seed=0):
    """x, and weights where wanted."""
    generator = torch.Generator().manual_seed(seed)
    shape = (edges.num_src, heads, width) if heads else (edges.num_src, width)
    x = torch.randn(shape, generator=generator)
    if not weighted:
        return [x]
    return [x, torch.randn((edges.num_edges, heads) if heads else (edges.num_edges,), generator=generator)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", GRAPHS)
def test_aggregations_and_gradients(where, name, width):
    edges = graph(name, where)
    for reduce in REDUCES:
        for heads, weighted in ((0, False), (0, True), (2, True)):
            agree(
                lambda x, *w, r=reduce: ops.spmm(edges, x, *w, reduce=r),
                inputs(edges, width, heads, weighted),
                where,
                torch.float32,
                f"{name} {reduce} {heads} {weighted}",
            )


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("width", [3, 16, 130])
def test_half_precision_is_rounded_once(where, width, dtype):
    edges = graph("random", where)
    for reduce in REDUCES:
        given = inputs(edges, width, 2, True)
        agree(lambda x, w, r=reduce: ops.spmm(edges, x, w, reduce=r), given, where, dtype, reduce)


@pytest.mark.parametrize("dtype", DTYPES)
def test_several_reductions_in_one_pass(where, dtype):
    edges = graph("random", where)
    for reduces in (REDUCES, ("mean", "min", "max", "std"), ("max", "sum"), ("var",)):
        agree(lambda x, w, r=reduces: ops.multi_aggregate(edges, x, w, r), inputs(edges, 12, 0, True), where, dtype)


@pytest.mark.parametrize("width", [1, 17, 64])
def test_a_hub_of_a_hundred_thousand_edges(where, width):
    edges = graph("hub", where)
    assert int(edges.in_degree().max()) >= HUB
    for reduce in ("sum", "mean", "max", "std"):
        agree(lambda x, r=reduce: ops.spmm(edges, x, reduce=r), inputs(edges, width, 0, False), where, torch.float32)


def test_indices_of_64_bits(where):
    narrow = graph("random", where)
    edges = wide(narrow)
    for reduce in ("sum", "max"):
        agree(lambda x, w, r=reduce: ops.spmm(edges, x, w, reduce=r), inputs(edges, 5, 0, True), where, torch.float32)


def test_rows_that_start_anywhere(where):
    """A tensor inside another is not aligned to 16 bytes: the kernels must not read it so."""
    edges = graph("random", where)
    x = torch.randn(edges.num_src * 16 + 1, device=where)[1:].view(edges.num_src, 16)
    assert x.data_ptr() % 16
    torch.testing.assert_close(ops.spmm(edges, x), ops.spmm(edges, x.double()).float())


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float64])
def test_rows_are_gathered_and_summed_back(where, dtype):
    edges = graph("random", where)
    for width in (1, 3, 8):
        agree(lambda x: ops.gather_src(edges, x), inputs(edges, width, 0, False), where, dtype)
        given = [torch.randn(edges.num_dst, width)]
        agree(lambda x: ops.gather_dst(edges, x), given, where, dtype)


def test_products_along_edges(where):
    edges = graph("random", where)
    for width in (1, 3, 16, 33, 300):
        for heads in (0, 3):
            shape = (heads, width) if heads else (width,)
            given = [torch.randn(edges.num_dst, *shape), torch.randn(edges.num_src, *shape)]
            agree(lambda dst, src: ops.sddmm(edges, dst, src), given, where, torch.float32)


@pytest.mark.parametrize("reduce", REDUCES)
def test_segments_of_rows(where, reduce):
    for name in GRAPHS:
        edges = graph(name, where)
        for width in (1, 4, 17):
            rows = [torch.randn(edges.num_edges, width)]
            agree(lambda v, e=edges: ops.segment_reduce(e.colptr, v, reduce), rows, where, torch.float32, name)


def test_of_equal_extremes_the_first_edge_gets_the_gradient_and_a_nan_is_one(where):
    edges = graph("hub", where)
    x = torch.ones(edges.num_src, 2, device=where, requires_grad=True)
    ops.spmm(edges, x, None, "max").sum().backward()
    first = edges.row[edges.colptr[:-1][edges.in_degree() > 0]].long()
    expected = torch.zeros(edges.num_src, device=where).index_add_(0, first, torch.ones(len(first), device=where))
    assert torch.equal(x.grad[:, 0], expected)
    x = torch.randn(edges.num_src, 2, device=where)
    x[int(edges.row[edges.num_edges // 2])] = float("nan")
    for reduce in ("min", "max", "sum", "std"):
        assert ops.spmm(edges, x, None, reduce).isnan().any()


def test_results_do_not_depend_on_the_order_of_threads(shim):
    edges = graph("random", torch.device("cpu"))

    def run():
        found = []
        for reduce in REDUCES:
            found += results(lambda x, w, r=reduce: ops.spmm(edges, x, w, reduce=r), inputs(edges, 12, 2, True))
        return found

    identical_on_every_schedule(shim, run)


def test_sources_beyond_32_bits(shim):
    """Ids of 2^33 and more: the rows lie where they point, the array's start is far below."""
    from gnnctl.nn.ops import device

    edges, far = wide(graph("random", torch.device("cpu"))), 2**33
    x = torch.randn(edges.num_src, 8)
    kernels = device.kernels_for(x)
    out = torch.empty(edges.num_dst, 8)
    row = edges.row + far
    start = x.data_ptr() - far * 8 * x.element_size()
    rows = kernels.module.Array(x, start % 2**64, 0, (far + edges.num_src, 8))
    kernels.module.aggregate(
        kernels.place(x),
        kernels.edges(edges.colptr, row, far + edges.num_src),
        rows,
        None,
        kernels.module.Results(["sum"], kernels.array(out)),
    )
    torch.testing.assert_close(out, ops.spmm(edges, x))

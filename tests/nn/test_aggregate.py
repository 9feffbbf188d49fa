"""Several reductions of messages in one pass, against torch-geometric; half precision; hubs; threads; gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn.aggr import MultiAggregation

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import ops
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.aggregate import REDUCES, _aggregate


def edges_of(num_src, num_dst, count, seed=0, wide=False):
    generator = torch.Generator().manual_seed(seed)
    coo = torch.stack([torch.randint(0, n, (count,), generator=generator) for n in (num_src, num_dst)])
    edges, _ = EdgeIndex.from_coo(coo, num_src, num_dst)
    return EdgeIndex(edges.colptr, edges.row.long(), num_src, num_dst) if wide else edges


def messages(edges, x, weight):
    rows = x[edges.row]
    return rows if weight is None else rows * weight.reshape(*weight.shape, *[1] * (rows.dim() - weight.dim()))


@settings(deadline=None, max_examples=120)
@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 300), st.sampled_from([1, 3, 4, 17, 64]),
    st.permutations(REDUCES), st.integers(1, 6), st.sampled_from(["none", "edge", "head"]), st.booleans(),
)  # fmt: skip
def test_agrees_with_torch_geometric(num_src, num_dst, count, width, order, several, weighted, wide):
    edges, reduces = edges_of(num_src, num_dst, count, seed=count, wide=wide), order[:several]
    generator = torch.Generator().manual_seed(width)
    shape = (num_src, 3, width) if weighted == "head" else (num_src, width)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    weight = None
    if weighted != "none":
        shape = (count, 3) if weighted == "head" else (count,)
        weight = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    ours = ops.multi_aggregate(edges, x, weight, reduces)
    sent = messages(edges, x, weight)
    oracle = MultiAggregation(list(reduces), mode="cat" if several == 1 else "stack")
    # "stack" is not along an axis of its own there; so one at a time.
    theirs = torch.stack([aggr(sent, edges.col().long(), dim_size=num_dst, dim=0) for aggr in oracle.aggrs], 1)
    torch.testing.assert_close(ours, theirs)
    inputs = [x] if weight is None else [x, weight]
    grad = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    mine, yours = (torch.autograd.grad(out, inputs, grad) for out in (ours, theirs))
    for a, b in zip(mine, yours, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reduce", REDUCES)
@pytest.mark.parametrize("width", [1, 5, 16, 33])
def test_half_precision_is_summed_in_float32_and_rounded_once(dtype, reduce, width):
    edges = edges_of(40, 20, 2000)
    x, weight = torch.randn(40, width).to(dtype).requires_grad_(), torch.rand(2000).to(dtype)
    wide = x.detach().float().requires_grad_()
    ours, exact = ops.spmm(edges, x, weight, reduce), ops.spmm(edges, wide, weight.float(), reduce)
    assert ours.dtype == dtype
    assert torch.equal(ours, exact.to(dtype))
    grad = torch.randn_like(ours)
    (mine,) = torch.autograd.grad(ours, x, grad)
    (yours,) = torch.autograd.grad(exact, wide, grad.float())
    assert mine.dtype == dtype
    torch.testing.assert_close(mine.float(), yours, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_round_trips_every_value(dtype):
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    x = bits.view(dtype)[:, None].contiguous()
    edges, _ = EdgeIndex.from_coo(torch.arange(2**16).repeat(2, 1), 2**16)
    for width in (1, 4, 16):  # elements, halves of vectors, whole vectors
        rows = x.reshape(-1, width)
        index = EdgeIndex(edges.colptr[: len(rows) + 1], edges.row[: len(rows)], len(rows), len(rows))
        out = ops.spmm(index, rows)
        assert torch.equal(out.isnan(), rows.isnan())
        assert torch.equal(out[~rows.isnan()], rows[~rows.isnan()])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rounds_as_torch_does(dtype):
    generator = torch.Generator().manual_seed(0)
    exponents = torch.randint(-30, 14, (4096, 16), generator=generator)
    parts = (torch.randn(4096, 16, generator=generator) * 2.0**exponents).to(dtype)
    colptr = torch.arange(0, 4097, 2)
    exact = parts.float().view(2048, 2, 16).sum(1).to(dtype)
    for width in (1, 4, 16):
        rows = parts.view(2048, 2, 16 // width, width)
        for block in range(16 // width):
            out = ops.segment_reduce(colptr, rows[:, :, block].reshape(4096, width))
            assert torch.equal(out, exact[:, block * width : (block + 1) * width])


@pytest.mark.parametrize("wide", [False, True])
def test_a_hub_of_a_million_edges(wide):
    count = 10**6
    row = torch.arange(count, dtype=torch.int64 if wide else torch.int32) % 1000
    edges = EdgeIndex(torch.tensor([0, 0, count]), row, 1000, 2)
    x, weight = torch.randn(1000, 3, dtype=torch.float64), torch.rand(count, dtype=torch.float64)
    sent = messages(edges, x, weight)
    found = ops.multi_aggregate(edges, x, weight, REDUCES)[1]
    exact = [
        sent.sum(0),
        sent.mean(0),
        sent.amin(0),
        sent.amax(0),
        sent.var(0, correction=0),
        sent.std(0, correction=0),
    ]
    torch.testing.assert_close(found, torch.stack(exact))
    assert torch.equal(ops.segment_quantile(edges.colptr, sent, 0.5, "lower")[1], sent.median(0).values)


def test_results_do_not_depend_on_threads():
    edges = edges_of(3000, 2000, 60_000)
    x, weight = torch.randn(3000, 33, requires_grad=True), torch.randn(60_000, requires_grad=True)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            out = ops.multi_aggregate(edges, x, weight, REDUCES)
            results.append([out, *torch.autograd.grad(out.square().sum(), [x, weight])])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_gradients_by_finite_differences():
    edges = edges_of(6, 5, 20)
    x = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(20, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: ops.multi_aggregate(edges, x, w, REDUCES), (x, weight))


def test_the_operator_keeps_torch_rules():
    edges = edges_of(6, 5, 20)
    x, weight = torch.randn(6, 4, requires_grad=True), torch.rand(20, requires_grad=True)
    for view in (edges.transposed(), (None, None, None)):
        torch.library.opcheck(_aggregate, (edges.colptr, edges.row, x, weight, *view, "max,std,mean"))


@pytest.mark.parametrize("reduces", [("mean", "min", "max", "std"), ("max",), ("sum", "min")])
def test_it_compiles_whole(reduces):
    torch._dynamo.reset()
    edges = edges_of(9, 5, 40)
    edges.transposed()
    x, weight = torch.randn(9, 4, requires_grad=True), torch.rand(40, requires_grad=True)

    def function(x, weight):
        return ops.multi_aggregate(edges, x, weight, reduces).square()

    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    out, expected = compiled(x, weight), function(x, weight)
    torch.testing.assert_close(out, expected)
    mine, yours = (torch.autograd.grad(o.sum(), [x, weight]) for o in (out, expected))
    torch.testing.assert_close(mine, yours)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("segments", [False, True])
def test_the_fallback_agrees_with_the_kernels(weighted, segments):
    if segments and weighted:
        return
    edges = edges_of(9, 7, 60)
    row = None if segments else edges.row
    x = torch.randn(60 if segments else 9, 2, 3, dtype=torch.float64)
    weight = torch.rand(60, 2, dtype=torch.float64) if weighted else None
    ours = _aggregate(edges.colptr, row, x, weight, None, None, None, ",".join(REDUCES))
    theirs = fallback.aggregate(edges.colptr, row, x, weight, list(REDUCES))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
    grad = torch.randn_like(ours[0])
    expected = fallback.aggregate_backward(edges.colptr, row, grad, x, weight, theirs, list(REDUCES))
    call = (edges.colptr, row, grad, x, weight, *ours)
    torch.testing.assert_close(
        torch.ops.gnnctl.aggregate_backward(*call, None, None, None, ",".join(REDUCES)), expected[0]
    )
    if weighted:
        found = torch.ops.gnnctl.aggregate_backward_weight(*call, ",".join(REDUCES))
        torch.testing.assert_close(found, expected[1])


@pytest.mark.parametrize("width", [(0,), (3,), (2, 0), (2, 5)])
@pytest.mark.parametrize("count", [0, 4])
@pytest.mark.parametrize("num_dst", [0, 1, 3])
def test_empty_inputs(width, count, num_dst):
    if num_dst == 0 and count:
        return
    edges = edges_of(2, max(num_dst, 1), count)
    edges = EdgeIndex(edges.colptr[: num_dst + 1], edges.row, 2, num_dst)
    x, weight = torch.randn(2, *width, requires_grad=True), torch.rand(count, requires_grad=True)
    out = ops.multi_aggregate(edges, x, weight, REDUCES)
    assert out.shape == (num_dst, 6, *width)
    grads = torch.autograd.grad(out.sum(), [x, weight])
    assert [g.shape for g in grads] == [x.shape, weight.shape]


@pytest.mark.parametrize("reduces", [(), ("sum", "sum"), ("median",), ("sum", "nothing")])
def test_unknown_or_repeated_reductions_are_refused(reduces):
    with pytest.raises(ValueError, match="reduce"):
        ops.multi_aggregate(edges_of(6, 5, 20), torch.ones(6, 2), None, reduces)


def test_weights_of_too_many_heads_are_refused():
    edges = edges_of(6, 5, 20)
    with pytest.raises(ValueError, match="heads"):
        ops.spmm(edges, torch.ones(6, 1025, 1), torch.ones(20, 1025))

"""The operators: native kernels against plain torch, gradients, and what torch asks of an operator."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import ops
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.aggregate import REDUCES, _aggregate
from gnnctl.nn.ops.attention import _attention
from gnnctl.nn.ops.gather import _gather
from gnnctl.nn.ops.spmm import _both_gradients, _spmm

WIDTHS = (1, 3, 7, 8, 13, 16, 47, 64, 130)


def edges_of(num_src, num_dst, count, seed=0, wide=False):
    generator = torch.Generator().manual_seed(seed)
    coo = torch.stack(
        [torch.randint(0, n, (count,), generator=generator) for n in (num_src, num_dst)]
    )  # fmt: skip
    edges, _ = EdgeIndex.from_coo(coo, num_src, num_dst)
    return EdgeIndex(edges.colptr, edges.row.long(), num_src, num_dst) if wide else edges


def reference(edges, x, weight, reduce):
    if reduce in ("sum", "mean"):
        return fallback.spmm(edges.colptr, edges.row, x, weight, reduce == "mean")
    return fallback.aggregate(edges.colptr, edges.row, x, weight, [reduce])[0].squeeze(1)


@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(0, 150), st.sampled_from(WIDTHS), st.sampled_from([0, 1, 3, 8]),
    st.sampled_from(["sum", "mean", "max", "min", "var"]), st.sampled_from(["none", "edge", "head"]),
    st.sampled_from([torch.float32, torch.float64]), st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_aggregation_and_its_gradients_agree_with_plain_torch(
    num_src, num_dst, count, width, heads, reduce, weighted, dtype, wide
):
    edges = edges_of(num_src, num_dst, count, seed=count, wide=wide)
    generator = torch.Generator().manual_seed(width)
    x = torch.randn((num_src, heads, width) if heads else (num_src, width), generator=generator, dtype=dtype)
    x.requires_grad_()
    weight = None
    if weighted != "none":
        shape = (count, heads) if weighted == "head" and heads else (count,)
        weight = torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()
    ours, theirs = ops.spmm(edges, x, weight, reduce), reference(edges, x, weight, reduce)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    if count:
        inputs = [x] if weight is None else [x, weight]
        grad = torch.randn(ours.shape, generator=generator, dtype=dtype)
        for a, b in zip(
            torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(theirs, inputs, grad), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_results_do_not_depend_on_threads():
    edges = edges_of(3000, 2000, 60_000)
    x, weight = torch.randn(3000, 33, requires_grad=True), torch.randn(60_000, requires_grad=True)
    grad, before, results = torch.randn(2000, 33), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found = []
            for reduce in REDUCES:
                out = ops.spmm(edges, x, weight, reduce)
                found += [out, *torch.autograd.grad(out, [x, weight], grad)]
            results.append(found)
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("heads", [1, 2, 4, 5, 8, 9, 16, 21])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_agrees_with_plain_torch(heads, dtype):
    torch.manual_seed(heads)
    edges = edges_of(30, 20, 200)
    parts = [torch.randn(n, heads, dtype=dtype, requires_grad=True) for n in (30, 20, 200)]
    ours = ops.attention(edges, *parts)
    scores = fallback.attention_scores(edges.colptr, edges.row, *parts, 200)
    theirs = fallback.softmax(edges.colptr, torch.nn.functional.leaky_relu(scores, 0.2))
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn_like(ours)
    for a, b in zip(torch.autograd.grad(ours, parts, grad), torch.autograd.grad(theirs, parts, grad), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_softmax_survives_large_scores():
    edges = EdgeIndex(torch.tensor([0, 3]), torch.zeros(3, dtype=torch.int32), 1, 1)
    prob = ops.edge_softmax(edges, torch.tensor([1e4, 1e4 - 1, -1e4]))
    torch.testing.assert_close(prob, torch.tensor([0.7310586, 0.2689414, 0.0]))


def test_destinations_without_edges_are_zero():
    edges = EdgeIndex(torch.tensor([0, 0, 1, 1]), torch.tensor([1], dtype=torch.int32), 2, 3)
    x = -torch.ones(2, 5)
    for reduce in ("sum", "mean", "max", "min"):
        assert ops.spmm(edges, x, None, reduce)[:, 0].tolist() == [0, -1, 0]


def test_of_equal_maxima_the_first_edge_gets_the_gradient():
    edges = EdgeIndex(torch.tensor([0, 3]), torch.tensor([2, 0, 1], dtype=torch.int32), 3, 1)
    x = torch.ones(3, 2, requires_grad=True)
    ops.spmm(edges, x, None, "max").sum().backward()
    assert x.grad[:, 0].tolist() == [0, 0, 1]


def test_a_nan_reaches_the_maximum():
    edges = EdgeIndex(torch.tensor([0, 3]), torch.arange(3, dtype=torch.int32), 3, 1)
    out = ops.spmm(edges, torch.tensor([[1.0], [float("nan")], [2.0]]), None, "max")
    assert out.isnan().all()


def test_gradients_by_finite_differences():
    edges = edges_of(6, 5, 20)
    x = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(20, 2, dtype=torch.float64, requires_grad=True)
    for reduce in REDUCES:
        assert torch.autograd.gradcheck(lambda x, w, r=reduce: ops.spmm(edges, x, w, r), (x, weight))
    src, dst, edge = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (6, 5, 20))
    assert torch.autograd.gradcheck(lambda *parts: ops.attention(edges, *parts), (src, dst, edge))
    assert torch.autograd.gradcheck(lambda v: ops.segment_reduce(edges.colptr, v, "mean"), (edge,))
    assert torch.autograd.gradcheck(lambda v: ops.segment_reduce(edges.colptr, v, "max"), (edge,))
    assert torch.autograd.gradcheck(lambda v: ops.gather_src(edges, v), (src,))
    assert torch.autograd.gradcheck(lambda v: ops.gather_dst(edges, v), (dst,))


def test_the_operators_keep_torch_rules():
    edges = edges_of(6, 5, 20)
    view = edges.transposed()
    x, weight = torch.randn(6, 4, requires_grad=True), torch.rand(20, requires_grad=True)
    scores = [torch.randn(n, 2, requires_grad=True) for n in (6, 5, 20)]
    for given_view in (view, (None, None, None)):
        torch.library.opcheck(_spmm, (edges.colptr, edges.row, x, weight, *given_view, True))
        torch.library.opcheck(_aggregate, (edges.colptr, edges.row, x, weight, *given_view, "min,sum,std"))
        torch.library.opcheck(_aggregate, (edges.colptr, edges.row, x.detach(), None, *given_view, "min,max", False))
        given = (edges.colptr, edges.row, torch.randn(5, 4), x.detach(), weight.detach(), *given_view, True)
        torch.library.opcheck(_both_gradients, given)
    torch.library.opcheck(_attention, (edges.colptr, edges.row, *scores, view.rowptr, view.perm, 0.2))
    torch.library.opcheck(_gather, (x, edges.row, view.rowptr, view.perm))


@pytest.mark.parametrize("heads", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 3, 5, 16, 20, 64, 75, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_both_gradients_at_once_are_those_of_each(heads, width, dtype):
    edges = edges_of(30, 20, 150, wide=width == 20)
    x, weight = torch.randn(30, heads, width).to(dtype), torch.rand(150, heads).to(dtype)
    for reduce in ("sum", "mean"):
        found = []
        for both in (True, False):
            given = x.clone().requires_grad_(), weight.clone().requires_grad_()
            for one in (0,) if both else (0, 1):
                parts = [t if both or i == one else t.detach() for i, t in enumerate(given)]
                ops.spmm(edges, *parts, reduce).float().square().sum().backward()
            found.append([t.grad.float() for t in given])
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(
                a, b, rtol=1e-4 if dtype != torch.bfloat16 else 0.02, atol=1e-4 * float(b.abs().max())
            )


def test_extremes_are_the_same_without_a_gradient():
    edges = edges_of(30, 20, 150)
    for width in (1, 5, 16, 64, 130):
        x, weight = torch.randn(30, width), torch.rand(150)
        x[3, 0] = float("nan")
        for names in (["min"], ["max"], ["max", "min"], ["sum", "max"], ["mean", "min", "max"], ["std", "max"]):
            plain = ops.multi_aggregate(edges, x, weight, names)
            ranked = ops.multi_aggregate(edges, x.clone().requires_grad_(), weight, names)
            assert torch.equal(plain.nan_to_num(7.5), ranked.detach().nan_to_num(7.5))


def test_the_view_by_source_is_optional():
    edges = edges_of(6, 5, 20)
    x = torch.randn(6, 4, requires_grad=True)
    with_view = torch.autograd.grad(ops.spmm(edges, x).square().sum(), x)[0]
    out = _spmm(edges.colptr, edges.row, x, None, None, None, None, False)
    assert torch.equal(with_view, torch.autograd.grad(out.square().sum(), x)[0])


def test_autocast_computes_in_float32_and_half_precision_is_widened():
    edges = edges_of(6, 5, 200)
    x = torch.randn(6, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert ops.spmm(edges, x.bfloat16()).dtype == torch.float32
    half = ops.spmm(edges, x.bfloat16(), None, "mean")
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), ops.spmm(edges, x.bfloat16().float(), None, "mean"), rtol=1e-2, atol=1e-2)


def test_fallback_gradients_agree_with_the_kernels():
    edges = edges_of(9, 7, 60)
    x, weight, grad = torch.randn(9, 2, 3), torch.rand(60, 2), torch.randn(7, 2, 3)
    where, view = (edges.colptr, edges.row), edges.transposed()
    for mean, w in itertools.product((False, True), (None, weight)):
        native = torch.ops.gnnctl.spmm_backward(*where, grad, w, *view, 9, mean)
        torch.testing.assert_close(native, fallback.spmm_backward(*where, grad, w, 9, mean))
    native = torch.ops.gnnctl.sddmm(*where, grad, x, weight, True)
    torch.testing.assert_close(native, fallback.sddmm(*where, grad, x, weight, True))
    prob = ops.edge_softmax(edges, weight)
    by_edge, _ = torch.ops.gnnctl.attention_backward(edges.colptr, edges.row, None, None, weight, prob, prob * 2, 1.0)
    torch.testing.assert_close(by_edge, fallback.softmax_backward(edges.colptr, prob, prob * 2))


@pytest.mark.parametrize(
    ("x", "weight", "error"),
    [
        (torch.ones(5, 2), None, ValueError),
        (torch.ones(6, 2, dtype=torch.int64), None, TypeError),
        (torch.ones(6, 2), torch.ones(3), ValueError),
        (torch.ones(6, 2), torch.ones(20, 2), ValueError),
        (torch.ones(6, 3, 2), torch.ones(20, 2), ValueError),
    ],
)
def test_arguments_that_do_not_fit_are_refused(x, weight, error):
    with pytest.raises(error):
        ops.spmm(edges_of(6, 5, 20), x, weight)

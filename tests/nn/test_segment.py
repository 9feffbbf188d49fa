"""Segment reductions: against torch-geometric and float64, their gradients, and what torch asks of an operator."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn import aggr
from torch_geometric.utils import softmax

from gnnctl.nn import ops
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.quantile import _quantile
from gnnctl.nn.ops.segment import _logsumexp, _product

ORACLES = {
    "sum": aggr.SumAggregation,
    "mean": aggr.MeanAggregation,
    "min": aggr.MinAggregation,
    "max": aggr.MaxAggregation,
    "mul": aggr.MulAggregation,
    "var": aggr.VarAggregation,
    "std": aggr.StdAggregation,
    "median": aggr.MedianAggregation,
}
INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")
COUNTS = st.lists(st.sampled_from([0, 0, 1, 2, 3, 5, 17, 47, 48, 49, 90]), min_size=1, max_size=6)


def segments(counts, *width, seed=0, dtype=torch.float64, ties=False):
    generator = torch.Generator().manual_seed(seed)
    colptr = torch.tensor([0, *counts]).cumsum(0)
    values = torch.randn(int(colptr[-1]), *width, generator=generator, dtype=torch.float64).to(dtype)
    return colptr, (values * 2).round() / 2 if ties else values


def index_of(colptr):
    return torch.repeat_interleave(torch.arange(len(colptr) - 1), torch.diff(colptr))


@settings(deadline=None, max_examples=120)
@given(
    COUNTS, st.sampled_from([1, 3, 4, 16, 17, 70]), st.sampled_from(list(ORACLES)),
    st.sampled_from([torch.float32, torch.float64]), st.booleans(),
)  # fmt: skip
def test_reductions_agree_with_torch_geometric(counts, width, reduce, dtype, ties):
    if reduce == "median":  # torch-geometric's fails where the first segments are empty
        counts = [count or 1 for count in counts]
    colptr, values = segments(counts, width, dtype=dtype, ties=ties and reduce == "median")
    if len(values) == 0 and reduce in ("median", "max", "min"):
        assert ops.segment_reduce(colptr, values, reduce).eq(0).all()
        return
    exact = ORACLES[reduce]()(values.double(), index_of(colptr), dim_size=len(counts), dim=0)
    tolerance = 2e-4 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(
        ops.segment_reduce(colptr, values, reduce).double(), exact, rtol=tolerance, atol=tolerance
    )


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.sampled_from([1, 5, 16]), st.sampled_from(list(ORACLES)))
def test_gradients_agree_with_torch_geometric(counts, width, reduce):
    colptr, values = segments([count or 1 for count in counts] if reduce == "median" else counts, width)
    values.requires_grad_()
    if len(values) == 0:
        return
    ours = ops.segment_reduce(colptr, values, reduce)
    theirs = ORACLES[reduce]()(values, index_of(colptr), dim_size=len(counts), dim=0)
    grad = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=ours.dtype)
    mine, yours = (torch.autograd.grad(out, values, grad)[0] for out in (ours, theirs))
    torch.testing.assert_close(mine, yours, rtol=1e-8, atol=1e-10)


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.sampled_from([1, 16]), st.sampled_from(INTERPOLATIONS), st.floats(0, 1), st.booleans())
def test_quantiles_agree_with_torch(counts, width, interpolation, q, ties):
    colptr, values = segments(counts, width, ties=ties)
    found = ops.segment_quantile(colptr, values, [q, 0.0, 1.0], interpolation)
    for d, rows in enumerate(values.split(torch.diff(colptr).tolist())):
        if len(rows) == 0:
            assert found[d].eq(0).all()
            continue
        exact = torch.quantile(rows, torch.tensor([q, 0.0, 1.0], dtype=rows.dtype), 0, interpolation=interpolation)
        point = q * (len(rows) - 1)
        if interpolation != "nearest" or abs(point % 1 - 0.5) > 1e-9:
            torch.testing.assert_close(found[d], exact)


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.sampled_from([(1,), (3,), (8,), (2, 9)]), st.sampled_from([torch.float32, torch.float64]))
def test_softmax_and_logsumexp_agree_with_torch(counts, width, dtype):
    colptr, values = segments(counts, *width, dtype=dtype)
    values = (values * 20).requires_grad_()
    exact = values.detach().double().requires_grad_()
    rows = exact.split(torch.diff(colptr).tolist())
    tolerance = {"rtol": 2e-5, "atol": 2e-5} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-10}
    pairs = [(ops.segment_logsumexp(colptr, values), torch.stack([part.logsumexp(0) for part in rows]))]
    if len(values):
        pairs.append((ops.segment_softmax(colptr, values), softmax(exact, ptr=colptr)))
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.double(), theirs, **tolerance)
        grad = torch.randn(ours.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        mine = torch.autograd.grad(ours, values, grad.to(dtype))[0].double()
        torch.testing.assert_close(mine, torch.autograd.grad(theirs, exact, grad)[0], **tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_logsumexp_of_infinities(dtype):
    inf, nan = float("inf"), float("nan")
    rows = [[-inf, -inf, -inf], [inf, 1.0, -inf], [-inf, 2.0, -inf], [1.0, nan, 2.0], [-1e30, -1e30, -1e30]]
    values = torch.tensor(rows, dtype=dtype).flatten()[:, None]
    found = ops.segment_logsumexp(torch.tensor([0, 3, 6, 9, 12, 15, 15]), values)[:, 0]
    expected = torch.tensor([-inf, inf, 2.0, nan, -1e30, -inf], dtype=dtype)
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_a_variance_survives_a_large_offset():
    colptr, values = segments([1000, 3], 5, dtype=torch.float32)
    found = ops.segment_reduce(colptr, values + 10_000, "var")
    exact = ops.segment_reduce(colptr, (values + 10_000).double(), "var")
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-4)


def test_the_product_of_zeros_has_the_right_gradient():
    values = torch.tensor([[2.0], [0.0], [3.0], [0.0], [0.0], [5.0]], requires_grad=True)
    out = ops.segment_reduce(torch.tensor([0, 3, 6, 6]), values, "mul")
    assert out.flatten().tolist() == [0, 0, 1]
    assert torch.autograd.grad(out.sum(), values)[0].flatten().tolist() == [0, 6, 0, 0, 0, 0]


def test_nan_stands_above_all_values():
    values = torch.tensor([[float("nan")], [1.0], [3.0]])
    found = ops.segment_quantile(torch.tensor([0, 3]), values, [0.0, 0.5, 1.0])
    assert found.flatten().tolist()[:2] == [1, 3]
    assert found[0, 2].isnan()


def test_several_reductions_at_once_are_those_of_each():
    colptr, values = segments([3, 0, 1, 40], 7)
    values.requires_grad_()
    reduces = ("std", "sum", "max", "mean", "min", "var")
    together = ops.segment_multi_reduce(colptr, values, reduces)
    alone = torch.stack([ops.segment_reduce(colptr, values, reduce) for reduce in reduces], 1)
    torch.testing.assert_close(together, alone)
    grad = torch.randn_like(together)
    mine, yours = (torch.autograd.grad(out, values, grad)[0] for out in (together, alone))
    torch.testing.assert_close(mine, yours)


FUNCTIONS = {
    **{name: lambda c, v, name=name: ops.segment_reduce(c, v, name) for name in ORACLES},
    "softmax": ops.segment_softmax,
    "logsumexp": ops.segment_logsumexp,
    "quantile": lambda c, v: ops.segment_quantile(c, v, [0.2, 0.7]),
    "multi": lambda c, v: ops.segment_multi_reduce(c, v, ("mean", "min", "max", "std")),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_by_finite_differences(name):
    colptr, values = segments([3, 1, 5] if name == "logsumexp" else [3, 0, 1, 5], 3)
    assert torch.autograd.gradcheck(lambda v: FUNCTIONS[name](colptr, v), (values.requires_grad_(),))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_compile_whole(name):
    torch._dynamo.reset()
    colptr, values = segments([3, 0, 1, 5], 3, dtype=torch.float32)
    compiled = torch.compile(FUNCTIONS[name], fullgraph=True, backend="aot_eager")
    results = []
    for function in (compiled, FUNCTIONS[name]):
        leaf = values.clone().requires_grad_()
        out = function(colptr, leaf)
        results.append((out.detach(), torch.autograd.grad(out.square().sum(), leaf)[0]))
    torch.testing.assert_close(results[0], results[1])


def test_the_operators_keep_torch_rules():
    colptr, values = segments([3, 0, 1, 5], 3, dtype=torch.float32)
    values.requires_grad_()
    torch.library.opcheck(_logsumexp, (colptr, values))
    torch.library.opcheck(_product, (colptr, values))
    torch.library.opcheck(_quantile, (colptr, values, [0.2, 0.7], "linear"))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32_and_rounded_once(name, dtype):
    colptr, values = segments([30, 0, 1, 5, 100], 19, dtype=dtype)
    if name == "mul":
        values = values / values.abs()
    found = FUNCTIONS[name](colptr, values)
    assert found.dtype == dtype
    torch.testing.assert_close(found, FUNCTIONS[name](colptr, values.float()).to(dtype), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("counts", [[], [0, 0], [4]])
@pytest.mark.parametrize("width", [(), (0,), (2, 3)])
def test_empty_and_narrow_inputs(name, counts, width):
    colptr, values = segments(counts, *width, dtype=torch.float32)
    values.requires_grad_()
    out = FUNCTIONS[name](colptr, values)
    assert out.shape[-len(width) :] == width if width else True
    assert out.shape[0] == (len(values) if name == "softmax" else len(counts))
    (grad,) = torch.autograd.grad(out.sum(), values)
    assert grad.shape == values.shape


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_do_not_depend_on_threads(name):
    colptr, values = segments([7] * 900 + [3000], 20, dtype=torch.float32)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            leaf = values.clone().requires_grad_()
            out = FUNCTIONS[name](colptr, leaf)
            results.append((out.detach(), torch.autograd.grad(out.square().sum(), leaf)[0]))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_fallbacks_agree_with_the_kernels(interpolation):
    colptr, values = segments([3, 0, 1, 60, 5], 3)
    torch.testing.assert_close(fallback.logsumexp(colptr, values), _logsumexp(colptr, values))
    out, rank = _quantile(colptr, values, [0.3, 0.5], interpolation)
    same, same_rank = fallback.quantile(colptr, values, [0.3, 0.5], interpolation)
    torch.testing.assert_close(out, same)
    assert torch.equal(rank, same_rank)
    grad = torch.randn_like(out)
    native = torch.ops.gnnctl.segment_quantile_backward(colptr, grad, rank, [0.3, 0.5], interpolation, len(values))
    torch.testing.assert_close(native, fallback.quantile_backward(colptr, grad, rank, [0.3, 0.5], interpolation, 69))
    values[[0, 10, 12]] = 0
    product, grad = _product(colptr, values), torch.randn(5, 3, dtype=values.dtype)
    torch.testing.assert_close(fallback.product(colptr, values), product)
    native = torch.ops.gnnctl.segment_mul_backward(colptr, values, product, grad)
    torch.testing.assert_close(fallback.product_backward(colptr, values, grad), native)
    lse = _logsumexp(colptr, values)
    native = torch.ops.gnnctl.segment_logsumexp_backward(colptr, values, lse, grad)
    torch.testing.assert_close(fallback.logsumexp_backward(colptr, values, lse, grad), native)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("colptr", "values", "error"),
    [
        (torch.tensor([0, 3, 2, 4]), torch.ones(4, 2), ValueError),
        (torch.tensor([0, 3]), torch.ones(4, 2), ValueError),
        (torch.tensor([1, 4]), torch.ones(4, 2), ValueError),
        (torch.tensor([], dtype=torch.int64), torch.ones(0, 2), ValueError),
        (torch.tensor([[0, 4]]), torch.ones(4, 2), ValueError),
        (torch.tensor([0, 4], dtype=torch.int32), torch.ones(4, 2), TypeError),
        (torch.tensor([0, 4]), torch.ones(4, 2, dtype=torch.int64), TypeError),
        (torch.tensor([0, 1]), torch.tensor(1.0), ValueError),
    ],
)
def test_arguments_that_do_not_fit_are_refused(name, colptr, values, error):
    with pytest.raises(error):
        FUNCTIONS[name](colptr, values)


@pytest.mark.parametrize(
    ("q", "interpolation"), [(1.5, "linear"), (float("nan"), "linear"), ([], "linear"), (0.5, "none")]
)
def test_unknown_quantiles_are_refused(q, interpolation):
    with pytest.raises(ValueError):
        ops.segment_quantile(torch.tensor([0, 4]), torch.ones(4, 2), q, interpolation)


def test_strided_values_are_taken():
    colptr, values = segments([3, 0, 5], 4)
    for function in FUNCTIONS.values():
        torch.testing.assert_close(function(colptr, values.t().contiguous().t()), function(colptr, values))


@pytest.mark.parametrize("count", [15, 16, 17, 100, 512, 513, 3000])
@pytest.mark.parametrize("kind", ["spread", "ties", "alike", "nan", "infinite"])
def test_long_segments_have_the_quantiles_of_their_sorted_rows(count, kind):
    generator = torch.Generator().manual_seed(count)
    values = torch.randn(count + 3, 5, generator=generator)
    if kind == "ties":
        values = values.mul(2).round()
    if kind == "alike":
        values[:] = -0.0
        values[::2] = 0.0
    if kind == "nan":
        values[::7, 1] = float("nan")
    if kind == "infinite":
        values[::5], values[1::5] = float("inf"), float("-inf")
    colptr = torch.tensor([0, count, count, count + 3])
    found = ops.segment_quantile(colptr, values, [0.0, 0.31, 0.5, 1.0], "lower")
    for d, rows in ((0, values[:count]), (2, values[count:])):
        order, index = rows.sort(stable=True, dim=0)
        for i, q in enumerate((0.0, 0.31, 0.5, 1.0)):
            place = int(q * (len(rows) - 1))
            assert torch.equal(found[d, i].nan_to_num(9.5), order[place].nan_to_num(9.5))
            rank = _quantile(colptr, values, [q], "lower")[1][d, 0, 0]
            assert torch.equal(rank.long(), index[place])

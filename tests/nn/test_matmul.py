"""Products by type: against float64 products of each type, gradients, and what torch asks of an operator."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.nn import ops
from gnnctl.nn.ops import matmul_fallback
from gnnctl.nn.ops.matmul import _grouped_matmul, _segment_matmul, _segment_outer

SIZES = (0, 1, 3, 16, 17, 47, 63, 64, 130)


def problem(rows, k, m, dtype=torch.float32, bias=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ptr = torch.tensor([0, *torch.tensor(rows, dtype=torch.int64).cumsum(0).tolist()])
    x, weight, added = (
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for shape in ((sum(rows), k), (len(rows), k, m), (len(rows), m))
    )
    return x, ptr, weight, added if bias else None


def oracle(x, ptr, weight, bias):
    parts = []
    for t, matrix in enumerate(weight.double()):
        part = x[ptr[t] : ptr[t + 1]].double() @ matrix
        parts.append(part if bias is None else part + bias[t].double())
    return torch.cat(parts) if parts else x.new_zeros((0, weight.shape[2]), dtype=torch.float64)


@given(
    st.lists(st.sampled_from([0, 0, 1, 2, 5, 6, 7, 13, 40, 150]), min_size=1, max_size=6),
    st.sampled_from(SIZES),
    st.sampled_from(SIZES),
    st.booleans(),
    st.sampled_from([torch.float32, torch.float64]),
)
@settings(deadline=None, max_examples=120)
def test_segments_and_gradients_agree_with_products_of_each_type(rows, k, m, bias, dtype):
    x, ptr, weight, added = problem(rows, k, m, dtype, bias)
    ours, theirs = ops.segment_matmul(x, ptr, weight, added), oracle(x, ptr, weight, added)
    tight = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(ours.double(), theirs, **tight)
    inputs = [t for t in (x, weight, added) if t is not None]
    grad = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = torch.autograd.grad(ours, inputs, grad.to(dtype))
    for a, b in zip(found, torch.autograd.grad(theirs, inputs, grad), strict=True):
        torch.testing.assert_close(a.double(), b.double(), **tight)


@pytest.mark.parametrize(("rows", "k", "m"), [(700, 513, 20), (300, 1100, 130), (9000, 130, 70), (5, 40, 300)])
def test_long_sums_and_many_columns(rows, k, m):
    x, ptr, weight, bias = problem([rows, 3], k, m, bias=True)
    ours, theirs = ops.segment_matmul(x, ptr, weight, bias), oracle(x, ptr, weight, bias)
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-3)
    grad = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad(ours, [x, weight, bias], grad)
    for a, b in zip(found, torch.autograd.grad(theirs, [x, weight, bias], grad.double()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-3)


def test_thousands_of_types():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 4, (3000,), generator=generator).tolist()
    x, ptr, weight, _ = problem(rows, 8, 16)
    torch.testing.assert_close(
        ops.segment_matmul(x, ptr, weight).double(), oracle(x, ptr, weight, None), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("biased", [False, True])
def test_linear_is_the_linear_of_torch(biased):
    x, weight, bias = (torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((4, 5, 33), (20, 33), (20,)))
    added = bias if biased else None
    ours, theirs = ops.linear(x, weight, added), torch.nn.functional.linear(x, weight, added)
    torch.testing.assert_close(ours, theirs)
    inputs = [x, weight, *([bias] if biased else [])]
    grad = torch.randn_like(ours)
    for a, b in zip(torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(theirs, inputs, grad), strict=True):
        torch.testing.assert_close(a, b)


@given(st.lists(st.tuples(*[st.sampled_from((0, 1, 5, 17, 64))] * 3, st.booleans()), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_groups_of_any_sizes_agree_with_their_products(shapes):
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)

    xs, weights = [drawn(n, k) for n, k, *_ in shapes], [drawn(k, m) for _, k, m, _ in shapes]
    biases = [drawn(m) if biased else None for _, _, m, biased in shapes]
    ours = ops.grouped_matmul(xs, weights, biases)
    theirs = [x @ w if b is None else x @ w + b for x, w, b in zip(xs, weights, biases, strict=True)]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
    inputs = [*xs, *weights, *(b for b in biases if b is not None)]
    grads = [drawn(*t.shape).detach() for t in theirs]
    for a, b in zip(torch.autograd.grad(ours, inputs, grads), torch.autograd.grad(theirs, inputs, grads), strict=True):
        torch.testing.assert_close(a, b)


def test_no_groups_and_no_types():
    assert ops.grouped_matmul([], []) == []
    x, ptr, weight, _ = problem([], 4, 5)
    out = ops.segment_matmul(x, ptr, weight)
    assert out.shape == (0, 5)
    assert [g.numel() for g in torch.autograd.grad(out.sum(), [x, weight])] == [0, 0]


def test_only_some_of_the_groups_are_used():
    x, w = torch.randn(3, 4, requires_grad=True), torch.randn(4, 5, requires_grad=True)
    first, _ = ops.grouped_matmul([x, x], [w, w], [torch.ones(5), None])
    first.sum().backward()
    torch.testing.assert_close(x.grad, torch.ones(3, 5) @ w.detach().mT)


def test_typed_linear_of_torch_geometric():
    from torch_geometric.nn import HeteroLinear

    theirs = HeteroLinear(20, 33, 4, is_sorted=True)
    kinds = torch.randint(0, 4, (90,)).sort().values
    ptr = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(kinds, minlength=4).cumsum(0)])
    x = torch.randn(90, 20)
    torch.testing.assert_close(ops.segment_matmul(x, ptr, theirs.weight, theirs.bias), theirs(x, kinds))


def test_results_do_not_depend_on_threads():
    x, ptr, weight, bias = problem([5000, 0, 17, 900, 3], 70, 90, bias=True)
    grad, before, results = torch.randn(5920, 90), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            out = ops.segment_matmul(x, ptr, weight, bias)
            results.append([out, *torch.autograd.grad(out, [x, weight, bias], grad)])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_kernels_of_lesser_processors_agree_too(isa):
    code = (
        "import torch; from gnnctl.native import _native; from gnnctl.nn import ops; torch.manual_seed(0)\n"
        "for k, m in ((1, 3), (17, 63), (64, 64), (130, 17), (600, 40)):\n"
        "    x = torch.randn(31, k, requires_grad=True); w = torch.randn(2, k, m, requires_grad=True)\n"
        "    a = ops.segment_matmul(x, torch.tensor([0, 20, 31]), w); b = torch.cat([x[:20] @ w[0], x[20:] @ w[1]])\n"
        "    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4); g = torch.randn(a.shape)\n"
        "    for p, q in zip(torch.autograd.grad(a, [x, w], g), torch.autograd.grad(b, [x, w], g)):\n"
        "        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-4)\n"
        "print(_native.kernels_name())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "GNNCTL_ISA": isa}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in (isa, "portable")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(dtype):
    x, ptr, weight, _ = problem([20, 0, 11], 33, 20, dtype)
    out = ops.segment_matmul(x, ptr, weight)
    assert out.dtype == dtype
    torch.testing.assert_close(
        out.float(), oracle(x, ptr, weight, None).float().to(dtype).float(), rtol=8e-3, atol=1e-3
    )
    assert torch.autograd.grad(out.sum(), weight)[0].dtype == dtype


def test_autocast_computes_in_float32():
    x, ptr, weight, _ = problem([5, 4], 8, 9)
    with torch.autocast("cpu", torch.bfloat16):
        assert ops.segment_matmul(x.bfloat16(), ptr, weight).dtype == torch.float32


def test_gradients_by_finite_differences():
    x, ptr, weight, bias = problem([3, 0, 2], 4, 5, torch.float64, bias=True)
    assert torch.autograd.gradcheck(lambda x, w, b: ops.segment_matmul(x, ptr, w, b), (x, weight, bias))
    assert torch.autograd.gradcheck(lambda x, w, b: ops.linear(x, w[0].mT, b[0]), (x, weight, bias))
    assert torch.autograd.gradcheck(
        lambda x, w, b: ops.grouped_matmul([x, x[:2]], [w[0], w[1]], [b[0], None]), (x, weight, bias)
    )


def test_the_operators_keep_torch_rules():
    x, ptr, weight, bias = problem([3, 0, 2], 4, 5, bias=True)
    torch.library.opcheck(_segment_matmul, (x, ptr, weight, bias, False))
    torch.library.opcheck(_segment_matmul, (x, None, weight[:1].mT.detach().contiguous().requires_grad_(), None, True))
    torch.library.opcheck(_segment_outer, (x.detach(), ptr, torch.randn(5, 7), 3))
    groups = [[x.detach(), x.detach()[:2]], [weight.detach()[0], weight.detach()[1]], [bias.detach()[0]]]
    torch.library.opcheck(_grouped_matmul, (*groups, [True, False]))


def test_they_compile_whole():
    x, ptr, weight, bias = problem([3, 0, 2], 4, 5, bias=True)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def model(x, weight, bias):
        first = ops.segment_matmul(x, ptr, weight, bias).relu()
        second = ops.grouped_matmul([first, x], [weight[0].mT, weight[1]])
        return ops.linear(second[0], weight[2].mT, bias[0]).sum() + second[1].sum()

    model(x, weight, bias).backward()
    assert x.grad is not None
    assert weight.grad is not None
    assert bias.grad is not None


def test_fallback_agrees_with_the_kernels():
    x, ptr, weight, bias = problem([3, 0, 2], 4, 5, bias=True)
    torch.testing.assert_close(
        matmul_fallback.segment_matmul(x, ptr, weight, bias), ops.segment_matmul(x, ptr, weight, bias)
    )
    grad = torch.randn(5, 5)
    torch.testing.assert_close(matmul_fallback.segment_outer(x, ptr, grad, 3), _segment_outer(x, ptr, grad, 3))


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"x": torch.ones(5)}, ValueError, "x"),
        ({"x": torch.ones(5, 4, dtype=torch.int64)}, TypeError, "x"),
        ({"x": torch.ones(5, 4, dtype=torch.float64)}, TypeError, "weight"),
        ({"x": torch.ones(6, 4)}, ValueError, "ptr"),
        ({"ptr": torch.tensor([0, 3, 5])}, ValueError, "ptr"),
        ({"ptr": torch.tensor([0, 3, 2, 5])}, ValueError, "ptr"),
        ({"ptr": torch.tensor([1, 3, 4, 5])}, ValueError, "ptr"),
        ({"ptr": torch.tensor([0, -1, 2, 5])}, ValueError, "ptr"),
        ({"ptr": torch.tensor([0, 2**62, 2, 5])}, ValueError, "ptr"),
        ({"ptr": torch.tensor([0, 3, 4, 5], dtype=torch.int32)}, TypeError, "ptr"),
        ({"weight": torch.ones(3, 5, 4)}, ValueError, "weight"),
        ({"weight": torch.ones(4, 5)}, ValueError, "weight"),
        ({"bias": torch.ones(3, 4)}, ValueError, "bias"),
        ({"bias": torch.ones(5)}, ValueError, "bias"),
        ({"bias": torch.ones(3, 5).double()}, TypeError, "bias"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(change, error, name):
    given_well = {"x": torch.ones(5, 4), "ptr": torch.tensor([0, 3, 3, 5]), "weight": torch.ones(3, 4, 5), "bias": None}
    with pytest.raises(error, match=rf"^{name}"):
        ops.segment_matmul(**{**given_well, **change})


@pytest.mark.parametrize(
    ("xs", "weights", "biases", "error", "name"),
    [
        ([torch.ones(2, 3)], [], None, ValueError, "weights"),
        ([torch.ones(2, 3)], [torch.ones(3, 4)], [], ValueError, "biases"),
        ([torch.ones(3)], [torch.ones(3, 4)], None, ValueError, r"xs\[0\]"),
        ([torch.ones(2, 3)], [torch.ones(2, 4)], None, ValueError, r"weights\[0\]"),
        ([torch.ones(2, 3)], [torch.ones(3, 4).double()], None, TypeError, r"weights\[0\]"),
        ([torch.ones(2, 3)], [torch.ones(3, 4)], [torch.ones(3)], ValueError, r"biases\[0\]"),
    ],
)
def test_groups_that_do_not_fit_are_refused_by_name(xs, weights, biases, error, name):
    with pytest.raises(error, match=rf"^{name}"):
        ops.grouped_matmul(xs, weights, biases)


def test_strided_and_transposed_inputs_are_read_as_they_are():
    x, ptr, weight, _ = problem([3, 2], 4, 6)
    wide, swapped = torch.randn(5, 8), torch.randn(2, 6, 4).mT
    for rows, matrices in ((wide[:, ::2], weight), (x, swapped)):
        found = ops.segment_matmul(rows, ptr, matrices)
        torch.testing.assert_close(found.double(), oracle(rows, ptr, matrices, None), rtol=1e-5, atol=1e-5)
    assert torch.autograd.grad(ops.segment_matmul(x, ptr, weight).sum(), x)[0].shape == x.shape  # an expanded gradient

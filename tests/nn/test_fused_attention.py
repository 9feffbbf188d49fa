"""Attention fused with its sum, and dot products of edges: against the unfused operators and plain torch."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import ops
from gnnctl.nn.conv import GATConv
from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.attention_sum import _attention_sum
from gnnctl.nn.ops.sddmm import _edge_dots


def edges_of(num_src, num_dst, count, seed=0, wide=False):
    generator = torch.Generator().manual_seed(seed)
    coo = torch.stack([torch.randint(0, n, (count,), generator=generator) for n in (num_src, num_dst)])
    edges, _ = EdgeIndex.from_coo(coo, num_src, num_dst)
    return EdgeIndex(edges.colptr, edges.row.long(), num_src, num_dst) if wide else edges


def inputs_of(edges, heads, width, dtype=torch.float64, with_edge=True):
    generator = torch.Generator().manual_seed(width)
    shapes = [(edges.num_src, heads, width), (edges.num_src, heads), (edges.num_dst, heads), (edges.num_edges, heads)]
    parts = [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes]
    return parts if with_edge else parts[:3]


def oracle(edges, x, src, dst, edge=None, slope=0.2):
    scores = src[edges.row] + dst[edges.col()] + (0 if edge is None else edge)
    prob = fallback.softmax(edges.colptr, torch.nn.functional.leaky_relu(scores, slope))
    return x.new_zeros(edges.num_dst, *x.shape[1:]).index_add(0, edges.col(), prob[:, :, None] * x[edges.row])


@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 150), st.sampled_from([1, 2, 3, 4, 8, 21]),
    st.sampled_from([0, 1, 3, 8, 16, 47, 64, 130]), st.booleans(), st.booleans(),
    st.sampled_from([torch.float32, torch.float64]),
)  # fmt: skip
@settings(deadline=None, max_examples=120)
def test_sums_and_gradients_agree_with_the_unfused(num_src, num_dst, count, heads, width, with_edge, wide, dtype):
    edges = edges_of(num_src, num_dst, count, seed=count, wide=wide)
    parts = inputs_of(edges, heads, width, dtype, with_edge)
    ours, theirs = ops.attention_sum(edges, *parts), oracle(edges, *parts)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    grad = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    for a, b in zip(torch.autograd.grad(ours, parts, grad), torch.autograd.grad(theirs, parts, grad), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("heads", [1, 3, 8])
@pytest.mark.parametrize("width", [5, 16, 40])
def test_hubs_whose_scores_come_in_chunks(heads, width):
    edges = edges_of(500, 3, 9000)
    parts = inputs_of(edges, heads, width, torch.float32)
    with torch.no_grad():
        parts[3] += torch.linspace(-20, 20, 9000)[:, None]  # the maximum rises from chunk to chunk
    ours, theirs = ops.attention_sum(edges, *parts), oracle(edges, *(p.double() for p in parts))
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-5)
    grad = torch.randn_like(ours)
    found = torch.autograd.grad(ours, parts, grad)
    for a, b in zip(found, torch.autograd.grad(theirs, parts, grad.double()), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_large_scores_and_destinations_without_edges():
    edges = EdgeIndex(torch.tensor([0, 0, 3, 3]), torch.arange(3, dtype=torch.int32), 3, 3)
    x = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)
    out = ops.attention_sum(edges, x, torch.tensor([[1e4], [1e4 - 1], [-1e5]]), torch.zeros(3, 1))
    torch.testing.assert_close(out.flatten(), torch.tensor([0.0, 0.7310586 + 2 * 0.2689414, 0.0]))


def test_no_edges():
    edges = EdgeIndex(torch.zeros(4, dtype=torch.int64), torch.zeros(0, dtype=torch.int32), 2, 3)
    parts = inputs_of(edges, 2, 5)
    out = ops.attention_sum(edges, *parts)
    assert out.shape == (3, 2, 5)
    assert not out.any()
    assert all(not g.any() for g in torch.autograd.grad(out.sum(), parts))


def test_results_do_not_depend_on_threads():
    edges = edges_of(3000, 2000, 60_000)
    parts = inputs_of(edges, 4, 17, torch.float32)
    grad, before, results = torch.randn(2000, 4, 17), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            out = ops.attention_sum(edges, *parts)
            results.append([out, *torch.autograd.grad(out, parts, grad)])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_kernels_of_lesser_processors_agree_too(isa):
    code = (
        "import torch; from gnnctl.graph.edge_index import EdgeIndex; from gnnctl.nn import ops\n"
        "torch.manual_seed(0); e, _ = EdgeIndex.from_coo(torch.randint(0, 40, (2, 300)), 40)\n"
        "for h, f in ((1, 1), (2, 5), (8, 12), (3, 64)):\n"
        "    p = [torch.randn(s, requires_grad=True) for s in ((40, h, f), (40, h), (40, h), (300, h))]\n"
        "    a = ops.attention_sum(e, *p); b = ops.spmm(e, p[0], ops.attention(e, *p[1:])); g = torch.randn(a.shape)\n"
        "    torch.testing.assert_close(a, b)\n"
        "    for u, v in zip(torch.autograd.grad(a, p, g), torch.autograd.grad(b, p, g)):\n"
        "        torch.testing.assert_close(u, v, rtol=1e-4, atol=1e-4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "GNNCTL_ISA": isa}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    edges = edges_of(20, 10, 80)
    parts = inputs_of(edges, 2, 9, dtype)
    out = ops.attention_sum(edges, *parts)
    assert out.dtype == dtype
    wide = [p.detach().float().requires_grad_() for p in parts]
    reference = ops.attention_sum(edges, *wide)
    torch.testing.assert_close(out.float(), reference, rtol=1e-2, atol=1e-2)
    grad = torch.ones_like(out)
    found = torch.autograd.grad(out, parts, grad)
    for a, b in zip(found, torch.autograd.grad(reference, wide, grad.float()), strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a.float(), b, rtol=2e-2, atol=2e-2)


def test_gradients_by_finite_differences():
    edges = edges_of(6, 5, 20)
    parts = inputs_of(edges, 2, 3)
    assert torch.autograd.gradcheck(lambda *p: ops.attention_sum(edges, *p), parts)
    left, right = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True), parts[0]
    assert torch.autograd.gradcheck(lambda *p: ops.sddmm(edges, *p), (left, right))


def test_the_operators_keep_torch_rules():
    edges = edges_of(6, 5, 20)
    parts = inputs_of(edges, 2, 3, torch.float32)
    for view in (edges.transposed(), (None, None, None)):
        torch.library.opcheck(_attention_sum, (edges.colptr, edges.row, *parts, *view, 0.2))
        torch.library.opcheck(_edge_dots, (edges.colptr, edges.row, torch.randn(5, 2, 3), parts[0], *view))


def test_they_compile_whole():
    edges = edges_of(6, 5, 20)
    edges.transposed()
    parts = inputs_of(edges, 2, 3, torch.float32)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def model(x, src, dst, edge):
        out = ops.attention_sum(edges, x, src, dst, edge)
        return ops.sddmm(edges, out, x).sum()

    model(*parts).backward()
    assert all(p.grad is not None for p in parts)


def test_fallback_gradients_agree_with_the_kernels(monkeypatch):
    edges = edges_of(9, 7, 60)
    parts = [p.detach() for p in inputs_of(edges, 2, 3)]
    _, stats = _attention_sum(edges.colptr, edges.row, *parts, None, None, None, 0.2)
    grad = torch.randn(7, 2, 3, dtype=torch.float64)
    both, by_dst = torch.ops.gnnctl.attention_sum_backward(edges.colptr, edges.row, *parts, stats, grad, 0.2)
    scores = fallback.attention_scores(edges.colptr, edges.row, *parts[1:], 60)
    prob = fallback.softmax(edges.colptr, torch.nn.functional.leaky_relu(scores, 0.2))
    by_prob = fallback.sddmm(edges.colptr, edges.row, grad, parts[0], prob, False)
    by_edge = fallback.softmax_backward(edges.colptr, prob, by_prob)
    by_edge = torch.where(scores > 0, by_edge, by_edge * 0.2)
    torch.testing.assert_close(both, torch.stack([prob, by_edge]))
    torch.testing.assert_close(by_dst, fallback.spmm(edges.colptr, None, by_edge, None, False))


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 0), (130,)])
@pytest.mark.parametrize("count", [0, 60])
def test_dot_products_of_edges_agree_with_plain_torch(shape, count):
    edges = edges_of(9, 7, count)
    left, right = torch.randn(7, *shape, requires_grad=True), torch.randn(9, *shape, requires_grad=True)
    ours, theirs = ops.sddmm(edges, left, right), (left[edges.col()] * right[edges.row]).sum(-1)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    grad = torch.randn(ours.shape)
    found = torch.autograd.grad(ours, (left, right), grad)
    for a, b in zip(found, torch.autograd.grad(theirs, (left, right), grad), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_layer_gives_the_same_with_and_without_single_coefficients():
    torch.manual_seed(0)
    edges = edges_of(12, 12, 50)
    layer = GATConv(5, 4, heads=3, edge_channels=2)
    x, attr = torch.randn(12, 5), torch.randn(50, 2)
    fused = layer(x, edges, edge_attr=attr)
    torch.testing.assert_close(fused, layer(x, edges, edge_mask=torch.ones(50), edge_attr=attr))


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"x": torch.ones(6, 2)}, ValueError, "x"),
        ({"x": torch.ones(5, 2, 3)}, ValueError, "x"),
        ({"x": torch.ones(6, 0, 3)}, ValueError, "x"),
        ({"x": torch.ones(6, 2, 3, dtype=torch.int64)}, TypeError, "features"),
        ({"src": torch.ones(5, 2)}, ValueError, "src"),
        ({"src": torch.ones(6, 3)}, ValueError, "src"),
        ({"src": torch.ones(6, 2, dtype=torch.int64)}, TypeError, "src"),
        ({"dst": torch.ones(6, 2)}, ValueError, "dst"),
        ({"edge": torch.ones(19, 2)}, ValueError, "edge"),
        ({"edge": torch.ones(20)}, ValueError, "edge"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(change, error, name):
    given_well = {"x": torch.ones(6, 2, 3), "src": torch.ones(6, 2), "dst": torch.ones(5, 2), "edge": None}
    with pytest.raises(error, match=rf"^{name}"):
        ops.attention_sum(edges_of(6, 5, 20), **{**given_well, **change})


@pytest.mark.parametrize(
    ("left", "right", "error", "name"),
    [
        (torch.ones(6, 2), torch.ones(6, 2), ValueError, "dst_features"),
        (torch.ones(5, 2), torch.ones(5, 2), ValueError, "src_features"),
        (torch.ones(5, 2), torch.ones(6, 3), ValueError, "src_features"),
        (torch.ones(5), torch.ones(6), ValueError, "dst_features"),
        (torch.ones(5, 2).long(), torch.ones(6, 2), TypeError, "dst_features"),
        (torch.ones(5, 2), torch.ones(6, 2).double(), TypeError, "src_features"),
    ],
)
def test_features_that_do_not_fit_are_refused_by_name(left, right, error, name):
    with pytest.raises(error, match=rf"^{name}"):
        ops.sddmm(edges_of(6, 5, 20), left, right)

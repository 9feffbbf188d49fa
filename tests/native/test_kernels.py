"""Kernels refuse arrays that do not fit, naming them, whatever is put where."""

import contextlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph.memory import array, array_or_none, native_edges
from gnnctl.native import _native

COLPTR, ROW = torch.tensor([0, 2, 2, 5]), torch.tensor([0, 1, 3, 3, 0], dtype=torch.int32)
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int32, torch.int64)


def graph():
    return native_edges(COLPTR, ROW, 4)


def segments():
    return native_edges(COLPTR, None, 5)


@pytest.mark.parametrize(
    ("address", "dtype", "shape", "error", "named"),
    [
        (0, 0, (3,), ValueError, "address"),
        (64, 0, (3, -1), ValueError, "shape"),
        (64, 9, (3,), TypeError, "dtype"),
        (64, -1, (3,), TypeError, "dtype"),
        (64, 0, (2**40, 2**40), ValueError, "shape"),
    ],
)
def test_impossible_arrays_are_refused(address, dtype, shape, error, named):
    with pytest.raises(error, match=named):
        _native.Array(None, address, dtype, shape)


@pytest.mark.parametrize(
    ("colptr", "row", "perm", "num_src", "error", "named"),
    [
        (COLPTR.int(), ROW, None, 4, TypeError, "colptr"),
        (COLPTR[None], ROW, None, 4, ValueError, "colptr"),
        (COLPTR[:0], ROW, None, 4, ValueError, "colptr"),
        (COLPTR[1:], ROW, None, 4, ValueError, "colptr"),
        (COLPTR, ROW[:4], None, 4, ValueError, "colptr"),
        (COLPTR, None, None, 4, ValueError, "colptr"),
        (torch.tensor([0, 4, 2, 5]), None, None, 5, ValueError, "colptr"),
        (COLPTR, ROW.float(), None, 4, TypeError, "row"),
        (COLPTR, ROW[:, None].expand(5, 2).contiguous(), None, 4, ValueError, "row"),
        (COLPTR, ROW, ROW.long(), 4, TypeError, "perm"),
        (COLPTR, ROW, ROW[:3], 4, ValueError, "perm"),
        (COLPTR, ROW, None, -1, ValueError, "num_src"),
    ],
)
def test_edges_that_do_not_fit_are_refused(colptr, row, perm, num_src, error, named):
    with pytest.raises(error, match=named):
        native_edges(colptr, row, num_src, perm)


def test_only_contiguous_tensors_of_known_dtype_on_the_cpu_become_arrays():
    for tensor in (torch.ones(3, 4).t(), torch.ones(2, device="meta")):
        with pytest.raises(ValueError, match="contiguous CPU"):
            array(tensor)
    with pytest.raises(TypeError, match="bool"):
        array(torch.ones(2, dtype=torch.bool))


@pytest.mark.parametrize(
    ("reduces", "arrays", "named"),
    [
        ([], {}, "reduces"),
        (["sum", "sum"], {}, "reduces"),
        (["total"], {}, "reduces"),
        (["mul", "sum"], {}, "reduces"),
        (["var"], {}, "average"),
        (["sum"], {"argmax": array(torch.zeros(3, 2, dtype=torch.int32))}, "argmax"),
    ],
)
def test_results_that_do_not_fit_the_reductions_are_refused(reduces, arrays, named):
    with pytest.raises(ValueError, match=named):
        _native.Aggregates(reduces, array(torch.empty(3, 2)), **arrays)


@pytest.mark.parametrize("reduce", ["min", "max"])
def test_a_gradient_needs_the_ranks_of_extremes(reduce):
    results, grad = _native.Aggregates([reduce], array(torch.empty(3, 2))), torch.zeros(3, 2)
    with pytest.raises(ValueError, match=f"arg{reduce}"):
        _native.select(graph(), array(grad), results, None, array(torch.zeros(4, 2)), 1)


shapes = st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 10]), min_size=0, max_size=3)


@st.composite
def tensors(draw, likely):
    """Zeros of any dtype and shape, but often of the likely ones."""
    dtype = draw(st.sampled_from([torch.float32, *DTYPES]))
    return torch.zeros(tuple(draw(st.one_of(st.just(likely), shapes))), dtype=dtype)


SOURCES, TARGETS, MESSAGES, WEIGHTS = (tensors(shape) for shape in ((4, 2), (3, 2), (5, 2), (5,)))
RANKS = st.one_of(st.just(torch.zeros(3, 2, dtype=torch.int32)), TARGETS)


@settings(deadline=None, max_examples=600)
@given(data=st.data())
def test_no_combination_of_arrays_crashes(data):
    def take(strategy):
        return array(data.draw(strategy))

    def maybe(strategy):
        return array_or_none(data.draw(st.one_of(st.none(), strategy)))

    edges = data.draw(st.sampled_from([graph(), segments()]))
    rows = data.draw(st.sampled_from([SOURCES, MESSAGES]))
    threads = data.draw(st.sampled_from([-1, 0, 1, 2]))
    try:
        reduces = data.draw(st.lists(st.sampled_from(["sum", "mean", "min", "max", "var", "std", "mul"]), max_size=2))
        out = maybe(tensors((3, len(reduces), 2)))
        results = _native.Aggregates(reduces, out, maybe(TARGETS), maybe(RANKS), maybe(RANKS))
        grad = take(tensors((3, len(reduces), 2)))
        calls = {
            "aggregate": lambda: _native.aggregate(edges, take(rows), maybe(WEIGHTS), results, threads),
            "spread": lambda: _native.spread(edges, grad, results, maybe(rows), take(rows), threads),
            "fold": lambda: _native.fold(edges, grad, results, take(tensors((3, 1, 2))), threads),
            "select": lambda: _native.select(edges, grad, results, maybe(WEIGHTS), take(rows), threads),
            "weighted_gradient": lambda: _native.weighted_gradient(
                edges, take(rows), take(WEIGHTS), take(TARGETS), take(TARGETS), take(WEIGHTS), threads
            ),
            "select_weights": lambda: _native.select_weights(edges, grad, results, take(rows), take(WEIGHTS), threads),
        }
        calls[data.draw(st.sampled_from(sorted(calls)))]()
    except (TypeError, ValueError):
        pass


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_no_combination_of_segment_arrays_crashes(data):
    def take(strategy):
        return array(data.draw(strategy))

    edges, threads = data.draw(st.sampled_from([graph(), segments()])), data.draw(st.sampled_from([0, 1, 2]))
    wanted = _native.Quantiles([0.2, 1.0], "linear")
    ranks = st.one_of(st.just(torch.zeros(3, 2, 2, 2, dtype=torch.int32)), TARGETS)
    scores = [array_or_none(data.draw(st.one_of(st.none(), kind))) for kind in (SOURCES, TARGETS, MESSAGES)]
    index = st.one_of(st.just(torch.zeros(5, dtype=torch.int32)), tensors((5,)))
    calls = {
        "logsumexp": lambda: _native.logsumexp(edges, take(MESSAGES), take(TARGETS), threads),
        "logsumexp_backward": lambda: _native.logsumexp_backward(
            edges, take(MESSAGES), take(TARGETS), take(TARGETS), take(MESSAGES), threads
        ),
        "product_backward": lambda: _native.product_backward(
            edges, take(MESSAGES), take(TARGETS), take(TARGETS), take(MESSAGES), threads
        ),
        "quantile": lambda: _native.quantile(
            edges, take(MESSAGES), wanted, take(tensors((3, 2, 2))), take(ranks), threads
        ),
        "quantile_backward": lambda: _native.quantile_backward(
            edges, take(tensors((3, 2, 2))), wanted, take(ranks), take(MESSAGES), threads
        ),
        "sddmm": lambda: _native.sddmm(edges, take(TARGETS), take(SOURCES), take(WEIGHTS), False, threads),
        "attention": lambda: _native.attention(edges, _native.Scores(*scores, 0.2), take(MESSAGES), threads),
        "attention_backward": lambda: _native.attention_backward(
            edges, _native.Scores(*scores, 0.2), take(MESSAGES), take(MESSAGES), take(MESSAGES), take(TARGETS), threads
        ),
        "transpose": lambda: _native.transpose(edges, take(tensors((5,))), take(index), take(index), threads),
        "check_csc": lambda: _native.check_csc(take(tensors((4,))), take(index), 4),
    }
    with contextlib.suppress(TypeError, ValueError):
        calls[data.draw(st.sampled_from(sorted(calls)))]()


def test_arrays_keep_their_tensors_alive():
    large = array(torch.ones(1000, 64))
    out = torch.empty(1, 64)
    edges = native_edges(torch.tensor([0, 1000]), torch.arange(1000), 1000)
    _native.aggregate(edges, large, None, _native.Aggregates(["sum"], array(out)), 1)
    assert out.eq(1000).all()

"""Every operator with every argument wrong: an exception that names it, never a crash.

Contents of ``colptr`` and ``row`` are checked where an EdgeIndex is built, so that is where they are wrong here.
"""

import re

import numpy as np
import pytest
import torch

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import ops

COLPTR, ROW = torch.tensor([0, 2, 2, 5]), torch.tensor([3, 0, 1, 1, 2], dtype=torch.int32)  # 4 sources, 3 destinations
EDGES = EdgeIndex(COLPTR, ROW, 4, 3)
PTR = torch.tensor([0, 2, 5])  # 2 types
LARGE = 2**62


def rows(count, *tail, seed=0):
    return torch.randn(count, *tail, generator=torch.Generator().manual_seed(seed))


# By operator: the call, and its tensors. What else may be named: an argument that no longer fits the wrong one.
OPERATORS = {
    "spmm": (lambda **given: ops.spmm(EDGES, **given), {"x": rows(4, 6), "weight": rows(5)}),
    "spmm mean of heads": (lambda **g: ops.spmm(EDGES, reduce="mean", **g), {"x": rows(4, 2, 3), "weight": rows(5, 2)}),
    "spmm max": (lambda **given: ops.spmm(EDGES, reduce="max", **given), {"x": rows(4, 6), "weight": rows(5)}),
    "segment_reduce": (lambda **given: ops.segment_reduce(COLPTR, **given), {"values": rows(5, 3)}),
    "segment_reduce max": (lambda **given: ops.segment_reduce(COLPTR, reduce="max", **given), {"values": rows(5, 3)}),
    "segment_reduce mul": (lambda **given: ops.segment_reduce(COLPTR, reduce="mul", **given), {"values": rows(5, 3)}),
    "segment_reduce median": (
        lambda **given: ops.segment_reduce(COLPTR, reduce="median", **given),
        {"values": rows(5, 3)},
    ),
    "segment_multi_reduce": (
        lambda **given: ops.segment_multi_reduce(COLPTR, reduces=("std", "min"), **given),
        {"values": rows(5, 3)},
    ),
    "segment_softmax": (lambda **given: ops.segment_softmax(COLPTR, **given), {"values": rows(5, 3)}),
    "segment_logsumexp": (
        lambda **given: ops.segment_logsumexp(COLPTR[[0, 1, 3]], **given),
        {"values": rows(5, 3)},
    ),
    "segment_quantile": (lambda **given: ops.segment_quantile(COLPTR, q=0.4, **given), {"values": rows(5, 3)}),
    "multi_aggregate": (
        lambda **given: ops.multi_aggregate(EDGES, **given),
        {"x": rows(4, 6), "weight": rows(5)},
    ),
    "edge_softmax": (lambda **given: ops.edge_softmax(EDGES, **given), {"scores": rows(5, 2)}),
    "attention": (
        lambda **given: ops.attention(EDGES, **given),
        {"src": rows(4, 2), "dst": rows(3, 2), "edge": rows(5, 2)},
    ),
    "attend": (
        lambda **given: ops.attend(EDGES, **given),
        {"src": rows(4, 2), "dst": rows(3, 2), "x": rows(4, 2, 3), "edge": rows(5, 2)},
    ),
    "sddmm": (
        lambda **given: ops.sddmm(EDGES, **given),
        {"dst_features": rows(3, 6), "src_features": rows(4, 6)},
    ),
    "segment_matmul": (
        lambda **given: ops.segment_matmul(ptr=PTR, **given),
        {"x": rows(5, 4), "weight": rows(2, 4, 6), "bias": rows(2, 6)},
    ),
    "grouped_matmul": (
        lambda x, weight, bias: torch.cat(ops.grouped_matmul([x, x], [weight, weight], [bias, bias])),
        {"x": rows(5, 4), "weight": rows(4, 6), "bias": rows(6)},
    ),
    "linear": (ops.linear, {"x": rows(5, 4), "weight": rows(6, 4), "bias": rows(6)}),
    "gather_src": (lambda **given: ops.gather_src(EDGES, **given), {"x": rows(4, 2)}),
    "gather_dst": (lambda **given: ops.gather_dst(EDGES, **given), {"x": rows(3, 2)}),
}
NOT_OPERATORS = {"Reduce": "a type"}
PLURALS = {"x": "xs", "weight": "weights", "bias": "biases"}  # what grouped_matmul calls its lists of them


def test_every_operator_is_in_the_table():
    assert {name.split()[0] for name in OPERATORS} | NOT_OPERATORS.keys() == set(ops.__all__)


def is_welcome(name, argument, label):
    """Dense products take any number of rows, gathering rows of any dtype; weights are converted to that of x."""
    if name in ("linear", "grouped_matmul"):
        return argument == "x" and "row" in label
    if name.startswith("gather"):
        return label in ("whole numbers", "truth values", "complex numbers")
    return argument == "weight" and name != "segment_matmul" and label in ("whole numbers", "truth values")


@pytest.mark.parametrize(("name", "argument"), [(name, a) for name, (_, given) in OPERATORS.items() for a in given])
def test_one_wrong_tensor_is_refused(name, argument):
    call, given = OPERATORS[name]
    right = given[argument]
    call(**given)
    wrong = {
        "whole numbers": right.long(),
        "truth values": right > 0,
        "complex numbers": right + 1j,
        "one row too few": right[:-1],
        "one row too many": torch.cat([right, right[:1]]),
        "no rows": right[:0],
        "no dimension": right.sum(),
        "text": "text",
        "a number": 3,
        "a list": right.tolist(),
        "an array": right.numpy(),
    }
    for label, value in wrong.items():
        if is_welcome(name, argument, label):
            call(**{**given, argument: value})
            continue
        with pytest.raises((TypeError, ValueError)) as refused:
            call(**{**given, argument: value})
        named = rf"\b({argument}|{PLURALS.get(argument, argument)})\b"
        assert re.search(named, str(refused.value)), f"{argument}, {label}: {refused.value}"


@pytest.mark.parametrize(("name", "argument"), [(name, a) for name, (_, given) in OPERATORS.items() for a in given])
def test_any_layout_of_a_tensor_gives_the_same(name, argument):
    call, given = OPERATORS[name]
    right, expected = given[argument], call(**given)
    for same in (
        torch.stack([right, right], -1)[..., 0],
        right.repeat_interleave(2, 0)[::2],
        right.T.contiguous().T if right.dim() == 2 else right.clone(),
        torch.cat([right.new_zeros(1), right.flatten()])[1:].view_as(right),
    ):
        torch.testing.assert_close(call(**{**given, argument: same}), expected)
    for narrow in (torch.bfloat16, torch.float16):
        found = call(**{key: value.to(narrow) for key, value in given.items()})
        torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("colptr", "row", "num_src", "num_dst", "named"),
    [
        (COLPTR.int(), ROW, 4, 3, "colptr"),
        (COLPTR.float(), ROW, 4, 3, "colptr"),
        (COLPTR, ROW.float(), 4, 3, "row"),
        (COLPTR, ROW.to(torch.int16), 4, 3, "row"),
        (COLPTR[:-1], ROW, 4, 3, "colptr"),
        (COLPTR[None], ROW, 4, 3, "colptr"),
        (COLPTR, ROW[None], 4, 3, "row"),
        (COLPTR, ROW[:4], 4, 3, "colptr"),
        (COLPTR, ROW, 4, 2, "colptr"),
        (COLPTR, ROW, 4, LARGE, "colptr"),
        (COLPTR, ROW, 4, -1, "num_dst"),
        (COLPTR + 1, ROW, 4, 3, "colptr"),
        (torch.tensor([0, 3, 2, 5]), ROW, 4, 3, "colptr"),
        (torch.tensor([0, LARGE, 2, 5]), ROW, 4, 3, "colptr"),
        (torch.tensor([0, -LARGE, 2, 5]), ROW, 4, 3, "colptr"),
        (torch.tensor([0, 2, 2, 6]), ROW, 4, 3, "colptr"),
        (COLPTR, ROW, 3, 3, "row"),
        (COLPTR, ROW, 0, 3, "row"),
        (COLPTR, ROW, -1, 3, "num_src"),
        (COLPTR, ROW - 1, 4, 3, "row"),
        (COLPTR, ROW.long() + LARGE, 4, 3, "row"),
        (torch.zeros(0, dtype=torch.int64), ROW[:0], 0, -1, "num_dst"),
    ],
)
def test_edges_that_are_no_csc_are_refused_by_name(colptr, row, num_src, num_dst, named):
    with pytest.raises((TypeError, ValueError), match=named):
        EdgeIndex(colptr, row, num_src, num_dst)


@pytest.mark.parametrize(
    ("coo", "num_src", "num_dst"),
    [
        (torch.tensor([[0, 4], [0, 0]]), 4, 3),
        (torch.tensor([[0, -1], [0, 0]]), 4, 3),
        (torch.tensor([[0, 1], [0, 3]]), 4, 3),
        (torch.tensor([[0, 1], [0, -LARGE]]), 4, 3),
        (torch.tensor([[0, LARGE], [0, 1]]), 4, 3),
        (torch.tensor([[0, 1]]), 4, 3),
        (torch.tensor([0, 1]), 4, 3),
        (torch.tensor([[0, 1], [0, 1]]), -1, 3),
        (torch.tensor([[0, 1], [0, 1]]), 4, -1),
        (torch.tensor([[0.5, 1], [0, 1]]), 4, 3),
    ],
)
def test_an_edge_list_out_of_range_is_refused_by_name(coo, num_src, num_dst):
    with pytest.raises((TypeError, ValueError), match=re.compile("edge_index|num_dst|num_src")):
        EdgeIndex.from_coo(coo, num_src, num_dst)


def test_the_ends_of_what_is_allowed():
    none = EdgeIndex(torch.zeros(1, dtype=torch.int64), ROW[:0], 0, 0)
    assert ops.spmm(none, torch.zeros(0, 3)).shape == (0, 3)
    assert ops.attention(none, torch.zeros(0, 2), torch.zeros(0, 2)).shape == (0, 2)
    count = 1_000_000
    hub = EdgeIndex(torch.tensor([0, count]), torch.arange(count, dtype=torch.int32), count, 1)
    x = torch.ones(count, 1, dtype=torch.float64, requires_grad=True)
    assert ops.spmm(hub, x).item() == count
    assert ops.edge_softmax(hub, torch.zeros(count)).sum().item() == pytest.approx(1, rel=1e-4)
    total, largest = ops.spmm(hub, x, None, "sum"), ops.spmm(hub, x, None, "max")
    (by_sum,) = torch.autograd.grad(total, x, torch.ones(1, 1, dtype=torch.float64))
    (by_max,) = torch.autograd.grad(largest, x, torch.ones(1, 1, dtype=torch.float64))
    assert by_sum.sum().item() == count
    assert by_max.nonzero().tolist() == [[0, 0]]
    wide = EdgeIndex(torch.tensor([0, 2]), torch.tensor([2**31 + 7, 2**40]), 2**40 + 1, 1)
    assert np.array_equal(wide.col().numpy(), [0, 0])

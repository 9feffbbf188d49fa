"""Native functions at the ends of what is allowed: nothing, one, a hub of a million, the limits of int32."""

import numpy as np
import pytest

from gnnctl.native import SampledEdgeType, Sampler, SamplerRules, csc_from_coo, gather_rows, number_nodes

HUB = 1_000_000
NONE = np.zeros(0, np.int64)


def sampler(num_nodes, colptr, row, fan_out, src=0, dst=0, **options):
    edge_type = SampledEdgeType(src, dst, colptr, row, 7, fan_out)
    return Sampler(num_nodes, list(range(len(num_nodes))), [edge_type], len(fan_out), 0, SamplerRules(**options))


def test_nothing():
    colptr, row, perm = csc_from_coo(NONE, NONE, 0, 0)
    assert (colptr.tolist(), len(row), len(perm)) == ([0], 0, 0)
    assert [len(part) for part in number_nodes(NONE, NONE)] == [0, 0, 0]
    gather_rows(np.zeros((0, 3)), NONE, np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"^index"):
        gather_rows(np.zeros((0, 3)), np.array([0]), np.zeros((1, 3)))
    for fan_out in ([], [0], [3, 3]):
        [(rows, _, counts)], [(ptr, row, _, _)] = sampler([0], np.array([0]), NONE, fan_out).sample(NONE, 0, 0)
        assert len(rows) == len(row) == sum(counts) == 0
        assert ptr.tolist() == [0]


def test_one_node_with_itself():
    zero = np.array([0])
    assert [part.tolist() for part in csc_from_coo(zero, zero, 1, 1)] == [[0, 1], [0], [0]]
    [(rows, _, counts)], [(colptr, row, pos, _)] = sampler([1], np.array([0, 1]), zero, [5, 5]).sample(zero, 0, 0)
    assert (rows.tolist(), counts, colptr.tolist(), row.tolist(), pos.tolist()) == ([0], [1, 0, 0], [0, 1], [0], [0])


@pytest.mark.parametrize("options", [{}, {"replace": True}, {"disjoint": True}])
def test_a_hub_of_a_million(options):
    centre = np.zeros(HUB, np.int64)
    colptr, row, perm = csc_from_coo(np.arange(HUB)[::-1].copy(), centre, HUB, HUB, True, 2)
    assert np.array_equal(row, np.arange(HUB))
    assert np.array_equal(perm, np.arange(HUB)[::-1])
    every, few = sampler([HUB], colptr, row, [-1], **options), sampler([HUB], colptr, row, [100], **options)
    [(rows, _, _)], [(_, _, pos, _)] = every.sample(np.array([0]), 0, 1)
    if not options.get("replace"):
        assert np.array_equal(np.sort(pos), np.arange(HUB))
        assert len(rows) == HUB
    _, [(_, _, some, _)] = few.sample(np.array([0]), 0, 1)
    assert len(some) == 100
    assert [len(part) for part in number_nodes(centre, centre)] == [1, HUB, 1]
    out = np.empty((HUB, 2), np.float32)
    gather_rows(np.array([[1, 2]], np.float32), centre, out, 2)
    assert (out == [1, 2]).all()


@pytest.mark.parametrize("num_src", [2**31 - 1, 2**31, 2**31 + 1, 2**32, 2**40])
def test_sources_about_the_limit_of_int32(num_src):
    last = np.array([num_src - 1, 0, num_src - 1, num_src - 2])
    colptr, row, _ = csc_from_coo(last, np.array([1, 0, 0, 1]), num_src, 2)
    assert row.dtype == (np.int32 if num_src < 2**31 else np.int64)
    assert row.tolist() == [0, num_src - 1, num_src - 2, num_src - 1]
    # Two node types: the many sources need no colptr, so this takes no memory.
    typed = sampler([2, num_src], colptr, row, [5], src=1, dst=0)
    [_, (rows, _, _)], [(_, local, _, _)] = typed.sample(np.array([1, 0]), 0, 0)
    assert sorted(rows[local].tolist()) == sorted(row.tolist())
    assert number_nodes(last, np.zeros(4, np.int64))[0].tolist() == [num_src - 1, 0, num_src - 2]


def test_more_memory_than_there_is_is_an_exception():
    with pytest.raises(MemoryError):
        csc_from_coo(NONE, NONE, 1, 2**47)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from gnnctl.native import SampledEdgeType, Sampler, SamplerRules

COLPTR, ROW = np.array([0, 2, 2, 3]), np.array([1, 2, 0], np.int32)


def star(degree, centres):
    """Every centre has the same list of `degree` neighbours; the list lies in memory once a centre."""
    colptr = np.arange(centres + 1, dtype=np.int64) * degree
    row = np.tile(np.arange(degree, dtype=np.int32), centres)
    return colptr, row


def offsets(degree, centres, fan_out, epochs, replace=False):
    colptr, row = star(degree, centres)
    edge_type = SampledEdgeType(0, 0, pad(colptr, degree), row, 5, [fan_out])
    sampler = Sampler([max(degree, centres)], [1], [edge_type], 1, 3, SamplerRules(replace=replace))
    for epoch in range(epochs):
        _, [(_, _, pos, _)] = sampler.sample(np.arange(centres, dtype=np.int64), 0, epoch)
        yield (pos % degree).reshape(centres, fan_out)


def pad(colptr, num_nodes):
    return np.concatenate([colptr, np.full(max(0, num_nodes + 1 - len(colptr)), colptr[-1])])


@pytest.mark.parametrize(
    ("degree", "fan_out"),
    [
        (31, 10),
        (31, 30),
        (200, 15),
        (1000, 15),
        (1000, 100),
        (20_000, 15),
        (20_000, 300),
        (40_000, 15),
        (60_000, 15),
        (70_000, 15),
        (1_000_000, 20),
    ],
)
def test_picks_are_distinct_and_uniform(degree, fan_out):
    bins = min(degree, 50)
    place, neighbour = np.zeros((fan_out, bins)), np.zeros(bins)
    centres = 400 if degree <= 1000 else 20 if degree <= 70_000 else 2
    epochs = -(-30_000 // (centres * fan_out)) if degree <= 1000 else 40
    for drawn in offsets(degree, centres, fan_out, epochs):
        assert all(len(set(row)) == fan_out for row in drawn.tolist())
        assert drawn.min() >= 0
        assert drawn.max() < degree
        binned = drawn * bins // degree
        neighbour += np.bincount(binned.ravel(), minlength=bins)
        for i in range(fan_out):
            place[i] += np.bincount(binned[:, i], minlength=bins)
    expected = np.bincount(np.arange(degree) * bins // degree, minlength=bins) / degree
    # each place alone is an unbiased draw; fixed seed, so that these can fail only when the sampler changes
    assert chisquare(place[0], expected * place[0].sum()).pvalue > 1e-4
    assert chisquare(place[-1], expected * place[-1].sum()).pvalue > 1e-4
    assert chisquare(neighbour, expected * neighbour.sum()).pvalue > 1e-4


def test_pairs_of_picks_are_uniform():
    pairs = np.zeros((7, 7))
    for drawn in offsets(7, 1000, 2, 10):
        np.add.at(pairs, (drawn[:, 0], drawn[:, 1]), 1)
    assert np.all(np.diag(pairs) == 0)
    assert chisquare(pairs[~np.eye(7, dtype=bool)]).pvalue > 1e-4


def test_picks_with_replacement_are_uniform_and_repeat():
    counts, repeats = np.zeros(31), 0
    for drawn in offsets(31, 400, 12, 10, replace=True):
        counts += np.bincount(drawn.ravel(), minlength=31)
        repeats += sum(len(set(row)) < 12 for row in drawn.tolist())
    assert repeats > 1000
    assert chisquare(counts).pvalue > 1e-4


EDGES = {"src": 0, "dst": 0, "colptr": COLPTR, "row": ROW, "name_hash": 7, "fan_out": [2]}
RULES = ("replace", "disjoint", "draw", "visible", "budget")
TIMES = np.array([1, 2, 3])


def build(**changes):
    """A sampler of three nodes; changes go to the rules, the one edge type, or the sampler."""
    rules = SamplerRules(**{k: changes.pop(k) for k in RULES if k in changes})
    edges = SampledEdgeType(
        **{k: changes.pop(k, v) for k, v in {**EDGES, "weight": None, "time": None, "source_time": None}.items()}
    )
    given = {"num_nodes": [3], "node_type_hashes": [1], "edge_types": [edges], "hops": 1, "seed": 0, "num_threads": 1}
    return Sampler(**{**given, **changes}, rules=rules)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_nodes": []}, "num_nodes"),
        ({"num_nodes": [-1]}, "num_nodes"),
        ({"num_nodes": [2**33], "disjoint": True}, "num_nodes"),
        ({"num_nodes": [4]}, r"edge_types\[0\].colptr"),
        ({"node_type_hashes": []}, "node_type_hashes"),
        ({"src": 1}, r"edge_types\[0\]"),
        ({"dst": 7}, r"edge_types\[0\]"),
        ({"fan_out": [2, 2]}, r"edge_types\[0\].fan_out"),
        ({"fan_out": [-2]}, r"edge_types\[0\].fan_out"),
        ({"colptr": COLPTR.astype(np.int32)}, r"edge_types\[0\].colptr"),
        ({"colptr": COLPTR[::-1].copy()}, r"edge_types\[0\].colptr"),
        ({"colptr": COLPTR + 1}, r"edge_types\[0\].colptr"),
        ({"row": ROW[:2]}, r"edge_types\[0\].colptr"),
        ({"row": ROW + 1}, r"edge_types\[0\].row"),
        ({"row": ROW - 1}, r"edge_types\[0\].row"),
        ({"row": ROW.astype(np.float32)}, r"edge_types\[0\].row"),
        ({"row": [1, 2, 0]}, r"edge_types\[0\].row"),
        ({"weight": np.ones(3)}, r"edge_types\[0\].weight"),
        ({"weight": np.ones(2, np.float32)}, r"edge_types\[0\].weight"),
        ({"weight": np.array([1, -1, 1], np.float32)}, r"edge_types\[0\].weight"),
        ({"weight": np.array([1, np.nan, 1], np.float32)}, r"edge_types\[0\].weight"),
        ({"weight": np.array([1, np.inf, 1], np.float32)}, r"edge_types\[0\].weight"),
        ({"time": TIMES[:2]}, r"edge_types\[0\].time"),
        ({"time": TIMES.astype(float)}, r"edge_types\[0\].time"),
        ({"time": TIMES[::-1].copy()}, r"edge_types\[0\].time"),
        ({"source_time": TIMES[[0, 2, 1]]}, r"edge_types\[0\].source_time"),
        ({"source_time": TIMES[:2]}, r"edge_types\[0\].source_time"),
        ({"budget": [1, 1]}, "budget"),
        ({"budget": [-3]}, "budget"),
        ({"draw": "best"}, "draw"),
        ({"visible": "before"}, "visible"),
        ({"visible": "never", "disjoint": True}, "visible"),
        ({"draw": "recent", "replace": True}, "replace"),
        ({"draw": "labor", "disjoint": True}, "disjoint"),
        ({"num_threads": 0}, "num_threads"),
    ],
)
def test_bad_arguments_are_refused_by_name(changes, named):
    with pytest.raises((TypeError, ValueError), match=f"^{named}"):
        build(**changes)


@pytest.mark.parametrize(
    ("rules", "times"),
    [({}, TIMES), ({"visible": "before", "disjoint": True}, None), ({"visible": "before", "disjoint": True}, TIMES)],
)
def test_times_come_with_a_rule_for_them_one_for_each_seed(rules, times):
    with pytest.raises(ValueError, match=r"^times"):
        build(**rules).sample(np.array([0]), 0, 0, times)


anything = st.one_of(
    st.none(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(-5, 5), max_size=3),
    st.sampled_from([np.zeros((2, 2)), np.array([5]), np.array([], np.int64), COLPTR, ROW, np.array(["a"])]),
)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(
        [
            *("num_nodes", "node_type_hashes", "edge_types", "hops", "seed", "num_threads"),
            *RULES,
            *EDGES,
            *("weight", "time", "source_time"),
        ]
    ),
    anything,
)
def test_fuzzed_arguments_never_crash(name, value):
    if name == "hops" and isinstance(value, int) and value > 100:
        return
    try:
        sampler = build(**{name: value})
    except (TypeError, ValueError):
        return
    sampler.sample(np.array([0]), 0, 0)


@settings(deadline=None, max_examples=100)
@given(anything, anything, anything)
def test_fuzzed_seeds_never_crash(seeds, node_type, epoch):
    sampler = build()
    for arguments in [(seeds, 0, 0), (np.array([0]), node_type, 0), (np.array([0]), 0, epoch)]:
        try:
            nodes, _ = sampler.sample(*arguments)
        except (TypeError, ValueError):
            continue
        assert all(row < 3 for row in nodes[0][0])


def test_wide_rows_and_narrow_rows_agree():
    narrow, wide = build(), build(row=ROW.astype(np.int64))
    (n, e), (m, f) = (s.sample(np.array([0, 2]), 0, 0) for s in (narrow, wide))
    assert np.array_equal(n[0][0], m[0][0])
    assert all(np.array_equal(a, b) for a, b in zip(e[0][:3], f[0][:3], strict=True))


def test_arrays_are_kept_alive():
    sampler = build(colptr=COLPTR.copy(), row=ROW.copy())
    assert sampler.sample(np.array([0]), 0, 0)[0][0][0].tolist() == [0, 1, 2]

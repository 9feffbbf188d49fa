"""The pick function in NumPy against the published one in plain Python and its vectors."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_reference import absorb, fnv
from sampling_reference import picks as reference

from gnnctl.sampling.draws import draw_keys, picks, visible_picks
from gnnctl.sampling.trees import HiddenEdges


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 2**32),
    st.integers(-1, 20),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**62),
)
def test_picks_are_the_published_ones(drawing, fan_out, replace, disjoint, seed, epoch):
    rng = np.random.default_rng(drawing)
    nodes = rng.integers(0, 2**40, 12)
    degree = rng.choice([0, 1, 2, 5, 19, 20, 21, 300, 2**33], 12)
    seeds = rng.integers(0, 2**40, 12)
    if fan_out == -1:
        degree = np.minimum(degree, 300)
    own = ("paper", seeds) if disjoint else None
    keys = draw_keys(seed, epoch, "a r b", nodes, own)
    taken, offsets = picks(keys, degree, fan_out, replace)
    found = np.split(offsets, np.cumsum(taken)[:-1])
    for i in range(12):
        words = [seed, epoch, fnv("paper"), fnv("a r b"), int(seeds[i])] if disjoint else [seed, epoch, fnv("a r b")]
        key = absorb(0, *words, int(nodes[i]))
        assert int(keys[i]) == key
        d = int(degree[i])
        take = d if fan_out == -1 or d == 0 else fan_out if replace else min(fan_out, d)
        if d > 10**6 and not replace:  # the plain one would build the array
            assert len(set(found[i].tolist())) == take
            continue
        assert found[i].tolist() == reference(key, d, fan_out, take, replace)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 2**32), st.integers(-1, 12))
def test_hidden_edges_are_drawn_and_passed_over(drawing, fan_out):
    rng = np.random.default_rng(drawing)
    degree = rng.choice([1, 2, 5, 12, 13, 40], 15)
    keys = draw_keys(3, 1, "a r b", np.arange(15), ("link", rng.integers(-(2**63), 2**63 - 1, 15)))
    unseen = [np.sort(rng.permutation(d)[: rng.integers(0, min(4, d + 1))]) for d in degree]
    hidden = HiddenEdges(np.append(0, np.cumsum([len(u) for u in unseen])), np.concatenate(unseen).astype(np.int64))
    taken, offsets = visible_picks(keys, degree, fan_out, hidden)
    for i, found in enumerate(np.split(offsets, np.cumsum(taken)[:-1])):
        d, m = int(degree[i]), len(unseen[i])
        take = d - m if fan_out == -1 else min(fan_out, d - m)
        drawn = reference(int(keys[i]), d, -1 if fan_out == -1 else fan_out + m, take + m, False)
        assert found.tolist() == [j for j in drawn if j not in unseen[i]][:take]
    assert np.array_equal(
        visible_picks(keys[:0], degree[:0], fan_out, HiddenEdges(np.zeros(1, np.int64), np.zeros(0, np.int64)))[1], []
    )


def test_the_published_vectors():
    keys = draw_keys(7, 3, "paper cites paper", np.array([42]))
    assert int(keys[0]) == 0xE8369AC32CFEA01B
    for degree, without, replaced in [
        (5, [2, 4, 0, 3], [2, 4, 0, 0]),
        (300, [166, 298, 46, 42, 21, 124], [166, 298, 44, 40, 17, 121]),
        (60000, [33239, 59792, 8875, 8075, 3546, 24337], [33239, 59792, 8874, 8072, 3542, 24334]),
    ]:
        for replace, expected in ((False, without), (True, replaced)):
            assert picks(keys, np.array([degree]), len(expected), replace)[1].tolist() == expected


def test_the_published_vectors_of_the_tree_of_a_link():
    keys = draw_keys(7, 3, "paper cites paper", np.array([42]), ("link", np.array([0xCA32AC619C166709], np.uint64)))
    assert picks(keys, np.array([300]), 4, False)[1].tolist() == [90, 54, 100, 72]
    hidden = HiddenEdges(np.array([0, 2]), np.array([5, 90]))
    assert visible_picks(keys, np.array([300]), 4, hidden)[1].tolist() == [54, 100, 72, 122]

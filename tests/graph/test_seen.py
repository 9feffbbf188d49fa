"""Seen edges by counting, against lists of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph.array_stores import ArrayFeatures
from gnnctl.graph.graph import Graph
from gnnctl.graph.seen import EDGE_PARTS, Seen, seen_edges
from gnnctl.graph.store_interfaces import Key
from gnnctl.graph.types import EdgeType
from gnnctl.splits.link_views import edges_seen


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3_000_000), st.integers(0, 100), st.integers(0, 2**32 - 1))
def test_places_and_positions_are_those_of_a_list(count, percent, seed):
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 100, count) < percent
    seen = Seen(count, lambda rows: mask[rows])
    listed = np.flatnonzero(mask)
    assert seen.size == len(listed)
    asked = np.append(rng.integers(0, count + 1, 500), [0, count])
    many = rng.integers(0, count + 1, count // 10)
    assert np.array_equal(seen.places(many), np.searchsorted(listed, many))
    assert np.array_equal(seen.places(np.sort(many)), np.searchsorted(listed, np.sort(many)))
    assert np.array_equal(seen.places(asked), np.searchsorted(listed, asked))
    if len(listed):
        places = rng.integers(0, len(listed), 500)
        assert np.array_equal(seen.positions(places), listed[places])
    assert len(seen.places(np.zeros(0, np.int64))) == len(seen.positions(np.zeros(0, np.int64))) == 0


def graph_of_both_ways(rng):
    there, back = EdgeType("a", "to", "b"), EdgeType("b", "rev_to", "a")
    pairs = np.stack([rng.integers(0, 40, 9000), rng.integers(0, 30, 9000)])
    more = {
        "edge_weight": {there: rng.random(9000, np.float32)},
        "edge_attr": {there: rng.random((9000, 2), np.float32)},
    }
    whole = Graph.from_coo({"a": 40, "b": 30}, {there: pairs}, **more)
    store = whole.edges[there]
    ends = np.repeat(np.arange(30), np.diff(store.colptr))
    order = np.lexsort((ends, store.row))
    colptr = np.concatenate([[0], np.cumsum(np.bincount(store.row, minlength=40))])
    reverse = type(store)(colptr, ends[order], forward=order)
    return Graph(whole.nodes, {there: store, back: reverse}), there, back


@pytest.mark.parametrize("both", [True, False])
def test_columns_of_seen_edges_are_the_arrays_of_a_view_in_memory(both):
    rng = np.random.default_rng(3)
    graph, there, back = graph_of_both_ways(rng)
    codes = {there: rng.integers(0, 3, 9000).astype(np.int8)}
    if both:
        codes[back] = codes[there][graph.edges[back].forward]
    else:
        codes[there][:] = 0
    arrays = {Key(t, p): getattr(e, p) for t, e in graph.edges.items() for p in EDGE_PARTS if getattr(e, p) is not None}
    seen = {t: Seen(len(c), lambda rows, c=c: c[rows] <= 1) for t, c in codes.items()}
    found = seen_edges(graph.edges, ArrayFeatures(arrays), seen)
    for t, wanted in edges_seen(graph.edges, codes, 1).items():
        assert found[t].num_edges == wanted.num_edges
        for part in EDGE_PARTS:
            here, there_ = getattr(found[t], part), getattr(wanted, part)
            assert (here is None) == (there_ is None)
            if here is None:
                continue
            assert np.array_equal(np.asarray(here), there_)
            rows = rng.integers(0, len(there_), 100)
            assert np.array_equal(here[rows], there_[rows])
            assert np.array_equal(here[7:19], there_[7:19])
            assert np.array_equal(here[np.arange(5, len(there_))], there_[5:])
            assert len(here[4:4]) == 0


def test_a_reverse_edge_without_its_forward_edge_is_refused():
    graph, there, back = graph_of_both_ways(np.random.default_rng(0))
    arrays = {Key(t, p): getattr(e, p) for t, e in graph.edges.items() for p in EDGE_PARTS if getattr(e, p) is not None}
    hidden = Seen(9000, lambda rows: np.arange(9000)[rows] != 17)
    found = seen_edges(graph.edges, ArrayFeatures(arrays), {there: hidden})
    with pytest.raises(ValueError, match="without their forward edges"):
        np.asarray(found[back].forward)

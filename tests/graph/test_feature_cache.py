"""A cache of hot rows changes no value, keeps to its size, and counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph import Graph
from gnnctl.graph.feature_cache import cache_features
from gnnctl.graph.store_interfaces import Column
from gnnctl.graph.types import EdgeType

LIKES = EdgeType("user", "likes", "item")


def _graph():
    rng = np.random.default_rng(3)
    ends = np.stack([np.minimum(rng.zipf(1.5, 300), 40) - 1, rng.integers(0, 7, 300)])
    x = {"user": rng.random((40, 3), np.float32), "item": rng.random((7, 5), np.float32)}
    return Graph.from_coo({"user": 40, "item": 7}, {LIKES: ends}, x=x)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 39)), st.integers(200, 1000))
def test_values_are_those_of_the_store(rows, size):
    plain, cached = _graph(), _graph()
    hits = cache_features(cached, size)
    assert hits.bytes <= size
    wanted = np.array(rows, np.int64)
    assert np.array_equal(cached.nodes["user"].features(wanted), plain.nodes["user"].features(wanted))
    assert np.array_equal(cached.nodes["user"].features(), plain.nodes["user"].features())
    assert np.array_equal(cached.nodes["item"].features(), plain.nodes["item"].features())


def test_the_nodes_with_most_out_edges_are_kept_and_hits_counted():
    graph = _graph()
    drawn = np.bincount(graph.edges[LIKES].row, minlength=40)
    hits = cache_features(graph, 4 * 47 + 12 * 5)  # the index, and five users
    hottest, coldest = np.argsort(-drawn, kind="stable")[:5], np.argsort(drawn, kind="stable")[:5]
    assert hits.rows == 5
    assert hits.rate is None
    column = graph.nodes["user"].x
    assert isinstance(column, Column)
    column.read(np.sort(hottest))
    assert (hits.read, hits.hit) == (5, 5)
    column.read(coldest)
    assert hits.to_json() == {"rows": 5, "bytes": 160 + 60, "read": 10, "hit_rate": 0.5}


def test_too_small_a_cache_is_refused():
    with pytest.raises(ValueError, match="too few: an index and one row take 200"):
        cache_features(_graph(), 199)

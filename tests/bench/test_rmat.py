import numpy as np
import pytest

from gnnctl.bench import rmat, typed_rmat, uniform
from gnnctl.errors import UsageError
from gnnctl.graph.graph import DEFAULT_EDGE


def pairs(store):
    col = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
    return col * 2**32 + store.row


def test_the_edges_are_distinct_sorted_and_as_many_as_asked_for():
    graph = rmat(10, 8, features=3)
    graph.check()
    assert graph.num_nodes("node") == 1024
    assert graph.num_edges == 8192
    assert np.all(np.diff(pairs(graph.edges[DEFAULT_EDGE])) > 0)
    assert graph.nodes["node"].x.shape == (1024, 3)


def test_the_seed_decides():
    assert rmat(9, seed=1).fingerprint == rmat(9, seed=1).fingerprint != rmat(9, seed=2).fingerprint


def test_degrees_are_skewed_and_hubs_are_hubs_in_both_directions():
    store = rmat(14, 16).edges[DEFAULT_EDGE]
    into, out = np.diff(store.colptr), np.bincount(store.row, minlength=1 << 14)
    assert into.max() > 40 * into.mean()
    assert (into == 0).mean() > 0.1
    hubs = np.argsort(-into)[:100]
    assert out[hubs].mean() > 10 * out.mean()
    assert abs(np.corrcoef(np.arange(1 << 14), into)[0, 1]) < 0.05, "ids are permuted"


def test_the_quadrants_have_their_shares():
    # The id of the most frequent source has all bits clear before renaming: its share is (a + b) ** scale.
    store = rmat(6, 8, seed=3).edges[DEFAULT_EDGE]
    assert 0 < np.bincount(store.row, minlength=64).max() / store.num_edges < 0.76**3


def test_the_typed_variant_has_four_node_and_seven_edge_types():
    graph = typed_rmat(12, features=2)
    graph.check()
    assert (len(graph.nodes), len(graph.edges)) == (4, 7)
    for store in graph.edges.values():
        assert np.all(np.diff(pairs(store)) > 0)
    assert graph.num_edges == pytest.approx(17e6 / 2**8, rel=0.01)


def test_a_graph_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="too dense"):
        rmat(4, 16)


def test_a_uniform_graph_has_its_size():
    graph = uniform(100, 1000, features=4)
    graph.check()
    assert (graph.num_nodes("node"), graph.num_edges) == (100, 1000)

"""Stores over arrays do what the interfaces say."""

import numpy as np
import pytest

from gnnctl.graph.array_stores import ArrayFeatures, ArrayGraph
from gnnctl.graph.graph import DEFAULT_EDGE, DEFAULT_NODE, Graph
from gnnctl.graph.store_interfaces import Column, FeatureStore, GraphStore, Key

KEY = Key("node", "x")
VALUES = np.arange(12, dtype=np.float16).reshape(6, 2)


@pytest.fixture
def store() -> ArrayFeatures:
    return ArrayFeatures({KEY: VALUES})


@pytest.mark.parametrize("rows", [[], [0], [5, 0, 5, 2], slice(1, 4), slice(None), slice(2, 2)])
def test_rows_and_ranges_are_read_into_the_buffer(store: ArrayFeatures, rows: list[int] | slice) -> None:
    wanted = rows if isinstance(rows, slice) else np.array(rows, np.int64)
    out = np.full((len(VALUES[wanted]), 2), np.nan, np.float16)
    store.read(KEY, wanted, out)
    assert np.array_equal(out, VALUES[wanted])
    assert np.array_equal(Column(store, KEY)[wanted], VALUES[wanted])


def test_a_column_looks_like_its_array(store: ArrayFeatures) -> None:
    column = Column(store, KEY)
    assert isinstance(store, FeatureStore)
    assert (column.shape, column.ndim, len(column), column.nbytes) == ((6, 2), 2, 6, 24)
    assert column.dtype == np.float16
    assert np.array_equal(np.asarray(column), VALUES)
    assert np.array_equal(column[::2], VALUES[::2])
    assert np.array_equal(column[::-1], VALUES[::-1])
    mask = np.array([True, False, False, True, False, True])
    assert np.array_equal(column[mask], VALUES[mask])


@pytest.mark.parametrize(
    ("rows", "out", "error"),
    [
        (np.array([6]), np.empty((1, 2), np.float16), IndexError),
        (np.array([-1]), np.empty((1, 2), np.float16), IndexError),
        (slice(3, 7), np.empty((4, 2), np.float16), IndexError),
        (slice(3, 1), np.empty((0, 2), np.float16), IndexError),
        (slice(0, 4, 2), np.empty((2, 2), np.float16), ValueError),
        (np.array([1]), np.empty((2, 2), np.float16), ValueError),
        (np.array([1]), np.empty((1, 2), np.float32), TypeError),
        (np.array([1], np.int32), np.empty((1, 2), np.float16), TypeError),
    ],
)
def test_a_wrong_read_is_refused(
    store: ArrayFeatures, rows: np.ndarray | slice, out: np.ndarray, error: type[Exception]
) -> None:
    with pytest.raises(error, match="node x"):
        store.read(KEY, rows, out)


def test_in_edges_are_those_of_the_csc() -> None:
    rng = np.random.default_rng(1)
    graph = Graph.from_coo(9, rng.integers(0, 9, (2, 40)))
    edges = graph.edges[DEFAULT_EDGE]
    store = ArrayGraph({DEFAULT_NODE: 9}, graph.edges)
    assert isinstance(store, GraphStore)
    assert (store.edge_types(), store.num_nodes(DEFAULT_NODE), store.num_edges(DEFAULT_EDGE)) == ([DEFAULT_EDGE], 9, 40)
    nodes = np.array([4, 0, 4, 8])
    colptr, row, positions = store.in_edges(DEFAULT_EDGE, nodes)
    for i, node in enumerate(nodes):
        mine = slice(colptr[i], colptr[i + 1])
        assert np.array_equal(positions[mine], np.arange(edges.colptr[node], edges.colptr[node + 1]))
        assert np.array_equal(row[mine], edges.row[positions[mine]])
    assert [len(part) for part in store.in_edges(DEFAULT_EDGE, nodes[:0])] == [1, 0, 0]
    with pytest.raises(IndexError, match="outside"):
        store.in_edges(DEFAULT_EDGE, np.array([9]))

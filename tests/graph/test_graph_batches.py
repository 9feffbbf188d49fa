"""Batches of whole graphs against a brute-force concatenation, and the checks of a set of graphs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph.graph import Graph
from gnnctl.graph.graph_batches import graphs_batch, ranges
from gnnctl.graph.graphs import GraphSet
from gnnctl.graph.stores import NodeStore
from gnnctl.graph.types import EdgeType

BONDS, IN = EdgeType("atom", "bond", "atom"), EdgeType("atom", "in", "ring")


def many(sizes: list[tuple[int, int]], seed: int = 0) -> Graph:
    """Graphs of (atoms, rings) with random edges, weights, features and features of their own."""
    rng = np.random.default_rng(seed)
    counts = np.array(sizes).reshape(-1, 2)
    ptr = {
        name: np.concatenate([[0], np.cumsum(counts[:, i])]).astype(np.int64) for i, name in enumerate(("atom", "ring"))
    }
    edges: dict[EdgeType, np.ndarray] = {}
    for t in (BONDS, IN):
        parts = [np.zeros((2, 0), np.int64)]
        for g in range(len(counts)):
            ends = [(int(ptr[name][g]), int(ptr[name][g + 1])) for name in (t.src, t.dst)]
            if all(low < high for low, high in ends):
                number = 2 * (ends[0][1] - ends[0][0])
                parts.append(np.stack([rng.integers(*ends[0], number), rng.integers(*ends[1], number)]))
        edges[t] = np.concatenate(parts, 1)
    total = {name: int(p[-1]) for name, p in ptr.items()}
    return Graph.from_coo(
        total,
        edges,
        x={"atom": rng.normal(size=(total["atom"], 3)).astype(np.float32)},
        edge_weight={BONDS: rng.random(edges[BONDS].shape[1]).astype(np.float32)},
        edge_attr={IN: rng.random((edges[IN].shape[1], 2)).astype(np.float32)},
        graphs=GraphSet(
            NodeStore(len(counts), x=rng.normal(size=(len(counts), 2)).astype(np.float32), feature_names=["a", "b"]),
            ptr,
        ),
    )


SIZES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, data=st.data())
def test_a_batch_is_its_graphs_one_after_the_other(sizes, data):
    graph = many(sizes)
    rows = np.array(data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=6)))
    batch = graphs_batch(graph, rows, rows.astype(np.int64), degrees=True)
    assert batch.num_seeds == len(rows)
    assert batch.y.tolist() == rows.tolist()
    np.testing.assert_array_equal(batch.graph_x.numpy(), graph.graphs.table.x[rows])
    for name, ptr in graph.graphs.ptr.items():
        nodes = [n for g in rows for n in range(ptr[g], ptr[g + 1])]
        assert batch.node_id[name].tolist() == nodes
        assert (
            batch.ptr[name].tolist() == np.concatenate([[0], np.cumsum([ptr[g + 1] - ptr[g] for g in rows])]).tolist()
        )
    np.testing.assert_array_equal(batch.x["atom"].numpy(), graph.nodes["atom"].x[batch.node_id["atom"].numpy()])
    assert batch.x["ring"] is None
    for t, store in graph.edges.items():
        index = batch.edge_index[t]
        index._validate()
        source, target = graph.graphs.ptr[t.src], graph.graphs.ptr[t.dst]
        expected, weights = [], []
        for i, g in enumerate(rows):
            for v in range(target[g], target[g + 1]):
                for e in range(store.colptr[v], store.colptr[v + 1]):
                    shift = batch.ptr[t.src][i] - source[g], batch.ptr[t.dst][i] - target[g]
                    expected.append((int(store.row[e] + shift[0]), int(v + shift[1])))
                    weights.append(e)
        col = np.repeat(np.arange(index.num_dst), np.diff(index.colptr.numpy()))
        assert list(zip(index.row.tolist(), col.tolist(), strict=True)) == expected
        if store.weight is not None:
            np.testing.assert_array_equal(batch.edge_weight[t].numpy(), store.weight[weights])
        if store.edge_attr is not None:
            np.testing.assert_array_equal(batch.edge_attr[t].numpy(), store.edge_attr[weights])
        degree = batch.degree[t]
        assert degree.in_edges.tolist() == np.bincount(col, minlength=index.num_dst).tolist()


def test_a_batch_moves_whole():
    batch = graphs_batch(many([(2, 1), (3, 1)]), np.array([1, 0])).to("meta")
    assert batch.ptr["atom"].is_meta
    assert batch.graph_x.is_meta


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4)), max_size=6))
def test_ranges_are_counted_one_by_one(parts):
    first, counts = (np.array([p[i] for p in parts], np.int64) for i in (0, 1))
    assert ranges(first, counts).tolist() == [f + i for f, c in parts for i in range(c)]


def test_a_graph_of_one_has_no_batches_of_graphs():
    with pytest.raises(ValueError, match="many graphs"):
        graphs_batch(Graph.from_coo(2, np.zeros((2, 0), np.int64)), np.array([0]))


@pytest.mark.parametrize(
    ("ptr", "message"),
    [
        ({}, "no ptr of the node type 'node'"),
        ({"node": np.array([0, 3, 2, 4])}, "rise from 0 to 4"),
        ({"node": np.array([0, 4])}, "in 4 entries"),
        ({"node": np.array([0, 1, 2, 3])}, "rise from 0 to 4"),
    ],
)
def test_ranges_that_do_not_fit_are_refused(ptr, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_coo(4, np.zeros((2, 0), np.int64), graphs=GraphSet(NodeStore(3), ptr))


def test_edges_between_graphs_are_found_wherever_they_are(monkeypatch):
    edges = np.array([[0, 2, 1, 3, 4], [1, 1, 0, 2, 3]])
    ptr = {"node": np.array([0, 2, 2, 5])}
    with pytest.raises(ValueError, match="1 lead from one graph to another"):
        Graph.from_coo(5, edges, graphs=GraphSet(NodeStore(3), ptr))
    graph = Graph.from_coo(5, edges)
    (t,) = graph.edges
    for block in (1, 2, 100):
        monkeypatch.setattr("gnnctl.graph.graphs._EDGES", block)
        count, first = GraphSet(NodeStore(3), ptr).crossing(t, graph.edges[t])
        assert (count, first.tolist()) == (1, [[2, 1]])

"""Graphs from edge lists: one order, whatever order the edges came in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.build import ALWAYS
from gnnctl.native import csc_from_coo, order_lists

ONE, TWO = EdgeType("a", "to", "b"), EdgeType("b", "to", "b")
PARTS = ("colptr", "row", "time", "weight", "edge_attr")


def build(parts, order=None, num_threads=1):
    """A graph of two types from arrays by edge type, in the given order of edges."""
    order = {} if order is None else order

    def pick(name):
        found = {t: p[name] for t, p in parts["edges"].items() if p[name] is not None}
        return {t: v[..., order[t]] if name == "coo" else v[order[t]] for t, v in found.items()} if order else found

    return Graph.from_coo(
        parts["sizes"],
        pick("coo"),
        edge_weight=pick("weight"),
        edge_attr=pick("attr"),
        edge_time=pick("time"),
        time=parts["time"],
        num_threads=num_threads,
    )


@st.composite
def inputs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = {"a": int(rng.integers(1, 8)), "b": int(rng.integers(1, 8))}
    time = {t: rng.integers(-3, 4, n) for t, n in sizes.items() if rng.random() < 0.5}
    edges = {}
    for t in (ONE, TWO):
        count = int(rng.integers(0, 60))
        coo = np.stack([rng.integers(0, sizes[t.src], count), rng.integers(0, sizes[t.dst], count)])
        edges[t] = {
            "coo": coo,
            "weight": rng.integers(-1, 2, count).astype(np.float32) * 0.0 if rng.random() < 0.5 else None,
            "attr": rng.integers(0, 2, (count, 2)).astype(np.float32) if rng.random() < 0.5 else None,
            "time": rng.choice([ALWAYS, 0, 1, 2], count) if rng.random() < 0.5 else None,
        }
    order = {t: rng.permutation(e["coo"].shape[1]) for t, e in edges.items()}
    return {"sizes": sizes, "time": time, "edges": edges}, order


@settings(deadline=None, max_examples=150)
@given(inputs())
def test_shuffled_edges_give_the_same_bytes_in_the_order_of_the_design(case):
    parts, order = case
    graph, shuffled = build(parts), build(parts, order, num_threads=2)
    for t, store in graph.edges.items():
        for part in PARTS:
            one, two = getattr(store, part), getattr(shuffled.edges[t], part)
            assert (one is None and two is None) or (one.dtype == two.dtype and one.tobytes() == two.tobytes())
        given_ = parts["edges"][t]
        node_time = graph.nodes[t.src].time
        count = given_["coo"].shape[1]
        visible = np.full(count, ALWAYS)
        if given_["time"] is not None:
            visible = np.maximum(visible, given_["time"])
        if node_time is not None:
            visible = np.maximum(visible, node_time[given_["coo"][0]])
        expected = sorted(
            (
                int(given_["coo"][1, e]),
                int(visible[e]),
                int(given_["coo"][0, e]),
                0 if given_["time"] is None else int(given_["time"][e]),
                () if given_["weight"] is None else np.signbit(-given_["weight"][e : e + 1]).tolist(),
                () if given_["attr"] is None else given_["attr"][e].tolist(),
            )
            for e in range(count)
        )
        col = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
        found = [
            (
                int(col[e]),
                expected[e][1],
                int(store.row[e]),
                0 if store.time is None else int(store.time[e]),
                () if store.weight is None else np.signbit(-store.weight[e : e + 1]).tolist(),
                () if store.edge_attr is None else store.edge_attr[e].tolist(),
            )
            for e in range(count)
        ]
        assert found == expected


def test_times_are_stored_as_given_and_order_the_lists():
    graph = Graph.from_coo(
        3,
        np.array([[0, 1, 2, 1], [0, 0, 0, 0]]),
        time=np.array([5, 0, 2]),
        edge_time=np.array([1, 9, 3, ALWAYS]),
        edge_weight=np.array([1.0, 2.0, 3.0, 4.0]),
    )
    [store] = graph.edges.values()
    assert store.row.tolist() == [1, 2, 0, 1]
    assert store.time.tolist() == [ALWAYS, 3, 1, 9]
    assert store.weight.tolist() == [4, 3, 1, 2]
    assert graph.nodes["node"].time.tolist() == [5, 0, 2]


def test_large_lists_do_not_depend_on_threads():
    rng = np.random.default_rng(1)
    count = 300_000
    coo = np.stack([rng.integers(0, 500, count), np.minimum(rng.integers(0, 3000, count), 2000)])
    time, weight = rng.integers(0, 50, count), rng.random(count)
    one, two = (
        Graph.from_coo(3000, coo, edge_time=time, edge_weight=weight, num_threads=n).edges.popitem()[1] for n in (1, 3)
    )
    assert all(np.array_equal(getattr(one, p), getattr(two, p)) for p in ("colptr", "row", "time", "weight"))
    for d in (0, 2000):
        mine = slice(one.colptr[d], one.colptr[d + 1])
        order = np.lexsort((one.weight[mine], one.row[mine], one.time[mine]))
        assert np.array_equal(order, np.arange(len(order)))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"edges": np.array([[0], [3]])}, ValueError, r"edges 'node to node': col"),
        ({"edges": np.array([[-1], [0]])}, ValueError, r"edges 'node to node': row"),
        ({"edges": np.array([[0.5], [0]])}, TypeError, "edges: expected integers"),
        ({"edges": np.array([0, 1])}, ValueError, r"edges: expected shape \(2, E\)"),
        ({"edge_time": np.array([1, 2])}, ValueError, "edge_time: expected shape"),
        ({"edge_time": np.array([0.5])}, TypeError, "edge_time: expected integers"),
        ({"time": np.array([1])}, ValueError, "time of 'node'"),
        ({"time": {"nothing": np.array([1])}}, ValueError, "time: there is no type 'nothing'"),
        ({"edge_weight": np.ones(2)}, ValueError, "edge_weight: expected 1 entries"),
        ({"edge_attr": np.ones(1)}, ValueError, "edge_attr: expected 1 entries in 2 dimensions"),
        ({"edges": {EdgeType("node", "to", "other"): np.zeros((2, 0), int)}}, ValueError, "needs a node type 'other'"),
    ],
)
def test_wrong_input_is_named(change, error, message):
    arguments = {"edges": np.array([[0], [1]])} | change
    with pytest.raises(error, match=message):
        Graph.from_coo(3, **arguments)


@pytest.mark.parametrize(
    ("place", "value", "name"),
    [
        (0, np.array([0, 2, 1]), "colptr"),
        (0, np.array([0, 1]), "colptr"),
        (1, np.zeros(3, np.float32), "row"),
        (2, np.array([0, 1, 3]), "perm"),
        (2, np.array([0, 1]), "perm"),
        (3, np.array([0, 1]), "visible"),
        (4, [np.zeros(3, np.float64)], "ties"),
        (4, [np.zeros((2, 1), np.float32)], "ties"),
        (5, 0, "num_threads"),
    ],
)
def test_the_native_order_checks_its_arguments(place, value, name):
    colptr, row, perm = csc_from_coo(np.array([0, 1, 1]), np.array([0, 1, 1]), 2, 2)
    arguments = [colptr, row, perm, np.zeros(3, np.int64), [], 1]
    arguments[place] = value
    with pytest.raises((ValueError, TypeError), match=rf"^{name}"):
        order_lists(*arguments)

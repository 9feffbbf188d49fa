import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnnctl.errors import DataError
from gnnctl.graph import EdgeType

AB = EdgeType("a", "to", "b")
AA = EdgeType("a", "to", "a")
NEVER = np.iinfo(np.int64).min


def edges_of(build, tmp_path, columns, edge_type="a to a", nodes=None, **edge):
    pq.write_table(pa.table(columns), tmp_path / "e.parquet")
    return build({"nodes": nodes or {}, "edges": {edge_type: {"table": "e.parquet", **edge}}})


def listed(graph, edge_type, *arrays):
    """Edges as tuples (source id, target id, further arrays) in CSC order."""
    store = graph.edges[edge_type]
    src, dst = (graph.nodes[t].ids.to_pylist() for t in (edge_type.src, edge_type.dst))
    ends = np.repeat(np.arange(len(dst)), np.diff(store.colptr))
    more = [getattr(store, name).tolist() for name in arrays]
    return [(src[s], dst[d], *rest) for s, d, *rest in zip(store.row, ends, *more, strict=True)]


def test_edges_are_sorted_by_destination_then_source(build, tmp_path):
    columns = {"source": ["c", "a", "b", "a"], "target": ["a", "c", "a", "b"]}
    graph = edges_of(build, tmp_path, columns)
    assert listed(graph, AA) == [("b", "a"), ("c", "a"), ("a", "b"), ("a", "c")]
    assert graph.edges[AA].row.dtype == np.int32
    assert graph.edges[AA].colptr.dtype == np.int64


def test_weights_and_features_follow_their_edges(build, tmp_path):
    columns = {
        "source": ["x", "y", "x"],
        "target": [2, 2, 1],
        "w": [0.5, 2, 1],
        "f": [1.0, 2.0, 3.0],
        "k": ["p", "q", "p"],
    }
    graph = edges_of(build, tmp_path, columns, "a to b", weight="w", features={"f": "raw", "k": "onehot"}, reverse=True)
    assert listed(graph, AB, "weight", "edge_attr") == [
        ("x", 1, 1.0, [3.0, 1.0, 0.0]),
        ("x", 2, 0.5, [1.0, 1.0, 0.0]),
        ("y", 2, 2.0, [2.0, 0.0, 1.0]),
    ]
    assert graph.edges[AB].feature_names == ["f", "k=p", "k=q"]
    back = EdgeType("b", "rev_to", "a")
    assert listed(graph, back, "forward", "weight", "edge_attr") == [
        (1, "x", 0, 1.0, [3.0, 1.0, 0.0]),
        (2, "x", 1, 0.5, [1.0, 1.0, 0.0]),
        (2, "y", 2, 2.0, [2.0, 0.0, 1.0]),
    ]


def test_edges_become_visible_with_the_later_of_edge_and_source(build, tmp_path):
    pq.write_table(pa.table({"id": ["p", "q", "r", "s"], "born": [10, 3, None, 0]}), tmp_path / "n.parquet")
    nodes = {"a": {"table": "n.parquet", "time": "born"}}
    columns = {"source": ["p", "q", "r", "q"], "target": ["s"] * 4, "t": [1, 5, 4, None]}
    timed = edges_of(build, tmp_path, columns, nodes=nodes, time="t", reverse=True)
    assert listed(timed, AA, "time") == [("q", "s", NEVER), ("r", "s", 4), ("q", "s", 5), ("p", "s", 1)]
    # Going back every edge comes from s, who is there from 0 on.
    back = EdgeType("a", "rev_to", "a")
    assert listed(timed, back, "time", "forward") == [
        ("s", "p", 1, 3), ("s", "q", NEVER, 0), ("s", "q", 5, 2), ("s", "r", 4, 1),
    ]  # fmt: skip
    untimed = edges_of(build, tmp_path, columns, nodes=nodes)
    assert listed(untimed, AA) == [("r", "s"), ("q", "s"), ("q", "s"), ("p", "s")]
    assert untimed.edges[AA].time is None


def test_undirected_stores_both_directions_and_self_loops_once(build, tmp_path):
    columns = {"source": ["a", "b"], "target": ["b", "b"], "w": [1.0, 2.0]}
    graph = edges_of(build, tmp_path, columns, undirected=True, weight="w")
    assert listed(graph, AA, "weight") == [("b", "a", 1.0), ("a", "b", 1.0), ("b", "b", 2.0)]
    both = {"source": ["a", "b"], "target": ["b", "a"]}
    assert edges_of(build, tmp_path, both, undirected=True).num_edges == 4
    assert edges_of(build, tmp_path, both, undirected=True, duplicates="first").num_edges == 2


def test_self_loops_can_be_dropped(build, tmp_path):
    columns = {"source": ["a", "b", "a"], "target": ["a", "b", "b"]}
    graph = edges_of(build, tmp_path, columns, self_loops="drop")
    assert listed(graph, AA) == [("a", "b")]
    assert graph.notes == ["edges 'a to a': dropped 2 self-loops"]
    other = edges_of(build, tmp_path, columns, "a to b", self_loops="drop")
    assert other.num_edges == 3


def test_duplicates_by_option(build, tmp_path):
    columns = {"source": ["a", "a", "a", "b"], "target": ["b"] * 4, "t": [3, 1, 2, 1]}
    keep = edges_of(build, tmp_path, columns, time="t")
    assert listed(keep, AA, "time") == [("a", "b", 1), ("b", "b", 1), ("a", "b", 2), ("a", "b", 3)]
    first = edges_of(build, tmp_path, columns, time="t", duplicates="first")
    assert listed(first, AA, "time") == [("a", "b", 1), ("b", "b", 1)]
    last = edges_of(build, tmp_path, columns, time="t", duplicates="last")
    assert listed(last, AA, "time") == [("b", "b", 1), ("a", "b", 3)]
    assert last.notes == ["edges 'a to a': dropped 2 duplicates"]
    bare = edges_of(build, tmp_path, columns, duplicates="first")
    assert listed(bare, AA) == [("a", "b"), ("b", "b")]
    with pytest.raises(DataError, match=r"2 duplicate edges: 'a' -> 'b' \(3 times\)"):
        edges_of(build, tmp_path, columns, duplicates="error")


def test_all_edges_may_be_dropped(build, tmp_path):
    columns = {"source": ["a"], "target": ["a"], "f": [1.0]}
    graph = edges_of(build, tmp_path, columns, self_loops="drop", reverse=True)
    assert graph.num_edges == 0
    assert graph.edges[AA].colptr.tolist() == [0, 0]


EDGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edges=EDGES, times=st.lists(st.integers(0, 3), min_size=6, max_size=6), random=st.randoms(use_true_random=False))
def test_any_graph_equals_a_plain_sort_however_its_rows_are_ordered(build, tmp_path, edges, times, random):
    ids = [f"s{i}" for i in range(6)]
    pq.write_table(pa.table({"id": ids, "born": times}), tmp_path / "n.parquet")
    expected = sorted(edges, key=lambda e: (e[1], max(times[e[0]], e[2]), e[0], e[2], e[3]))
    contents = set()
    for _ in range(2):
        random.shuffle(edges)
        columns = {
            "source": [f"s{s}" for s, *_ in edges],
            "target": [d for _, d, *_ in edges],
            "t": [t for _, _, t, _ in edges],
            "w": [w for *_, w in edges],
        }
        nodes = {"a": {"table": "n.parquet", "time": "born"}}
        graph = edges_of(
            build, tmp_path, columns, "a to b", nodes=nodes, time="t", features={"w": "standard"}, reverse=True
        )
        found = listed(graph, AB, "time")
        assert found == [(f"s{s}", d, t) for s, d, t, _ in expected]
        back = graph.edges[EdgeType("b", "rev_to", "a")]
        forward = graph.edges[AB]
        ends = np.repeat(np.arange(len(forward.colptr) - 1), np.diff(forward.colptr))
        np.testing.assert_array_equal(back.row, ends[back.forward])
        np.testing.assert_array_equal(back.time, forward.time[back.forward])
        sources = np.repeat(np.arange(6), np.diff(back.colptr))
        np.testing.assert_array_equal(forward.row[back.forward], sources)
        order = list(zip(sources, back.time, back.row, back.forward, strict=True))
        assert order == sorted(order)
        contents.add(graph.artifact.manifest.content)
    assert len(contents) == 1

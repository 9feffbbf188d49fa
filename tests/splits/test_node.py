import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.errors import DataError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.splits import By, Fractions, NodeSplit, find_target, split_nodes

WAYS = [By(), By("stratified"), By("group", "team"), By("time", "year"), By("column", "given")]


def graph(count, ids=None, classes=4):
    rng = np.random.default_rng(count)
    ids = [f"n{i:04}" for i in range(count)] if ids is None else ids
    label = [None if i % 7 == 3 else f"class {i % classes}" for i in range(count)]
    table = pa.table(
        {
            "label": pa.array(label, pa.string()),
            "team": pa.array([f"team {i // 3}" for i in range(count)]),
            "year": pa.array([2000 + i % 23 for i in range(count)]),
            "given": pa.array([("train", "val", "test")[i % 3] for i in range(count)]),
            "value": pa.array(rng.normal(3, 2, count)),
        }
    )
    return Graph.from_coo(count, np.empty((2, 0), np.int64), columns=table, ids={"node": pa.array(ids)})


@settings(max_examples=40, deadline=None)
@given(count=st.integers(120, 300), way=st.sampled_from(WAYS), seed=st.integers(0, 5))
def test_parts_are_disjoint_and_hold_every_labelled_node(count, way, seed):
    g = graph(count)
    made = split_nodes(g, find_target(g, "label"), way, Fractions(0.2, 0.3), seed)
    rows = [made.part(name)[0] for name in ("train", "val", "test")]
    everyone = np.sort(np.concatenate(rows))
    assert everyone.tolist() == [i for i in range(count) if i % 7 != 3]
    assert all((np.diff(r) > 0).all() for r in rows)
    for name in made.parts:
        part, labels = made.part(name)
        assert [made.target.classes[v] for v in labels] == [f"class {i % 4}" for i in part]
    assert made.counts == {"without_label": len(range(3, count, 7)), "in_no_part": 0}


def test_no_team_crosses():
    g = graph(300)
    made = split_nodes(g, find_target(g, "label"), By("group", "team"), Fractions(0.2, 0.3))
    teams = [{int(row) // 3 for row in made.part(name)[0]} for name in made.parts]
    assert sum(map(len, teams)) == len(set.union(*teams))


def test_a_given_split_is_exact():
    g = graph(90)
    made = split_nodes(g, find_target(g, "label"), By("column", "given"))
    assert made.part("val")[0].tolist() == [i for i in range(90) if i % 3 == 1 and i % 7 != 3]


def test_the_way_does_not_depend_on_the_order_of_rows():
    ids = [f"n{i:04}" for i in range(200)]
    shuffled = list(np.random.default_rng(0).permutation(ids))
    found = []
    for order in (ids, shuffled):
        g = graph(200, order, classes=1)
        made = split_nodes(g, find_target(g, "value"), By(), Fractions(0.2, 0.2), seed=3)
        found.append({order[row] for row in made.part("test")[0]})
    assert found[0] == found[1]


def test_numbers_keep_the_training_statistics():
    g = graph(200)
    made = split_nodes(g, find_target(g, "value"))
    labels = made.part("train")[1]
    assert made.target.mean == pytest.approx(labels.mean(), rel=1e-5)
    assert made.target.std == pytest.approx(labels.std(), rel=1e-5)


@pytest.mark.parametrize("column", ["label", "value", "tags"])
def test_what_is_written_is_read(tmp_path, column):
    g = graph(200)
    tags = pa.array([[f"t{j}" for j in range(i % 4)] for i in range(200)])
    table = g.nodes["node"].columns.append_column("tags", tags)
    g = Graph.from_coo(200, np.empty((2, 0), np.int64), columns=table)
    made = split_nodes(g, find_target(g, column))
    with ArtifactWriter(tmp_path / "split", Recipe("split", "split", 1, {})) as writer:
        made.write(writer)
    found = NodeSplit.open(tmp_path / "split", g)
    assert found.target == made.target
    assert found.warnings == made.warnings
    for name in made.parts:
        for a, b in zip(found.part(name), made.part(name), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_a_class_that_training_never_sees_is_a_warning():
    table = pa.table({"y": ["a"] * 8 + ["b", "rare"], "given": ["train"] * 8 + ["val", "test"]})
    g = Graph.from_coo(10, np.empty((2, 0), np.int64), columns=table)
    made = split_nodes(g, find_target(g, "y"), By("column", "given"))
    assert made.warnings == ["never seen in training, so never predicted: 2 of 3 classes (b, rare)"]


def test_numbers_that_never_vary_are_a_warning():
    table = pa.table({"y": [1.5] * 40})
    g = Graph.from_coo(40, np.empty((2, 0), np.int64), columns=table)
    assert "nothing to learn" in split_nodes(g, find_target(g, "y")).warnings[0]


@pytest.mark.parametrize(
    ("way", "shares", "message"),
    [
        (By("group", "one"), Fractions(0.1, 0.2), "part of the split --by group:one has no seeds"),
        (By("time", "one"), Fractions(0.1, 0.2), "has no seeds"),
        (By("column", "never"), Fractions(), "the train part"),
        (By("group", "won"), Fractions(), "no column 'won' of node .nearest: one."),
    ],
)
def test_a_part_without_seeds_is_refused(way, shares, message):
    table = pa.table({"y": ["a", "b"] * 20, "one": [1] * 40, "never": ["test"] * 40})
    g = Graph.from_coo(40, np.empty((2, 0), np.int64), columns=table)
    with pytest.raises(DataError, match=message):
        split_nodes(g, find_target(g, "y"), way, shares)


def test_a_part_may_be_done_without():
    g = graph(100)
    made = split_nodes(g, find_target(g, "label"), By(), Fractions(0, 0.2))
    assert len(made.part("val")[0]) == 0
    assert made.warnings == ["the val part has no seeds"]


def test_stratified_needs_classes():
    g = graph(100)
    with pytest.raises(UsageError, match="stratified needs classes"):
        split_nodes(g, find_target(g, "value"), By("stratified"))


def test_a_map_needs_a_column():
    g = graph(100)
    with pytest.raises(UsageError, match="--map does not go with"):
        split_nodes(g, find_target(g, "label"), By(), names={"a": "train"})

import numpy as np
import pyarrow as pa
import pytest

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.splits import Target, find_target


def graph(node_types=("paper",), **columns):
    count = len(next(iter(columns.values())))
    table = pa.table({k: v if isinstance(v, pa.Array) else pa.array(v) for k, v in columns.items()})
    return Graph.from_coo(dict.fromkeys(node_types, count), {}, columns={node_types[0]: table})


def test_text_is_classes_in_order():
    g = graph(topic=["ml", None, "db", "ml"])
    target = find_target(g, "paper.topic")
    assert target == Target("paper", "topic", "multiclass", ["db", "ml"], 2)
    known, labels = target.labels(g)
    assert known.tolist() == [True, False, True, True]
    assert labels[known].tolist() == [1, 0, 1]
    assert labels.dtype == np.int64


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([3, 1, 3], [1, 3]),
        ([True, False, True], [False, True]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["a", "b"]),
    ],
)
def test_other_classes(values, classes):
    assert find_target(graph(y=values), "paper.y").classes == classes


def test_fractions_are_numbers():
    target = find_target(graph(y=[0.5, None, 2.0]), "paper.y")
    assert (target.problem, target.classes, target.num_outputs) == ("regression", None, 1)
    known, labels = target.labels(graph(y=[0.5, None, 2.0]))
    assert known.tolist() == [True, False, True]
    assert labels.dtype == np.float32


def test_integers_of_many_values_are_numbers_unless_told():
    g = graph(y=list(range(1500)))
    assert find_target(g, "paper.y").problem == "regression"
    assert find_target(g, "paper.y", "multiclass").num_outputs == 1500


def test_lists_are_label_sets():
    g = graph(tags=[["b", "a"], [], None, ["b"]])
    target = find_target(g, "paper.tags")
    assert (target.problem, target.classes) == ("multilabel", ["a", "b"])
    known, labels = target.labels(g)
    assert known.tolist() == [True, True, False, True]
    assert labels.tolist() == [[1, 1], [0, 0], [0, 0], [0, 1]]


def test_text_cut_into_label_sets():
    g = graph(tags=["b; a", "", None, "b"])
    target = find_target(g, "paper.tags", delimiter=";")
    assert (target.problem, target.classes, target.delimiter) == ("multilabel", ["a", "b"], ";")
    known, labels = target.labels(g)
    assert known.tolist() == [True, True, False, True]
    assert labels.tolist() == [[1, 1], [0, 0], [0, 0], [0, 1]]


def test_another_graph_is_read_with_the_same_classes():
    target = find_target(graph(y=["a", "b", "c"]), "paper.y")
    known, labels = target.labels(graph(y=["c", "new", None]))
    assert known.tolist() == [True, False, False]
    assert labels[0] == 2


def test_a_target_survives_json():
    target = find_target(graph(y=["a", "b"]), "paper.y")
    assert Target.from_json(target.to_json()) == target


def test_names_may_be_short_where_they_are_clear():
    g = graph(topic=["a", "b"])
    assert find_target(g, "topic").column == "topic"


def test_type_names_may_hold_dots():
    g = graph(("a.b", "a"), y=["x", "y"])
    assert find_target(g, "a.b.y").node_type == "a.b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paper.topik", "keeps no column 'topik' of paper .nearest: topic.; kept are topic"),
        ("papers.topic", "no node type 'papers' .nearest: paper.; it has paper, author"),
        ("author.topic", "none is kept"),
    ],
)
def test_what_is_not_there_is_named(text, message):
    with pytest.raises(DataError, match=message):
        find_target(graph(("paper", "author"), topic=["a", "b"]), text)


@pytest.mark.parametrize("text", [None, "paper"])
def test_a_target_must_be_named(text):
    with pytest.raises(UsageError, match="--target"):
        find_target(graph(("paper", "author"), topic=["a", "b"]), text)


@pytest.mark.parametrize(
    ("values", "problem", "delimiter", "error"),
    [
        (["a"], "regression", None, UsageError),
        (["a"], "multilabel", None, UsageError),
        (["a"], "ranking", None, UsageError),
        ([["a"]], "multiclass", None, UsageError),
        ([["a"]], "auto", ";", UsageError),
        ([[0.5]], "auto", None, DataError),
        ([{"a": 1}], "auto", None, DataError),
        (pa.nulls(3), "auto", None, DataError),
        (pa.array([None, None], pa.string()), "auto", None, DataError),
    ],
)
def test_what_cannot_be_predicted(values, problem, delimiter, error):
    with pytest.raises(error):
        find_target(graph(y=values), "paper.y", problem, delimiter)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_must_be_finite(bad):
    g = graph(y=[1.0, bad])
    with pytest.raises(DataError, match="not finite in 1 rows"):
        find_target(g, "paper.y").labels(g)


def test_one_class_is_nothing_to_tell_apart():
    with pytest.raises(DataError, match="nothing to tell apart"):
        find_target(graph(team=pa.array(["red", None, "red"])), "paper.team")

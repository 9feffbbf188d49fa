"""The training report: its numbers against scikit-learn and torchmetrics, and its page."""

from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix
from torchmetrics.functional.classification import multiclass_calibration_error

from gnnctl.page.charts import line_chart, matrix_chart
from gnnctl.training.report.quality import calibration, confusion, quality_cards
from gnnctl.training.report.slices import by_powers, by_values, over_time
from gnnctl.training.tasks import Task


class Balanced(HTMLParser):
    """Collects text; fails where a tag is closed that is not open."""

    alone = ("meta", "br")

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.alone:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page: str) -> str:
    parser = Balanced()
    parser.feed(page)
    assert not parser.open
    return " ".join(parser.text)


@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_confusion_and_calibration_are_the_libraries_own(classes, n, seed):
    rng = np.random.default_rng(seed)
    scores = torch.from_numpy(rng.normal(size=(n, classes))).softmax(1).float()
    y = rng.integers(0, classes, n)
    found = confusion(y, scores.argmax(1).numpy(), classes)
    assert np.array_equal(found, confusion_matrix(y, scores.argmax(1).numpy(), labels=np.arange(classes)))
    _, error = calibration(scores.numpy(), y)
    known = multiclass_calibration_error(scores, torch.from_numpy(y), classes, n_bins=10, norm="l1")
    assert error == pytest.approx(float(known), abs=1e-5)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_slices_by_size_hold_every_seed_once(sizes):
    names, members = by_powers(np.array(sizes))
    assert sorted(np.concatenate(members).tolist()) == list(range(len(sizes)))
    assert len(set(names)) == len(names)
    for name, chosen in zip(names, members, strict=True):
        low, _, high = name.replace(",", "").partition(" to ")
        assert all(int(low) <= sizes[i] <= int(high or low) for i in chosen)


def test_slices_by_value():
    names, members = by_values(pa.chunked_array([["a", None], ["b", "a"]]))
    assert dict(zip(names, [m.tolist() for m in members], strict=True)) == {"a": [0, 3], "none": [1], "b": [2]}
    assert by_values(pa.chunked_array([["a", "a"]])) is None
    assert by_values(pa.chunked_array([pa.array(range(50))])) is None
    assert by_values(pa.chunked_array([[[1], [2]]])) is None


@pytest.mark.parametrize("values", [[], [(1, 0.5)], [(1, 2.0), (2, 2.0)], [(1, -3.0), (90, 4e6)]])
def test_charts_of_few_values(values):
    read(line_chart({"<loss>": values}, x="epoch", mark=1))


def test_a_chart_escapes_its_names():
    assert "<script>" not in matrix_chart(np.eye(2), ["<script>", "b"], rows="true", columns="predicted")


def test_the_per_class_table_of_labels_and_numbers():
    task = Task("multilabel", 2)
    y = np.array([[1, 0], [1, 1], [0, 0]], np.float32)
    (card,) = quality_cards(task, np.where(y > 0, 9.0, -9.0).astype(np.float32), y, ["x", "y"], "test")
    assert read(card.html()).count("1.000") == 6
    (card,) = quality_cards(Task("regression", 1), y[:, :1], y[:, 0], [], "test")
    assert "0.000" in read(card.html())


def test_the_metric_over_time():
    times = np.arange(100)[::-1].copy()
    right = times >= 50
    card = over_time("accuracy", times, lambda chosen: float(right[chosen].mean()))
    assert card is not None
    assert "accuracy: 0 at" in card.body
    assert "accuracy: 1 at" in card.body
    day = 86_400_000_000
    card = over_time("accuracy", day * (18_262 + np.arange(120)), lambda chosen: 1.0)
    assert ">2020-01-05<" in card.body
    assert ">2020-04-24<" in card.body
    assert over_time("accuracy", np.full(100, 7), lambda chosen: 1.0) is None
    assert over_time("accuracy", np.full(100, np.iinfo(np.int64).min), lambda chosen: 1.0) is None

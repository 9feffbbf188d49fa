"""The training report: its numbers against scikit-learn and torchmetrics, and its page."""

import re
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
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.folds import summarise
from gnnctl.training.loop import FitResult
from gnnctl.training.report import report_page
from gnnctl.training.report.quality import calibration, confusion, quality_cards
from gnnctl.training.report.slices import by_powers, by_values, headline, over_time
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
    card, sure = quality_cards(task, np.where(y > 0, 9.0, -9.0).astype(np.float32), y, ["x", "y"], "test")
    assert read(card.html()).count("1.000") == 6
    assert "Expected calibration error 0.000" in sure.note
    (card,) = quality_cards(Task("regression", 1), y[:, :1], y[:, 0], [], "test")
    assert "0.000" in read(card.html())


def test_several_targets_are_calibrated_where_they_are_known():
    task = Task("multibinary", 2, names=("x", "y"))
    y = np.array([[1, np.nan], [0, 1], [1, 0], [1, np.nan]], np.float32)
    table, sure = quality_cards(task, np.zeros((4, 2), np.float32), y, [], "test")
    assert rows_of_table(table) == [("x", "4"), ("y", "2")]
    assert "Expected calibration error 0.167" in sure.note  # 4 of 6 are yes, all said to be as likely as not


def rows_of_table(card):
    return re.findall(r'<th scope="row">(.*?)</th><td[^>]*>(.*?)</td>', card.body)


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


def test_a_small_matrix_says_its_shares():
    counts = np.array([[3, 1], [0, 4]])
    assert read(matrix_chart(counts, ["a", "b"], rows="true", columns="predicted")).split().count("75%") == 1
    assert "%</text>" not in matrix_chart(np.eye(20), [str(i) for i in range(20)], rows="true", columns="predicted")


def test_slices_have_the_metric_that_chooses_epochs_too():
    rng = np.random.default_rng(0)
    logits, y = torch.from_numpy(rng.normal(size=(40, 3)).astype(np.float32)), torch.from_numpy(rng.integers(0, 3, 40))
    assert list(headline(Task("multiclass", 3), logits, y)) == ["accuracy"]
    columns = headline(Task("multiclass", 3, skewed=True), logits, y)
    assert list(columns) == ["accuracy", "macro_f1"]
    chosen = np.arange(0, 40, 3)
    assert columns["accuracy"](chosen) == pytest.approx(float((logits.argmax(1) == y)[chosen].float().mean()))
    assert list(headline(Task("multiclass", 2), logits[:, :2], y % 2)) == ["accuracy", "auroc"]


NOTHING = FitResult({}, 0, None, "loss", 0, False, [])


def test_the_page_of_folds_has_both_protocols():
    each = [
        {
            "fold": i,
            "seeds": {"train": 8, "val": 4, "test": 4},
            "best_epoch": 2,
            "val": {"accuracy": 0.5},
            "test": {"accuracy": 0.25 + 0.25 * i},
            "epochs": [1, 2],
            "test_curves": {"accuracy": [0.75, 0.25 + 0.25 * i]},
        }
        for i in range(3)
    ]
    metrics = {"test": {"seeds": 4, "accuracy": 0.5, "baseline": {"accuracy": 0.25}}}
    page = report_page(
        "gin", NOTHING, Evaluation(metrics), target="graph.label", command="", folds=summarise(each, "accuracy")
    )
    text = " ".join(read(page.replace("<!doctype html>", "")).split())
    assert "fold 3 4 2 0.750" in text
    assert "all, epochs chosen on other folds 12 0.500 ± 0.204" in text
    assert "all, one epoch chosen on these folds 12 1 0.750 ± 0.000" in text
    assert "Each fold tested once" not in report_page("gin", NOTHING, Evaluation(metrics), target="", command="")


def test_metrics_that_are_not_known_are_no_columns():
    metrics = {"val": {"seeds": 4, "loss": None, "baseline": {}}, "test": {"seeds": 0, "loss": None, "baseline": {}}}
    page = report_page("sage", NOTHING, Evaluation(metrics), target="user", command="")
    assert "Exact metrics" not in page
    metrics["val"]["probe_accuracy"] = metrics["test"]["probe_accuracy"] = 0.5
    page = report_page("sage", NOTHING, Evaluation(metrics, note="of a probe"), target="user", command="")
    assert "probe_accuracy" in page
    assert ">loss<" not in page
    assert "of a probe" in page

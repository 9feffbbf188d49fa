"""Several targets of one model, each with values of its own: split, train, predict, report."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from molecules_task import write_molecules

from gnnctl.training.metrics import baseline, evaluate
from gnnctl.training.tasks import Task

PARTS = ("--val", "0.2", "--test", "0.2")


@pytest.fixture
def graph(cli, tmp_path):
    """Molecules with two yes-or-no targets and a number, a third of the values missing."""
    spec = write_molecules(tmp_path / "tables", 100)
    table = pq.read_table(tmp_path / "tables" / "graphs.parquet")
    rng = np.random.default_rng(1)
    ring, nitrogens = (np.array(table[name].to_pylist()) for name in ("label", "nitrogens"))
    values = {"ring": ring == "ring", "rich": nitrogens > 2, "count": nitrogens, "double": 2.0 * nitrogens + 10}
    for name, column in values.items():
        missing = rng.random(len(column)) < (0.3 if name in ("rich", "double") else 0.0)
        table = table.append_column(name, pa.array(column.tolist(), mask=missing))
    pq.write_table(table, tmp_path / "tables" / "graphs.parquet")
    text = spec.read_text().replace(
        'columns = ["nitrogens", ', 'columns = ["ring", "rich", "count", "double", "nitrogens", '
    )
    spec.write_text(text)
    assert cli("ingest", spec, "-o", tmp_path / "graph")[0] == 0
    return tmp_path / "graph"


def trained(cli, graph, target, *more):
    folder = graph.parent
    code, _, said = cli(
        "split", graph, "-o", folder / "split", "--task", "graph", "--target", target, *PARTS, "--force"
    )
    assert code == 0, said
    options = (
        "--model",
        "gin",
        "--hidden",
        "32",
        "--layers",
        "3",
        "--dropout",
        "0",
        "--epochs",
        "40",
        "--batch-size",
        "16",
    )
    code, _, said = cli("train", folder / "split", "-o", folder / "model", *options, *more, "--force")
    assert code == 0, said
    return json.loads((folder / "model" / "metrics.json").read_text())


def test_yes_or_no_with_missing_values(cli, graph, tmp_path):
    found = trained(cli, graph, "ring,rich", "--class-weights", "balanced")["test"]
    assert found["auroc"] == pytest.approx((found["auroc/ring"] + found["auroc/rich"]) / 2)
    assert found["auroc/ring"] > 0.95
    assert found["accuracy"] > found["baseline"]["accuracy"]
    assert cli("predict", tmp_path / "model", "-o", tmp_path / "predictions")[0] == 0
    metrics = json.loads((tmp_path / "predictions" / "metrics.json").read_text())
    assert metrics["test"]["auroc/rich"] == pytest.approx(found["auroc/rich"])
    table = pq.read_table(tmp_path / "predictions" / "predictions.parquet")
    wanted = [f"{kind}_{name}" for name in ("ring", "rich") for kind in ("target", "prediction", "score")]
    assert table.column_names == ["id", "split", *wanted]
    assert table["target_rich"].null_count > 10
    assert ((np.array(table["score_ring"]) >= 0.5) == np.array(table["prediction_ring"])).all()
    assert "Targets, test" in (tmp_path / "model" / "report.html").read_text()


def test_numbers_of_different_size(cli, graph, tmp_path):
    found = trained(cli, graph, "count,double")["test"]
    assert found["rmse"] < 0.8 * found["baseline"]["rmse"]
    assert found["rmse/count"] < found["rmse/double"] + 1
    assert cli("predict", tmp_path / "model", "-o", tmp_path / "predictions")[0] == 0
    table = pq.read_table(tmp_path / "predictions" / "predictions.parquet")
    assert table.column_names == [
        "id",
        "split",
        "target_count",
        "prediction_count",
        "target_double",
        "prediction_double",
    ]
    assert 8 < np.mean(table["prediction_double"]) < 30  # in the target's unit


def test_a_number_beside_a_yes_or_no_is_a_number(cli, graph):
    code, out, _ = cli(
        "split", graph, "-o", graph.parent / "s", "--task", "graph", "--target", "ring,count", *PARTS, "--json"
    )
    assert code == 0
    assert json.loads(out)["problem"] == "multiregression"


REFUSED = [
    ("ring,ring", (), "names a column twice"),
    ("ring,", (), "names a column twice, or none"),
    ("ring,label", (), "graph.label is string"),
    ("ring,nowhere", (), "no column 'nowhere'"),
    ("ring,count", ("--problem", "multibinary"), "other values than 0 and 1"),
    ("ring,rich", ("--problem", "multiclass"), "is for one column"),
    ("ring,rich", ("--by", "stratified"), "needs classes"),
]


def test_what_does_not_fit_is_refused(cli, graph):
    for target, more, message in REFUSED:
        asked = ("--task", "graph", "--target", target, *PARTS, *more)
        code, _, said = cli("split", graph, "-o", graph.parent / "s", *asked)
        assert code in (2, 3), target
        assert message in said
        assert not (graph.parent / "s").exists()


@pytest.mark.parametrize("problem", ["multibinary", "multiregression"])
@pytest.mark.parametrize("focal", [0.0, 2.0])
def test_the_loss_is_the_mean_over_what_is_known(problem, focal):
    torch.manual_seed(0)
    logits = torch.randn(20, 3, requires_grad=True)
    y = (torch.rand(20, 3) > 0.5).float() if problem == "multibinary" else torch.randn(20, 3) * 5
    known = torch.rand(20, 3) > 0.4
    task = Task(problem, 3, (1.0, 2.0, 3.0), (2.0, 1.0, 0.5), ("a", "b", "c"), focal=focal)
    loss = task.loss(logits, torch.where(known, y, torch.nan))
    values = []
    for i, j in known.nonzero().tolist():
        if problem == "multiregression":
            values.append((logits[i, j] - (y[i, j] - task.mean[j]) / task.std[j]) ** 2)
        else:
            p = torch.sigmoid(logits[i, j]) if y[i, j] else 1 - torch.sigmoid(logits[i, j])
            values.append(-((1 - p) ** focal) * p.log())
    torch.testing.assert_close(loss, torch.stack(values).mean())
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[~known].abs().max() == 0
    assert gradient.isfinite().all()


def test_metrics_are_torchmetrics_of_each_target():
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 2, generator=rng)
    y = (torch.rand(50, 2, generator=rng) > 0.5).float()
    y[:20, 1] = torch.nan
    found = evaluate(Task("multibinary", 2, names=("a", "b")), logits, y)
    auroc = [binary_auroc(logits[:, 0], y[:, 0].long()), binary_auroc(logits[20:, 1], y[20:, 1].long())]
    assert found["auroc"] == pytest.approx(float(sum(auroc)) / 2)
    assert found["average_precision/b"] == pytest.approx(
        float(binary_average_precision(logits[20:, 1].sigmoid(), y[20:, 1].long()))
    )
    nothing = evaluate(Task("multibinary", 2, names=("a", "b")), logits[:0], y[:0])
    assert set(nothing.values()) == {None}
    assert baseline(Task("multibinary", 2, names=("a", "b")), y.numpy(), y.numpy())["accuracy"] >= 0.5

"""gnnctl train: every source gives the same weights, a killed run goes on, bad input is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file

from gnnctl.artifacts import Artifact
from gnnctl.graph.batch import Batch
from gnnctl.nn.export import DeployedNodes
from gnnctl.training.trained import TrainedModel

FAST = ["--hidden", "16", "--threads", "1", "--lr", "0.02", "--quiet"]
FAN_OUT = ["--num-neighbors", "4,3", "--batch-size", "64"]


def weights(path):
    return (path / "weights.safetensors").read_bytes()


def test_learns_beats_the_constant_prediction_and_does_nothing_twice(cli, areas, tmp_path):
    out = tmp_path / "model"
    code, text, error = cli("train", areas / "split", "-o", out, *FAST, *FAN_OUT, "--epochs", 8, "--json")
    assert code == 0, error
    document = json.loads(text)
    assert document["schema"] == "gnnctl/train/1"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics == document["metrics"]
    assert metrics["test"]["accuracy"] > metrics["test"]["baseline"]["accuracy"] + 0.3
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 9))
    assert set(lines[0]["seconds"]) == {"train", "wait", "validation"}
    assert Artifact.open(out).verify() == []
    assert not (tmp_path / "model.partial").exists()
    before = (out / "manifest.json").read_bytes()
    code, _, error = cli("train", areas / "split", "-o", out, *FAST[:-1], *FAN_OUT, "--epochs", 8)
    assert code == 0
    assert "up to date" in error
    assert (out / "manifest.json").read_bytes() == before
    code, _, error = cli("train", areas / "split", "-o", out, *FAST, *FAN_OUT, "--epochs", 9)
    assert code == 4
    assert "training.epochs was 8, now 9" in error


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(cli, areas, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        code, _, error = cli(
            "train", areas / "split", "-o", tmp_path / name, *FAST, *FAN_OUT, "--epochs", 2, "--seed", seed
        )
        assert code == 0, error
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")


@pytest.mark.parametrize("model", ["sage", "gcn"])
def test_every_source_of_batches_gives_the_same_weights(cli, areas, tmp_path, model):
    def run(*arguments):
        code, _, error = cli(*arguments, "--quiet")
        assert code == 0, error

    train = ["--model", model, *FAST[:-1], "--epochs", "2"]
    sample = ["sample", areas / "split", *FAN_OUT, "--epochs", "2", "-o"]
    run("train", areas / "split", "-o", tmp_path / "fly", *FAN_OUT, *train)
    run(*sample, tmp_path / "batch")
    run(*sample, tmp_path / "seed", "--unit", "seed", "--format", "parquet")
    for i in (1, 2):
        run(*sample, tmp_path / f"shard{i}", "--shard", f"{i}/2")
    run("sample", "--join", tmp_path / "shard1", tmp_path / "shard2", "-o", tmp_path / "joined")
    run("train", tmp_path / "batch", "-o", tmp_path / "from-batch", *train)
    run("train", tmp_path / "seed", "-o", tmp_path / "from-seed", "--batch-size", "64", *train)
    run("train", tmp_path / "joined", "-o", tmp_path / "from-joined", *train)
    expected = weights(tmp_path / "fly")
    for name in ("from-batch", "from-seed", "from-joined"):
        assert weights(tmp_path / name) == expected, name


def test_a_pipe_gives_the_same_weights(cli, areas, tmp_path):
    options = [*FAST, "--epochs", "2"]
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "fly", *FAN_OUT, *options)
    assert code == 0, error
    gnnctl = [sys.executable, "-m", "gnnctl"]
    sampler = subprocess.Popen(
        [*gnnctl, "sample", str(areas / "split"), "-o", "-", *FAN_OUT, "--epochs", "2", "--quiet"],
        stdout=subprocess.PIPE,
    )
    assert sampler.stdout is not None
    trainer = subprocess.run(
        [*gnnctl, "train", "-", "-o", str(tmp_path / "piped"), *options], stdin=sampler.stdout, check=False
    )
    sampler.stdout.close()
    assert (trainer.returncode, sampler.wait()) == (0, 0)
    assert weights(tmp_path / "piped") == weights(tmp_path / "fly")


def test_a_killed_run_goes_on_to_the_weights_of_an_uninterrupted_one(cli, areas, tmp_path):
    options = [*FAST, *FAN_OUT, "--epochs", "40", "--schedule", "cosine", "--save-seconds", "0"]
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "whole", *options)
    assert code == 0, error
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "gnnctl", "train", str(areas / "split"), "-o", str(out), *options]
    running = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    state = tmp_path / "killed.partial" / "state.pt"
    while not state.exists() and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert state.exists()
    assert not out.exists()
    loud = [option for option in options if option != "--quiet"]
    code, _, error = cli("train", areas / "split", "-o", out, *loud)
    assert code == 0, error
    assert "resuming after epoch" in error
    assert weights(out) == weights(tmp_path / "whole")
    epochs = [json.loads(line)["epoch"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert epochs == list(range(1, 41))


@pytest.mark.parametrize("model", ["gcn", "gat", "gin", "mlp"])
def test_every_model_trains_on_the_full_graph(cli, areas, tmp_path, model):
    code, _, error = cli(
        "train", areas / "split", "-o", tmp_path / "m", "--model", model, *FAST, "--epochs", 15, "--patience", 10
    )
    assert code == 0, error
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert metrics["val"]["accuracy"] > 0.5


def test_regression_reports_errors_in_the_targets_unit(cli, areas, tmp_path):
    code, _, error = cli("train", areas / "ages", "-o", tmp_path / "m", *FAST, *FAN_OUT, "--epochs", 8)
    assert code == 0, error
    test = json.loads((tmp_path / "m" / "metrics.json").read_text())["test"]
    assert test["rmse"] < 0.7 * test["baseline"]["rmse"]
    assert test["r2"] > 0.5


def test_options_reach_the_training(cli, areas, tmp_path):
    plain = ["train", areas / "split", *FAST, *FAN_OUT, "--epochs", "1"]
    changes = {
        "plain": [],
        "aggr": ["--aggr", "max"],
        "weights": ["--class-weights", "balanced"],
        "smooth": ["--label-smoothing", "0.2"],
        "decay": ["--weight-decay", "0.1"],
        "first": ["--weight-decay", "0.1", "--weight-decay-on", "first"],
        "adamw": ["--optimizer", "adamw", "--weight-decay", "0.1"],
        "clip": ["--clip-grad", "0.01"],
        "bfloat16": ["--precision", "bfloat16"],
        "replace": ["--replace"],
        "budget": ["--fan-out-budget", "2,2"],
        "warmup": ["--warmup", "2"],
    }
    seen = {}
    for name, options in changes.items():
        code, _, error = cli(*plain, "-o", tmp_path / name, *options)
        assert code == 0, error
        seen[name] = weights(tmp_path / name)
    assert len(set(seen.values())) == len(changes)


MODULE = """
from torch import nn

class Own(nn.Module):
    num_layers = 1

    def __init__(self, schema, node_type, out_channels, options):
        super().__init__()
        self.node_type = node_type
        self.lin = nn.Linear(schema.nodes[node_type].features, out_channels)

    def forward(self, batch):
        return self.lin(batch.seeds_of(batch.x[self.node_type]))
"""


def test_a_class_of_ones_own_is_a_model(cli, areas, tmp_path, monkeypatch):
    (tmp_path / "own_layers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    code, _, error = cli(
        "train", areas / "split", "-o", tmp_path / "m", "--model", "own_layers:Own", *FAST, "--epochs", 30
    )
    assert code == 0, error
    names = set(load_file(tmp_path / "m" / "weights.safetensors"))
    assert names == {"lin.weight", "lin.bias"}
    code, _, error = cli("predict", tmp_path / "m", "-o", tmp_path / "p", "--part", "test", "--quiet")
    assert code == 0, error
    (tmp_path / "own_layers.py").write_text(MODULE + "# changed\n")
    code, _, error = cli(
        "train", areas / "split", "-o", tmp_path / "m", "--model", "own_layers:Own", *FAST, "--epochs", 30
    )
    assert code == 4
    assert "the input changed" in error


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--num-neighbors", "4,3", "--layers", "3"], 2, "--layers 3 does not fit"),
        (["--num-neighbors", "4,x"], 2, "no list of numbers"),
        (["--fan-out-budget", "3"], 2, "--num-neighbors"),
        (["--model", "sagee"], 2, "there is no 'sagee'"),
        (["--model", "no_such_module:Net"], 2, "no_such_module"),
        (["--model", "gat", "--hidden", "17"], 2, "heads"),
        (["--monitor", "auroc"], 2, "no metric"),
        (["--device", "cuda:99"], 2, "device"),
        (["--precision", "float16", "--device", "cpu"], 2, "float16"),
        (["--lr", "1e30", "--optimizer", "sgd", "--epochs", "20"], 3, "loss is"),
    ],
)
def test_bad_options_are_one_line_and_leave_no_output(cli, areas, tmp_path, arguments, code, says):
    found, _, error = cli("train", areas / "split", "-o", tmp_path / "m", "--quiet", *arguments)
    assert found == code, error
    assert says in error
    assert error.count("\n") == 1
    assert list(Path(tmp_path).iterdir()) == []


def test_sources_of_another_kind_or_none_are_artifact_errors(cli, areas, tmp_path):
    for source in (areas / "graph", tmp_path / "nothing"):
        code, _, error = cli("train", source, "-o", tmp_path / "m")
        assert code == 4, error
    done = subprocess.run(
        [sys.executable, "-m", "gnnctl", "train", "-", "-o", str(tmp_path / "m")],
        input=b"no stream",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 4
    assert b"no stream of subgraphs" in done.stderr


def test_a_dry_run_writes_nothing(cli, areas, tmp_path):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "m", *FAN_OUT, "--dry-run")
    assert code == 0
    assert "3 batches of 64" in error
    assert list(Path(tmp_path).iterdir()) == []


SERVED = """
import sys, torch
package = torch._inductor.aoti_load_package(sys.argv[1])
inputs, expected = torch.load(sys.argv[2], weights_only=True)
torch.testing.assert_close(package(inputs), expected, rtol=1e-4, atol=1e-5)
"""


def test_an_exported_model_gives_the_predictions_without_gnnctl(cli, areas, tmp_path):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "m", "--model", "gcn", "--export", *FAST)
    assert code == 0, error
    trained = TrainedModel.open(tmp_path / "m")
    document = json.loads((tmp_path / "m" / "model.json").read_text())
    served = DeployedNodes(trained.model, trained.schema, trained.target.node_type)
    rows = trained.split.part("test")[0]
    batch = Batch.full(trained.graph, trained.target.node_type, rows)
    inputs = served.inputs_of(batch)
    assert set(inputs) == set(document["package"]["inputs"])
    with torch.no_grad():
        torch.save((inputs, trained.task.scores(trained.model(batch))), tmp_path / "case.pt")
    arguments = [sys.executable, "-c", SERVED, tmp_path / "m" / "model.pt2", tmp_path / "case.pt"]
    subprocess.run(arguments, check=True, cwd=tmp_path, timeout=200)


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        ("areas", ["--model", "pna", *FAN_OUT]),
        ("areas", ["--model", "rgcn:num_bases=2", *FAN_OUT]),
        ("areas", ["--model", "hgt", *FAN_OUT]),
        ("areas", ["--model", "han", *FAN_OUT]),
        ("areas", ["--model", "gen", "--order", "pre", "--residual", "--norm", "layer", *FAN_OUT]),
        ("areas", ["--model", "transformer", "--jump", "lstm", *FAN_OUT]),
        ("papers", ["--model", "transformer:beta=true", *FAN_OUT]),
        ("papers", ["--model", "appnp:alpha=0.2", "--layers", "3"]),
        ("papers", ["--model", "tag:hops=2", *FAN_OUT]),
        ("papers", ["--model", "linkx", "--num-neighbors", "5", "--batch-size", "64"]),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else value,
)
def test_models_train_and_predict_from_the_command_line(request, cli, tmp_path, data, arguments):
    folder = request.getfixturevalue(data)
    code, _, error = cli("train", folder / "split", "-o", tmp_path / "m", *FAST, "--epochs", 2, *arguments)
    assert code == 0, error
    code, _, error = cli("predict", tmp_path / "m", "-o", tmp_path / "p", "--part", "test", "--quiet")
    assert code == 0, error
    again = TrainedModel.open(tmp_path / "m")
    batch = Batch.full(again.graph, again.target.node_type, again.split.part("test")[0])
    with torch.no_grad():
        scores = again.task.scores(again.model(batch))
    table = pq.read_table(tmp_path / "p" / "predictions.parquet")
    columns = [table[name].to_numpy() for name in table.column_names if name.startswith("score_")]
    stored = {tuple(np.round(row, 4)) for row in np.stack(columns, 1).tolist()}
    assert {tuple(np.round(row, 4)) for row in scores.tolist()} == stored


def test_models_are_listed_with_what_they_take(cli):
    code, text, _ = cli("train", "--list-models")
    assert code == 0
    rows = {line.split()[0]: line for line in text.split("\n\n")[0].splitlines()[2:]}
    assert len(rows) >= 25
    assert "one type" in rows["appnp"]
    assert "  appnp:alpha=0.1\n" in text
    assert "features (needed)" in rows["nn"]

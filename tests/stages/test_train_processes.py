"""gnnctl train under torchrun: the curve of one process, a lost process, and another number of them to go on with."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from gnnctl.artifacts import Artifact
from gnnctl.errors import UsageError
from gnnctl.sampling.share import Share
from gnnctl.training.inputs import TrainingInput

OPTIONS = [
    *("--hidden", "8", "--dropout", "0", "--threads", "1", "--lr", "0.001", "--epochs", "20", "--save-seconds", "0"),
    *("--num-neighbors", "4,4", "--batch-size", "64", "--class-weights", "balanced", "--eval-every", "3"),
]


def torchrun(processes, *arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "-m", "gnnctl"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def process_of(rank, output):
    """Its number, by what it was started with."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_text().split("\0")
            if str(output) in words and f"RANK={rank}" in (folder / "environ").read_text().split("\0"):
                return int(folder.name)
    raise AssertionError(f"no process {rank}")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="finds a process to kill in /proc")
def test_two_processes_one_of_them_lost_and_then_three_give_the_curve_of_one(cli, areas, tmp_path):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "one", *OPTIONS)
    assert code == 0, error

    out, lines = tmp_path / "many", tmp_path / "many.partial" / "metrics.jsonl"
    running = torchrun(2, "train", areas / "split", "-o", out, *OPTIONS)
    while running.poll() is None and not (lines.exists() and lines.read_text().count("\n") >= 2):
        time.sleep(0.02)
    os.kill(process_of(1, out), signal.SIGKILL)
    _, error = running.communicate(timeout=60)
    assert running.returncode != 0
    said = [line for line in error.splitlines() if line.startswith("gnnctl: ")]
    assert len(said) == 1, error
    assert "one of its processes was lost; start the same command again" in said[0]
    assert (tmp_path / "many.partial" / "state.pt").exists()
    assert not out.exists()

    text, error = (again := torchrun(3, "train", areas / "split", "-o", out, *OPTIONS, "--json")).communicate()
    assert again.returncode == 0, error
    assert "resuming after epoch" in error
    assert (
        json.loads(text)["metrics"]["test"]["seeds"] == json.loads((out / "metrics.json").read_text())["test"]["seeds"]
    )

    expected, found = (json.loads((folder / "metrics.json").read_text()) for folder in (tmp_path / "one", out))
    for part, values in expected.items():
        assert found[part].pop("baseline") == values.pop("baseline")
        assert found[part] == pytest.approx(values, rel=2e-2, abs=1e-3), part

    def curve(folder):
        records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [{name: value for name, value in record.items() if name != "seconds"} for record in records]

    assert json.loads((out / "model.json").read_text())["processes"] == 3
    assert Artifact.open(out).verify() == []
    expected, found = curve(tmp_path / "one"), curve(out)
    assert [sorted(record) for record in found] == [sorted(record) for record in expected]
    for one, many in zip(expected, found, strict=True):
        assert many == pytest.approx(one, rel=1e-3, abs=1e-4)
    own, shared = (load_file(folder / "weights.safetensors") for folder in (tmp_path / "one", out))
    for name, values in own.items():
        assert shared[name] == pytest.approx(values, abs=1e-3), name


DYING = """
import os, signal
import torch
from torch import nn

class Dying(nn.Module):
    num_layers = 1

    def __init__(self, *, schema, node_type, out_channels, options):
        super().__init__()
        self.lin = nn.Linear(schema.nodes[node_type].features, out_channels)
        self.register_buffer("held", torch.zeros(1))  # is settled after the state was saved

    def forward(self, batch):
        if not self.training and os.environ["RANK"] == "1" and os.path.exists(os.environ["STATE"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.lin(batch.seeds_of(batch.x[batch.node_type]))
"""


def test_a_process_that_is_lost_while_all_compute_the_exact_metrics_leaves_the_state(cli, areas, tmp_path, monkeypatch):
    (tmp_path / "dying.py").write_text(DYING)
    state = tmp_path / "m.partial" / "state.pt"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("STATE", str(state))
    words = ("--model", "dying:Dying", "--num-neighbors", "4", "--batch-size", "64", "--epochs", "1")
    running = torchrun(2, "train", areas / "split", "-o", tmp_path / "m", *words)
    _, error = running.communicate(timeout=60)
    assert running.returncode != 0
    said = [line for line in error.splitlines() if line.startswith("gnnctl: error")]
    assert len(said) == 1, error
    assert "one of its processes was lost; start the same command again" in said[0]
    assert state.exists()


def test_two_processes_rank_links_as_one_does(cli, areas, tmp_path):
    links = ("--task", "link", "--edge-type", "author writes paper", "--disjoint", "0.3", "--val", "0.2", "--quiet")
    code, _, error = cli("split", areas / "graph", "-o", tmp_path / "split", *links)
    assert code == 0, error
    words = [*OPTIONS[:8], "--epochs", "2", "--num-neighbors", "4,4", "--batch-size", "64", "--negatives", "1"]
    code, _, error = cli("train", tmp_path / "split", "-o", tmp_path / "one", *words)
    assert code == 0, error
    _, error = (running := torchrun(2, "train", tmp_path / "split", "-o", tmp_path / "two", *words)).communicate()
    assert running.returncode == 0, error
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    for part, values in one.items():
        for name, value in (values | values.pop("baseline")).items():
            assert value is None or (two[part] | two[part]["baseline"])[name] == pytest.approx(value, rel=1e-3), name
    records = [(tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1] for name in ("one", "two")]
    expected, found = (
        {k: v for k, v in json.loads(line).items() if k != "seconds" and v is not None} for line in records
    )
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_records_of_single_seeds_are_shared_and_those_of_batches_refused(cli, areas, tmp_path):
    for unit in ("seed", "batch"):
        made = tmp_path / unit
        code, _, error = cli("sample", areas / "split", "-o", made, "--num-neighbors", "4,4", "--unit", unit, "--quiet")
        assert code == 0, error
    with pytest.raises(UsageError, match="--unit seed"):
        TrainingInput.open(str(tmp_path / "batch")).check_shared()
    found = TrainingInput.open(str(tmp_path / "seed"), batch_size=50)
    found.check_shared()
    cpu = torch.device("cpu")
    whole = list(found.batches(nn.Linear(1, 1), cpu, 0).train(1))
    parts = [list(found.batches(nn.Linear(1, 1), cpu, 0, Share(rank, 3)).train(1)) for rank in range(3)]
    for step, batch in enumerate(whole):
        own = [part[step] for part in parts]
        seeds = torch.cat([b.node_id[b.node_type][: b.num_seeds] for b in own])
        assert torch.equal(seeds, batch.node_id[batch.node_type][: batch.num_seeds])
        assert torch.equal(torch.cat([b.y for b in own]), batch.y)


def test_what_processes_cannot_share_is_refused_in_one_line(areas):
    split = str(areas / "split")
    for words, why, folds in (
        ({}, "the full batch", False),
        ({"objective": "dgi", "num_neighbors": ["4,4"]}, "--objective dgi", False),
        ({"num_neighbors": ["4,4"]}, "--folds", True),
    ):
        with pytest.raises(UsageError, match=why):
            TrainingInput.open(split, **words).check_shared(folds)
    TrainingInput.open(split, num_neighbors=["4,4"]).check_shared()

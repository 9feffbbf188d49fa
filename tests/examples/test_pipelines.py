"""The pipelines run on the tiny example, as their README says; the Debian ones say the session of the README."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
TINY = {
    "SPEC": str(FOLDER / "tiny" / "graph.toml"),
    "TARGET": "person.team",
    "BY": "stratified",
    "NEIGHBORS": "3,2",
    "EPOCHS": "2",
    "EXPLAIN": "--node person:ada --algorithm saliency",
}


@pytest.fixture
def environment():
    """Variables under which `gnnctl` is the one of this interpreter, on one thread."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}


def run(command, environment, cwd):
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_makefile(environment, tmp_path):
    variables = [f"{name}={value}" for name, value in TINY.items()]
    command = ["make", "-C", str(FOLDER / "pipelines"), f"RUN={tmp_path}/run", *variables]
    run([*command, "samples"], environment, tmp_path)
    for name in ("graph", "split", "samples", "model-2"):
        assert (tmp_path / "run" / name / "manifest.json").is_file()
    planned = run([*command, "--dry-run", "all", "samples"], environment, tmp_path)
    stages = [line.split()[1] for line in planned.splitlines() if line.startswith("gnnctl ")]
    assert sorted(stages) == ["explain", "predict", "train"]


def test_the_script(environment, tmp_path):
    script = str(FOLDER / "pipelines" / "pipeline.sh")
    out = run([script], {**environment, **TINY, "RUN": str(tmp_path / "run")}, tmp_path)
    assert "└── model: " in out
    assert (tmp_path / "run" / "why" / "manifest.json").is_file()


def test_the_custom_model(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER / "custom_model"))
    code, _, err = cli(
        *("train", tiny / "split", "-o", tmp_path / "gated", "--model", "gated:Gated", "--hidden", "16"),
        *("--num-neighbors", "3,2", "--epochs", "2", "--device", "cpu", "--quiet"),
    )
    assert code == 0, err
    code, _, err = cli("predict", tmp_path / "gated", "-o", tmp_path / "predictions", "--device", "cpu", "--quiet")
    assert code == 0, err
    code, _, err = cli(
        *("explain", tmp_path / "gated", "-o", tmp_path / "why", "--node", "person:ada", "--algorithm", "saliency"),
        *("--device", "cpu", "--quiet"),
    )
    assert code == 0, err


def test_the_custom_store(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER / "custom_store"))
    graph = tmp_path / "graph"
    spec = FOLDER / "tiny" / "graph.toml"
    code, _, err = cli("ingest", spec, "-o", graph, "--store", "columns:Columns", "--quiet")
    assert code == 0, err
    for name, chosen in (("own", graph), ("zarr", tiny / "graph")):
        code, _, err = cli(
            *("train", tiny / "split", "-o", tmp_path / name, "--graph", chosen, "--hidden", "16"),
            *("--num-neighbors", "3,2", "--epochs", "2", "--device", "cpu", "--quiet"),
        )
        assert code == 0, err
    own, zarr = (tmp_path / name / "weights.safetensors" for name in ("own", "zarr"))
    assert own.read_bytes() == zarr.read_bytes()
    code, _, err = cli("inspect", graph, "--verify")
    assert code == 0, err

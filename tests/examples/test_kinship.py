"""examples/kinship on facts of its own making: steps around a circle."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "stages"))
from circle_task import write_triples

FOLDER = Path(__file__).parents[2] / "examples" / "kinship"


@pytest.mark.parametrize("suffix", ["parquet", "tsv"])
def test_the_makefile_leaves_its_metrics(tmp_path, suffix):
    write_triples(tmp_path, suffix=suffix)
    run = tmp_path / "run"
    settings = [f"DATA={tmp_path}", f"RUN={run}", f"TABLE={suffix}"]
    train = "TRAIN=--hidden 16 --decoder complex --loss all --reciprocal --optimizer adagrad --lr 0.1 --epochs 20"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    found = subprocess.run(
        ["make", "-C", str(FOLDER), *settings, train], capture_output=True, text=True, env=environment, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "filtered test MRR" in found.stdout
    assert 0 < json.loads((run / "metrics.json").read_text())["test"]["mrr"] <= 1
    assert pq.read_table(run / "recommended" / "predictions.parquet").num_rows == 24 * 4 * 3

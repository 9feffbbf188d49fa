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


def test_an_encoder_beats_its_decoder_alone(tmp_path):
    write_triples(tmp_path)
    run = tmp_path / "run"
    short = "--epochs 40 --patience 10 --seed 1 -q"
    given = [
        f"DATA={tmp_path}",
        f"RUN={run}",
        "DISTMULT=--decoder distmult --loss softmax --negatives 8 --batch-size 32 --lr 0.02",
        f"ALONE=--hidden 32 {short}",
        f"ENCODER=--hidden 32 --embedding 32 --num-neighbors 20 --disjoint --dropout 0.1 {short}",
    ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    found = subprocess.run(
        ["make", "-C", str(FOLDER), *given, "encoder"], capture_output=True, text=True, env=environment, check=False
    )
    assert found.returncode == 0, found.stderr
    alone, encoded = (
        json.loads((run / model / "metrics.json").read_text())["test"]["mrr"] for model in ("alone", "encoded")
    )
    assert encoded > alone > 0.15

"""examples/kinship on facts of its own making: steps around a circle."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "stages"))
from circle_task import write_triples


@pytest.mark.parametrize(("suffix", "way"), [("parquet", "make"), ("tsv", "made_here")])
def test_the_makefile_leaves_its_metrics(tmp_path, request, suffix, way):
    write_triples(tmp_path, suffix=suffix)
    run = tmp_path / "run"
    settings = [f"DATA={tmp_path}", f"RUN={run}", f"TABLE={suffix}"]
    train = "TRAIN=--hidden 16 --decoder complex --loss all --reciprocal --optimizer adagrad --lr 0.1 --epochs 20"
    assert "filtered test MRR" in request.getfixturevalue(way)("kinship", *settings, train).stdout
    assert 0 < json.loads((run / "metrics.json").read_text())["test"]["mrr"] <= 1
    assert pq.read_table(run / "recommended" / "predictions.parquet").num_rows == 24 * 4 * 3


def test_an_encoder_beats_its_decoder_alone(tmp_path, made_here):
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
    made_here("kinship", *given, "encoder")
    alone, encoded = (
        json.loads((run / model / "metrics.json").read_text())["test"]["mrr"] for model in ("alone", "encoded")
    )
    assert encoded > alone > 0.15

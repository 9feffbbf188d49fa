"""gnnctl train --aggr: aggregations by name and parameters, from samples to exact predictions."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from gnnctl.graph.batch import Batch
from gnnctl.training.trained import TrainedModel

FAST = ["--hidden", "8", "--threads", "1", "--lr", "0.02", "--quiet", "--num-neighbors", "4,3", "--batch-size", "64"]


@pytest.mark.parametrize(
    ("aggr", "width"),
    [
        ("mean,max,std", 24),
        ("softmax:t=0.5,learn=true,power-mean:p=2", 16),
        ("lstm:hidden=4", 4),
        ("set-transformer:heads=2,set2set:steps=2,median", 32),
    ],
)
def test_trains_on_samples_and_predicts_as_the_whole_graph(cli, areas, tmp_path, aggr, width):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "m", *FAST, "--epochs", 2, "--aggr", aggr)
    assert code == 0, error
    code, _, error = cli("predict", tmp_path / "m", "-o", tmp_path / "p", "--quiet")
    assert code == 0, error
    trained = TrainedModel.open(tmp_path / "m")
    assert trained.options.aggr == aggr
    convs = [m for m in trained.model.modules() if type(m).__name__ == "SAGEConv"]
    assert {conv.lin.in_features for conv in convs} == {width}
    with torch.no_grad():
        expected = trained.model(Batch.full(trained.graph, "paper")).softmax(1)
    table = pq.read_table(tmp_path / "p" / "predictions.parquet")
    scores = np.stack([table[f"score_area {i}"].to_numpy() for i in range(3)], axis=1)
    np.testing.assert_allclose(scores, expected.numpy(), rtol=2e-4, atol=2e-5)


def test_several_aggregations_learn(cli, areas, tmp_path):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "m", *FAST, "--epochs", 8, "--aggr", "mean,max,std")
    assert code == 0, error
    test = json.loads((tmp_path / "m" / "metrics.json").read_text())["test"]
    assert test["accuracy"] > test["baseline"]["accuracy"] + 0.3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--aggr", "mean,maks"], "--aggr 'mean,maks': aggr must be among sum, mean, min"),
        (["--aggr", "softmax:warm=1"], "no parameter 'warm'; it has t, learn, channels"),
        (["--aggr", "gmt:heads=3"], "channels must be a multiple of heads, got 8 and 3"),
        (["--model", "gat", "--aggr", "max"], "--aggr: gat has no use for it; leave it out, or take sage"),
    ],
)
def test_aggregations_that_cannot_be_are_one_line(cli, areas, tmp_path, arguments, says):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "m", *FAST, *arguments)
    assert code == 2
    assert says in error
    assert not (tmp_path / "m").exists()

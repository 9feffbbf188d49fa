"""Times through the stages: what comes after a node's time must not help to predict it."""

import json

import numpy as np
import pytest

FAST = ["--hidden", "16", "--threads", "1", "--lr", "0.02", "--epochs", "6", "--dropout", "0", "--quiet", "--json"]
FAN_OUT = ["--num-neighbors", "8,8", "--batch-size", "64"]


@pytest.fixture(scope="module")
def hindsight(tmp_path_factory):
    """Users buy at random before their time and, after it, what gives their kind away."""
    folder = tmp_path_factory.mktemp("hindsight")
    rng = np.random.default_rng(0)
    users, items = 400, 40
    kind = rng.integers(0, 2, users)
    lines = ["user,kind,since,noise"] + [f"u{i},k{kind[i]},{100 + i % 7},{rng.normal():.3f}" for i in range(users)]
    (folder / "users.csv").write_text("\n".join(lines) + "\n")
    lines = ["item,shade"] + [f"i{i},{i % 2}" for i in range(items)]
    (folder / "items.csv").write_text("\n".join(lines) + "\n")
    lines = ["user,item,at"]
    for u in range(users):
        lines += [f"u{u},i{rng.integers(items)},{rng.integers(90, 100 + u % 7)}" for _ in range(6)]
        lines += [f"u{u},i{2 * rng.integers(items // 2) + kind[u]},{rng.integers(107, 120)}" for _ in range(6)]
    (folder / "buys.csv").write_text("\n".join(lines) + "\n")
    (folder / "graph.toml").write_text(
        """
[nodes.user]
table = "users.csv"
id = "user"
label = "kind"
time = "since"
[nodes.user.features]
noise = "raw"
[nodes.item]
table = "items.csv"
id = "item"
[nodes.item.features]
shade = "onehot"
[edges."item bought_by user"]
table = "buys.csv"
source = "item"
target = "user"
time = "at"
"""
    )
    return folder


def accuracy(cli, *arguments):
    code, text, error = cli(*arguments)
    assert code == 0, error
    return json.loads(text)["metrics"]["test"]["accuracy"]


@pytest.mark.parametrize("model", ["sage", "gin"])
def test_a_model_that_heeds_time_learns_nothing_from_what_comes_later(cli, hindsight, tmp_path, model):
    for arguments in (
        ["ingest", hindsight / "graph.toml", "-o", tmp_path / "graph"],
        ["split", tmp_path / "graph", "-o", tmp_path / "split", "--target", "user.kind"],
    ):
        code, _, error = cli(*arguments, "--quiet")
        assert code == 0, error
    split, train = tmp_path / "split", [*FAST, "--model", model]
    with_hindsight = accuracy(cli, "train", split, "-o", tmp_path / "leaky", *FAN_OUT, *train)
    honest = accuracy(cli, "train", split, "-o", tmp_path / "honest", *FAN_OUT, *train, "--time", "before")
    assert with_hindsight > 0.9
    assert honest < 0.7

    # prediction, stored records and explanation see what training saw
    predicted = accuracy(cli, "predict", tmp_path / "honest", "-o", tmp_path / "scores", "--quiet", "--json")
    assert predicted == pytest.approx(honest, abs=1e-6)
    sample = ["sample", split, "-o", tmp_path / "samples", *FAN_OUT, "--epochs", 6, "--time", "before", "--quiet"]
    code, _, error = cli(*sample)
    assert code == 0, error
    accuracy(cli, "train", tmp_path / "samples", "-o", tmp_path / "stored", *train)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("honest", "stored")]
    assert weights[0] == weights[1]
    why = ["explain", tmp_path / "honest", "-o", tmp_path / "why", "--node", "user:u3", "--algorithm", "saliency"]
    code, _, error = cli(*why, "--predictions", tmp_path / "scores", "--quiet", "--json")
    assert code == 0, error


@pytest.mark.parametrize("draw", ["weighted", "recent", "labor"])
def test_every_way_of_drawing_trains_from_the_split_and_from_records(cli, tmp_path, draw, areas):
    from areas_task import CITES, write_split

    from gnnctl.artifacts import ArtifactWriter, Recipe
    from gnnctl.graph import Graph
    from gnnctl.graph.graph import EdgeStore

    graph = Graph.open(areas / "graph")
    rng = np.random.default_rng(0)
    edges = {t: EdgeStore(e.colptr, e.row, weight=rng.random(len(e.row), np.float32) if t == CITES else None)
             for t, e in graph.edges.items()}  # fmt: skip
    with ArtifactWriter(tmp_path / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        Graph(graph.nodes, edges).write(writer)
    split = write_split(tmp_path / "split", tmp_path / "graph")
    fly = accuracy(cli, "train", split, "-o", tmp_path / "fly", *FAN_OUT, *FAST, "--draw", draw)
    code, _, error = cli(
        "sample", split, "-o", tmp_path / "samples", *FAN_OUT, "--epochs", 6, "--draw", draw, "--unit", "seed", "-q"
    )
    assert code == 0, error
    stored = accuracy(cli, "train", tmp_path / "samples", "-o", tmp_path / "stored", "--batch-size", 64, *FAST)
    assert fly == stored > 0.5
    assert (tmp_path / "fly/weights.safetensors").read_bytes() == (tmp_path / "stored/weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--draw", "weighted"], "no edge type has weights"),
        (["--time", "before"], "neither nodes nor edges have times"),
        (["--draw", "recent", "--replace"], "--replace does not go with --draw recent"),
        (["--model", "gcn", "--sampler", "ppr:hops=2"], "counts a node's edges in the whole graph"),
    ],
)
def test_what_the_graph_or_the_rules_do_not_allow_is_said_in_one_line(cli, areas, tmp_path, arguments, said):
    fan_out = [] if "--sampler" in arguments else FAN_OUT
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "model", *fan_out, *arguments, "--quiet")
    assert code in (2, 3)
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "model").exists()


def test_drawing_rules_need_fan_outs(cli, areas, tmp_path):
    code, _, error = cli("train", areas / "split", "-o", tmp_path / "model", "--draw", "recent")
    assert code == 2
    assert "--draw without --num-neighbors" in error

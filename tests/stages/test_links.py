"""Links from tables to recommendations: ingest, split, train, predict, inspect."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from circle_task import write_opinions, write_triples
from pyarrow import csv

from gnnctl.artifacts import Artifact

CIRCLE = """
[edges."place * place"]
table = { train = "train.parquet", val = "valid.parquet", test = "test.parquet" }
relation = "relation"
source = "head"
target = "tail"
"""
SHALLOW = ["--model", "embedding", "--hidden", "16", "--decoder", "complex", "--loss", "all", "--reciprocal"]
FAST = ["--optimizer", "adagrad", "--lr", "0.3", "--n3", "0.01", "--batch-size", "16", "--eval-every", "10"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with circle/ and opinions/: graphs, splits, and a model of the circle."""
    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("links")
    for name, write in (("circle", write_triples), ("opinions", write_opinions)):
        (folder / name).mkdir()
        write(folder / name)
    (folder / "circle" / "graph.toml").write_text(CIRCLE)
    rates = ["--edge-type", "person rates thing"]
    with pytest.MonkeyPatch.context() as patch:
        for words in (
            "ingest circle/graph.toml -o circle/graph",
            "split circle/graph -o circle/split --task link --edge-type all --by column:split --eval-negatives 3",
            "ingest opinions/graph.toml -o opinions/graph",
            ["split", "opinions/graph", "-o", "opinions/split", "--task", "link", *rates, "--disjoint", "0.3"],
            ["split", "opinions/graph", "-o", "opinions/good", "--task", "edge", "--target", "person rates thing.good"],
            [
                "split",
                "opinions/graph",
                "-o",
                "opinions/stars",
                "--task",
                "edge",
                "--target",
                "person rates thing.stars",
            ],
            ["train", "circle/split", "-o", "circle/model", *SHALLOW, *FAST, "--epochs", "60"],
        ):
            arguments = words.split() if isinstance(words, str) else words
            patch.setattr("sys.argv", ["gnnctl", *arguments, "--quiet"])
            patch.chdir(folder)
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code, arguments
    return folder


def metrics(path):
    return Artifact.open(path).json("metrics")


def test_a_knowledge_graph_is_learnt(made):
    found = metrics(made / "circle" / "model")
    assert found["test"]["mrr"] > 0.6 > 3 * found["test"]["baseline"]["mrr"]
    assert found["test"]["hits@10"] >= found["test"]["hits@1"]
    assert found["test"]["auroc"] > 0.9
    document = Artifact.open(made / "circle" / "model").json("model")
    assert document["links"]["decoder"] == {"name": "complex", "parameters": {}, "reciprocal": True}


def test_predict_scores_the_links_of_the_split_with_the_same_metrics(made, cli, tmp_path):
    code, out, err = cli("predict", made / "circle" / "model", "-o", tmp_path / "p", "--embeddings")
    assert code == 0, err
    assert "links in predictions.parquet" in out
    found, trained = metrics(tmp_path / "p"), metrics(made / "circle" / "model")
    for part in ("val", "test"):
        assert found[part] == {k: v for k, v in trained[part].items() if k != "baseline"}
    table = pq.read_table(tmp_path / "p" / "predictions.parquet")
    assert table.column_names == ["head", "relation", "tail", "split", "score"]
    test = table.filter(pa.compute.equal(table["split"], "test")).to_pylist()
    given = pq.read_table(made / "circle" / "test.parquet").to_pylist()
    names = ("head", "relation", "tail")
    assert {tuple(row[n] for n in names) for row in test} == {tuple(row[n] for n in names) for row in given}
    vectors = pq.read_table(tmp_path / "p" / "embeddings.parquet")
    assert vectors.num_rows == 24
    assert vectors["embedding"].type.list_size == 16


@pytest.mark.parametrize(("split", "model"), [("circle/split", "embedding"), ("opinions/good", "sage")])
def test_models_of_links_may_be_packages(made, cli, tmp_path, split, model):
    """That they can be traced is found out before training, and in a dry run."""
    code, _, err = cli("train", made / split, "-o", tmp_path / "m", "--model", model, "--export", "--dry-run")
    assert code == 0, err


@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv"])
def test_pairs_of_a_file_are_scored_in_its_order(made, cli, tmp_path, suffix):
    rows = pa.table(
        {"head": ["p3", "p1", "p3"], "relation": ["by2", "by1", "place by2 place"], "tail": ["p5", "p2", "p5"]}
    )
    path = tmp_path / f"pairs.{suffix}"
    if suffix == "parquet":
        pq.write_table(rows, path)
    else:
        csv.write_csv(rows, path, csv.WriteOptions(delimiter="\t" if suffix == "tsv" else ","))
    code, _, err = cli("predict", made / "circle" / "model", "-o", tmp_path / "p", "--pairs", path)
    assert code == 0, err
    found = pq.read_table(tmp_path / "p" / "predictions.parquet").to_pydict()
    assert found["head"] == ["p3", "p1", "p3"]
    assert found["relation"] == ["by2", "by1", "by2"]
    assert found["score"][0] == found["score"][2]
    assert metrics(tmp_path / "p") == {}


def test_recommendations_are_the_best_of_all_pairs(made, cli, tmp_path):
    model = made / "circle" / "model"
    every = {"head": ["p7"] * 24, "relation": ["by3"] * 24, "tail": [f"p{i}" for i in range(24)]}
    pq.write_table(pa.table(every), tmp_path / "pairs.parquet")
    assert cli("predict", model, "-o", tmp_path / "all", "--pairs", tmp_path / "pairs.parquet")[0] == 0
    code, out, err = cli("predict", model, "-o", tmp_path / "top", "--top-k", "5", "--node", "p7")
    assert code == 0, err
    assert "1 node with recommendations" in out
    scored = pq.read_table(tmp_path / "all" / "predictions.parquet").to_pydict()
    top = pq.read_table(tmp_path / "top" / "predictions.parquet").to_pylist()
    by3 = [row for row in top if row["relation"] == "by3"]
    assert [row["rank"] for row in by3] == [1, 2, 3, 4, 5]
    # The score of a pair is the mean of both questions; of what is recommended, that of the one that is asked.
    assert by3[0]["tail"] == "p10" == scored["tail"][int(np.argmax(scored["score"]))]
    assert len(top) == 4 * 5
    code, _, err = cli("predict", model, "-o", tmp_path / "new", "--top-k", "23", "--node", "p7", "--exclude-known")
    assert code == 0, err
    new = pq.read_table(tmp_path / "new" / "predictions.parquet").to_pylist()
    assert len(new) == 4 * 22  # nor itself, for no place is a step from itself
    assert "p7" not in {row["tail"] for row in new}
    assert {(row["relation"], row["tail"]) for row in new}.isdisjoint({("by1", "p8"), ("by3", "p10")})


def test_a_node_is_recommended_to_itself_only_where_links_lead_to_themselves(cli, tmp_path):
    write_triples(tmp_path, kinds=2)
    train = pq.read_table(tmp_path / "train.parquet").to_pylist()
    train += [{"head": f"p{i}", "relation": "same", "tail": f"p{i}"} for i in range(0, 24, 2)]
    pq.write_table(pa.Table.from_pylist(train), tmp_path / "train.parquet")
    (tmp_path / "graph.toml").write_text(CIRCLE)
    for words in (
        f"ingest {tmp_path}/graph.toml -o {tmp_path}/graph",
        f"split {tmp_path}/graph -o {tmp_path}/split --task link --edge-type all --by column:split",
        f"train {tmp_path}/split -o {tmp_path}/model --model embedding --hidden 4 --epochs 1",
        f"predict {tmp_path}/model -o {tmp_path}/top --top-k 24",
    ):
        code, _, err = cli(*words.split())
        assert code == 0, err
    found = pq.read_table(tmp_path / "top" / "predictions.parquet").to_pylist()
    assert {row["relation"] for row in found if row["head"] == row["tail"]} == {"same"}
    assert len(found) == 24 * (24 + 23 + 23)


def test_training_from_samples_gives_the_same_weights(made, cli, tmp_path):
    split, fan = made / "opinions" / "split", ["--num-neighbors", "4,3", "--batch-size", "32"]
    learn = ["--hidden", "8", "--loss", "softmax", "--threads", "1", "--loader-threads", "1"]
    code, _, err = cli("train", split, "-o", tmp_path / "live", *fan, *learn, "--epochs", "2", "--negatives", "3")
    assert code == 0, err
    assert cli("sample", split, "-o", tmp_path / "s", *fan, "--negatives", "3", "--epochs", "2")[0] == 0
    code, _, err = cli("train", tmp_path / "s", "-o", tmp_path / "stored", *learn)
    assert code == 0, err
    weights = [Artifact.open(tmp_path / name).json("model")["weights"] for name in ("live", "stored")]
    assert weights[0] == weights[1]
    links = [Artifact.open(tmp_path / name).json("model")["links"] for name in ("live", "stored")]
    assert links[0] == links[1]
    code, _, err = cli("train", tmp_path / "s", "-o", tmp_path / "no", *learn, "--negatives", "2")
    assert code == 2
    assert "have their negatives already" in err


@pytest.mark.parametrize(("split", "options"), [("good", ["--num-neighbors", "4,3"]), ("good", []), ("stars", [])])
def test_labels_of_edges(made, cli, tmp_path, split, options):
    fit = ["--hidden", "8", "--dropout", "0", "--epochs", "60", "--lr", "0.05", "--monitor", "loss", *options]
    code, _, err = cli("train", made / "opinions" / split, "-o", tmp_path / "m", *fit)
    assert code == 0, err
    code, _, err = cli("predict", tmp_path / "m", "-o", tmp_path / "p")
    assert code == 0, err
    found, trained = metrics(tmp_path / "p")["test"], metrics(tmp_path / "m")["test"]
    assert found == {k: v for k, v in trained.items() if k != "baseline"}
    table = pq.read_table(tmp_path / "p" / "predictions.parquet")
    names = ["head", "relation", "tail", "split", "target", "prediction"]
    if split == "good":
        assert table.column_names == [*names, "score_no", "score_yes"]
        assert found["accuracy"] > 0.85
        right = sum(row["target"] == row["prediction"] for row in table.to_pylist() if row["split"] == "test")
        assert right / found["seeds"] == pytest.approx(found["accuracy"])
    else:
        assert table.column_names == [*names, "score"]
        assert found["rmse"] < 0.5 * trained["baseline"]["rmse"]


def test_inspect_and_documents(made, cli):
    code, out, _ = cli("inspect", made / "circle" / "model")
    assert code == 0
    assert "mrr" in out
    code, out, _ = cli("inspect", made / "circle" / "model", "--schema")
    import jsonschema

    schemas = json.loads(out)
    artifact = Artifact.open(made / "circle" / "model")
    documents = {"model.json": artifact.json("model"), "metrics.json": artifact.json("metrics")}
    checked = [jsonschema.validate(documents[name], s) for name, s in schemas.items() if name in documents]
    assert len(checked) == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("train circle/split -o out --decoder dot", 2, "does not tell 4 edge types apart"),
        ("train circle/split -o out --model embedding --num-neighbors 3", 2, "no use for neighbours"),
        (
            "train circle/split -o out --model embedding --layers 2",
            2,
            "--layers: embedding has no",
        ),
        ("train circle/split -o out --model rgcn --num-neighbors 3 --loss all", 2, "--loss all"),
        ("train circle/split -o out --balanced", 2, "--balanced is for classes, and links to be found have none"),
        ("train opinions/good -o out --balanced", 2, "--balanced without --num-neighbors"),
        ("train opinions/stars -o out --balanced --num-neighbors 3", 2, "a regression has no classes to balance"),
        ("train circle/split -o out --sampler ppr", 2, "--sampler does not go with links"),
        ("train circle/split -o out --folds 3", 2, "--folds"),
        ("train circle/split -o out --readout sum", 2, "--readout"),
        ("train circle/split -o out --monitor accuracy", 2, "no metric of links"),
        ("train circle/split -o out --class-weights balanced", 2, "--class-weights"),
        ("train circle/split -o out --negatives -1", 2, "--negatives"),
        ("train opinions/good -o out --decoder dot", 2, "--decoder is for links to be found"),
        ("train opinions/split -o out --negative-method in-batch --corrupt both", 2, "keep one end"),
        ("predict circle/model -o out --pairs nothing.csv", 3, "cannot be read"),
        ("predict circle/model -o out --pairs wrong.csv", 3, "no column 'head'"),
        ("predict circle/model -o out --pairs strange.csv", 3, "no relation 'by9'"),
        ("predict circle/model -o out --pairs unknown.csv", 3, "p99"),
        ("predict circle/model -o out --node p1", 2, "--node: a model of links scores pairs"),
        ("predict circle/model -o out --exclude-known", 2, "--exclude-known"),
        ("predict circle/model -o out --top-k 3 --part test", 2, "ask for different things"),
        ("predict circle/model -o out --top-k 3 --node p99", 3, "p99"),
        ("predict circle/model -o out --smooth", 2, "scored exactly"),
        ("predict circle/model -o out --num-neighbors 3", 2, "scored exactly"),
        ("explain circle/model -o out --node p1", 2, "is a model of links"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(made, cli, monkeypatch, tmp_path, words, code, message):
    monkeypatch.chdir(made)
    (made / "wrong.csv").write_text("a,b\nx,y\n")
    (made / "strange.csv").write_text("head,relation,tail\np1,by9,p2\n")
    (made / "unknown.csv").write_text("head,relation,tail\np1,by1,p99\n")
    found, _, err = cli(*[str(tmp_path / "out") if word == "out" else word for word in words.split()])
    assert found == code, err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()

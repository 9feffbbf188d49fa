"""gnnctl explain: tables with original ids, faithful scores, and a page that needs no network."""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest

from gnnctl.artifacts import Artifact


@pytest.fixture(scope="module")
def trained(areas, tmp_path_factory):
    """A folder with `model` (classes), `ages` (numbers) and `predictions` of the former."""
    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("explained")
    fit = ["--num-neighbors", "4,3", "--hidden", "16", "--epochs", "3", "--lr", "0.02"]
    with pytest.MonkeyPatch.context() as patch:
        for arguments in (
            ["train", areas / "split", "-o", folder / "model", *fit],
            ["train", areas / "ages", "-o", folder / "ages", *fit],
            ["predict", folder / "model", "-o", folder / "predictions"],
        ):
            patch.setattr(sys, "argv", ["gnnctl", *map(str, arguments), "--quiet"])
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code
    return folder


class Page(HTMLParser):
    """Collects a page's text and checks that tags close."""

    VOID = frozenset({"meta", "br", "link", "img", "circle", "path", "polygon", "rect"})

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.links = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("algorithm", ["gnn-explainer", "saliency", "integrated-gradients"])
def test_an_explanation_holds_tables_metrics_pictures_and_a_page(cli, areas, trained, tmp_path, algorithm):
    nodes = ["--node", "paper:p0003", "--node", "p0007"]
    options = ["--algorithm", algorithm, "--epochs", "5", "--steps", "8", "--top", "6", "--json", "--quiet"]
    stored = ["--predictions", trained / "predictions"]
    code, out, err = cli("explain", trained / "model", "-o", tmp_path / "why", *nodes, *options, *stored)
    assert (code, err) == (0, "")
    artifact = Artifact.open(tmp_path / "why", "explanation")
    assert artifact.verify() == []
    document = json.loads(out)
    assert document["explanations"] == artifact.json("metrics")["explanations"]
    assert [e["node"] for e in document["explanations"]] == ["paper:p0003", "paper:p0007"]
    predicted = pq.read_table(trained / "predictions" / "predictions.parquet").to_pylist()
    scores = {row["id"]: row[f"score_{row['prediction']}"] for row in predicted}
    for name, e in zip(("p0003", "p0007"), document["explanations"], strict=True):
        assert e["score"] == pytest.approx(scores[name], abs=1e-5)
        assert e["recomputed_score"] == pytest.approx(e["score"], abs=1e-4)
        assert e["selected_edges"] == 6

    tables = {name: pq.read_table(tmp_path / "why" / f"{name}.parquet") for name in ("nodes", "edges", "features")}
    rows = tables["edges"].filter(tables["edges"]["explained"].to_numpy() == "p0003").to_pylist()
    assert len(rows) == document["explanations"][0]["edges"]
    assert sum(row["selected"] for row in rows) == 6
    strengths = [abs(row["score"]) for row in rows]
    assert strengths == sorted(strengths, reverse=True)
    assert all(row["source"].startswith(row["source_type"][0]) for row in rows), "ids are those of the row's own type"
    assert tables["features"]["feature"].to_pylist()[0].startswith("x")
    assert {"paper", "author"} == set(tables["nodes"]["type"].to_pylist())

    text = (tmp_path / "why" / "explanation.html").read_text()
    page = Page(text)
    shown = " ".join(page.text)
    for word in ("p0003", "p0007", "area", "Top neighbours", "Top features", "How to read this", "fidelity"):
        assert word in shown
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), "nothing is loaded from elsewhere"
    for name in ("explanation.svg", "explanation-2.svg"):
        ElementTree.fromstring((tmp_path / "why" / name).read_text())


def test_the_same_call_again_is_up_to_date_and_another_refused(cli, trained, tmp_path):
    arguments = [
        "explain",
        trained / "model",
        "-o",
        tmp_path / "why",
        "--node",
        "paper:p0003",
        "--algorithm",
        "saliency",
    ]
    assert cli(*arguments)[0] == 0
    code, _, err = cli(*arguments)
    assert code == 0
    assert "up to date" in err
    assert cli(*arguments, "--epochs", "7")[0] == 0, "an option that saliency ignores changes nothing"
    code, _, err = cli(*arguments, "--target", "area 1")
    assert code == 4
    assert "--force" in err
    code, out, _ = cli(*arguments, "--target", "area 1", "--force", "--json", "-q")
    assert code == 0
    assert json.loads(out)["explanations"][0]["target"] == "area 1"


def test_a_number_and_a_sampled_prediction_are_explained(cli, trained, tmp_path):
    common = ["--node", "p0003", "--algorithm", "saliency", "--quiet", "--json"]
    code, out, err = cli("explain", trained / "ages", "-o", tmp_path / "a", *common)
    assert code == 0, err
    assert json.loads(out)["explanations"][0]["target"] is None
    code, out, err = cli("explain", trained / "model", "-o", tmp_path / "b", *common, "--num-neighbors", "2,2")
    assert code == 0, err
    assert json.loads(out)["explanations"][0]["edges"] <= 3 * (4 + 4 * 6)


def test_a_dry_run_writes_nothing(cli, trained, tmp_path):
    code, out, _ = cli("explain", trained / "model", "-o", tmp_path / "why", "--node", "p0003", "--dry-run")
    assert code == 0
    assert "would explain 1" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "text"),
    [
        (["--node", "paper:p0003x"], 3, "nearest: p0003"),
        (["--node", "author:a1"], 2, "the model predicts paper, not author"),
        (["--node", "p0003", "--algorithm", "magic"], 2, "magic"),
        (["--node", "p0003", "--target", "area 9"], 3, "'area 9' is no class of area"),
        (["--node", "p0003", "--num-neighbors", "3"], 2, "1 hops, the model 2 layers"),
        ([], 2, "--node"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(cli, trained, tmp_path, arguments, exit_code, text):
    code, _, err = cli("explain", trained / "model", "-o", tmp_path / "why", *arguments, "--quiet")
    assert code == exit_code
    assert text in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_only_a_model_is_explained_and_only_by_its_own_predictions(cli, areas, trained, tmp_path):
    code, _, err = cli("explain", areas / "graph", "-o", tmp_path / "why", "--node", "p0003")
    assert code == 4
    assert "is a graph, not a model" in err
    stored = ["--predictions", trained / "predictions"]
    code, _, err = cli("explain", trained / "ages", "-o", tmp_path / "why", "--node", "p0003", *stored)
    assert code == 4
    assert "another model" in err

import json
import shutil

import jsonschema
import numpy as np
import pytest

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.artifacts.manifest import FORMATS
from gnnctl.graph.graph import Graph
from gnnctl.inspection import ancestry, schemas_of, size_text


@pytest.fixture
def family(tiny, tmp_path):
    """A copy of the tiny graph and split, and a model made from both."""
    for name in ("graph", "split"):
        shutil.copytree(tiny / name, tmp_path / name)
    parents = [Parent(name, Artifact.open(tmp_path / name)) for name in ("split", "graph")]
    with ArtifactWriter(tmp_path / "model", Recipe("model", "train", 1, {"hidden": 8}, parents)) as writer:
        writer.array("weights", np.arange(5.0))
        writer.summary.update({"accuracy": 0.5, "epochs": 3})
    return tmp_path


def edit_manifest(path, **changes):
    file = path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_summary_for_people(cli, family):
    code, out, err = cli("inspect", family / "model")
    assert (code, err) == (0, "")
    assert out.startswith(str(family / "model"))
    assert "model (format 1)" in out
    assert "accuracy  0.5" in out
    assert "hidden  8" in out


def test_the_ancestry_is_a_tree(family):
    artifact = Artifact.open(family / "model")
    lines = ancestry(artifact).lines()
    drawn = [line.replace(str(family), "").rsplit("  ", 1)[0] for line in lines]
    assert drawn == ["model /model", "├── split: /split", "│   └── graph: /graph", "└── graph: /graph"]
    assert lines[0].endswith(artifact.fingerprint[:12])


def test_the_json_answer_holds_everything(cli, family):
    code, out, _ = cli("inspect", family / "split", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema"] == "gnnctl/inspect/1"
    assert document["kind"] == "split"
    assert document["options"]["target"] == "person.team"
    assert document["ancestry"]["parents"][0]["role"] == "graph"
    assert document["ancestry"]["parents"][0]["fingerprint"] == Artifact.open(family / "graph").fingerprint


@pytest.mark.parametrize("name", ["graph", "split", "model"])
def test_intact_bytes_are_verified(cli, family, name):
    code, out, err = cli("inspect", family / name, "--verify")
    assert (code, err) == (0, "")
    assert "Every byte is as it was written" in out
    assert json.loads(cli("inspect", family / name, "--verify", "--json")[1])["verified"] is True


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_kind_has_a_summary_and_a_schema(cli, tmp_path, kind):
    with ArtifactWriter(tmp_path / "a", Recipe(kind, "stage", 1, {"a": [1, {"b": None}]})) as writer:
        writer.file("notes.txt").write_text("x")
        writer.summary.update({"counts": {"a": 1}, "empty": {}, "deep": {"er": {"x": 1}, "y": "z"}, "words": ["w"]})
    code, out, _ = cli("inspect", tmp_path / "a")
    assert code == 0
    assert f"{kind} (format 1)" in out
    code, out, _ = cli("inspect", tmp_path / "a", "--schema")
    assert code == 0
    jsonschema.validate(json.loads((tmp_path / "a" / "manifest.json").read_text()), json.loads(out)["manifest.json"])


def test_the_schemas_fit_the_documents(family):
    for kind, document in (("graph", "graph.json"), ("split", "target.json")):
        schema = schemas_of(kind)[document]
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(json.loads((family / kind / document).read_text()), schema)


def test_a_flipped_byte_is_found(cli, family):
    file = next((family / "graph" / "nodes" / "person" / "x").rglob("c/0/0"))
    data = bytearray(file.read_bytes())
    data[3] ^= 1
    file.write_bytes(data)
    assert cli("inspect", family / "graph")[0] == 0
    code, out, err = cli("inspect", family / "graph", "--verify")
    assert code == 4
    assert str(file) in err
    assert out == ""


def test_a_stray_file_is_found(cli, family):
    (family / "graph" / "stray").write_text("x")
    code, _, err = cli("inspect", family / "graph", "--verify")
    assert code == 4
    assert "stray: not in the manifest" in err


def test_a_truncated_file_is_found_at_once(cli, family):
    file = family / "split" / "train.arrow"
    file.write_bytes(file.read_bytes()[:-8])
    code, _, err = cli("inspect", family / "split")
    assert code == 4
    assert str(file) in err


def test_a_missing_file_is_found_at_once(cli, family):
    (family / "split" / "val.arrow").unlink()
    code, _, err = cli("inspect", family / "split")
    assert code == 4
    assert "val.arrow is missing" in err


def test_an_edited_manifest_is_found(cli, family):
    edit_manifest(family / "model", options={"hidden": 9})
    code, _, err = cli("inspect", family / "model")
    assert code == 4
    assert "was edited" in err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "has format 99 of kind model"),
        ({"kind": "novel"}, "not a valid manifest: kind"),
        ({"files": 3}, "not a valid manifest: files"),
    ],
)
def test_a_manifest_that_cannot_be_read(cli, family, changes, message):
    edit_manifest(family / "model", **changes)
    code, _, err = cli("inspect", family / "model")
    assert code == 4
    assert message in err
    assert err.count("\n") == 1


def test_a_manifest_that_is_no_json(cli, family):
    (family / "model" / "manifest.json").write_text("{")
    code, _, err = cli("inspect", family / "model")
    assert code == 4
    assert "is damaged" in err


def test_what_is_no_artifact(cli, tmp_path):
    for path, message in ((tmp_path, "no manifest.json"), (tmp_path / "none", "does not exist")):
        code, _, err = cli("inspect", path)
        assert code == 4
        assert message in err


def test_ancestors_that_are_gone_or_others_are_said(cli, family):
    shutil.rmtree(family / "split")
    shutil.rmtree(family / "graph")
    other = Graph.from_coo(3, np.array([[0, 1], [1, 2]]))
    with ArtifactWriter(family / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        other.write(writer)
    code, out, _ = cli("inspect", family / "model")
    assert code == 0
    split, graph = out.splitlines()[-2:]
    assert split.endswith("(gone)")
    assert graph.endswith("(another one stands there now)")


def test_sizes_have_units():
    assert [size_text(n) for n in (3, 2048, 3 << 20, 5 << 30, 2 << 40)] == [
        "3 B",
        "2.0 KiB",
        "3.0 MiB",
        "5.0 GiB",
        "2.0 TiB",
    ]

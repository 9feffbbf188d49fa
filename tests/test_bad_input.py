"""Bad input ends in one line on stderr, the documented exit code, and nothing written."""

import errno
import os
import shutil

import pytest

CASES = [
    pytest.param(["ingest", "missing.toml"], 3, "does not exist", id="missing-spec"),
    pytest.param(["split", "nosuch", "--target", "person.team"], 4, "does not exist", id="missing-artifact"),
    pytest.param(["sample", "{tiny}/graph", "--num-neighbors", "3"], 4, "is a graph, not a split", id="another-kind"),
    pytest.param(
        ["train", "{tiny}/split", "--num-neighbors", "5", "--layers", "2"], 2, "does not fit", id="fan-out-and-layers"
    ),
    pytest.param(["split", "{tiny}/graph", "--val", "0", "--test", "0.99"], 3, "train", id="no-training-seed"),
    pytest.param(["split", "{tiny}/graph", "--delimiter", ""], 2, "--delimiter is empty", id="empty-option"),
    pytest.param(["train", "{tiny}/split", "--lr", "inf"], 2, "--lr inf", id="no-finite-option"),
    pytest.param(["train", "{tiny}/split", "--threads", "1000000"], 2, "more than", id="too-many-threads"),
    pytest.param(["train", "{tiny}/split", "--model", "json:loads"], 2, "no torch.nn.Module", id="no-model"),
    pytest.param(["train", "{tiny}/split", "--hidden", "many"], 2, "Invalid value for '--hidden'", id="no-number"),
]


@pytest.fixture
def copy(tiny, tmp_path, monkeypatch):
    """A graph and a split to damage, and the folder they lie in as the current one."""
    for name in ("graph", "split"):
        shutil.copytree(tiny / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one_line(answer, code, says):
    found, out, err = answer
    assert (found, out) == (code, "")
    assert err.startswith("gnnctl: error: ")
    assert err.count("\n") == 1
    assert "; " in err
    assert says in err


@pytest.mark.parametrize(("arguments", "code", "says"), CASES)
def test_bad_input_is_one_line(cli, tiny, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    answer, out, err = cli(*(word.replace("{tiny}", str(tiny)) for word in arguments), "-o", "out")
    one_line((answer, out, err), code, says)
    assert not list(tmp_path.iterdir())


def _truncate(folder):
    file = folder / "graph/edges/person__mails__person/row/c/0"
    file.write_bytes(file.read_bytes()[:-3])


def _flip(folder):
    file = folder / "graph/edges/person__mails__person/row/c/0"
    file.write_bytes(b"\xff" + file.read_bytes()[1:])


def _replace(folder, name, old, new):
    file = folder / name / "manifest.json"
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(_truncate, "has 77 bytes, not 80", id="truncated-array"),
        pytest.param(_flip, "row has an entry outside", id="changed-array"),
        pytest.param(lambda at: (at / "split/val.arrow").unlink(), "val.arrow is missing", id="missing-file"),
        pytest.param(lambda at: _replace(at, "split", '"seed": 0', '"seed": 1'), "was edited", id="edited-manifest"),
        pytest.param(lambda at: _replace(at, "split", '"format": 1', '"format": 99'), "format 99", id="future-format"),
        pytest.param(lambda at: shutil.rmtree(at / "graph"), "is gone; name it with --graph", id="parent-gone"),
    ],
)
@pytest.mark.parametrize("stage", [["sample", "--num-neighbors", "2"], ["train"]], ids=["sample", "train"])
def test_damage_is_an_artifact_error(cli, copy, stage, damage, says):
    damage(copy)
    one_line(cli(stage[0], "split", *stage[1:], "-o", "out"), 4, says)
    assert {entry.name for entry in copy.iterdir()} <= {"graph", "split"}


@pytest.mark.parametrize(
    ("output", "code", "says"),
    [
        ("file", 4, "is no artifact"),
        ("file/below", 2, "is a file, not a folder"),
        ("/", 2, "cannot be an artifact"),
        (".", 4, "is no artifact"),
        ("graph", 2, "which it is made from"),
        ("split", 2, "which it is made from"),
        ("graph/below", 2, "which it is made from"),
    ],
)
def test_an_output_that_cannot_be(cli, copy, output, code, says):
    (copy / "file").write_text("mine")
    before = sorted(copy.rglob("*"))
    one_line(cli("sample", "split", "--num-neighbors", "2", "-o", output, "--force"), code, says)
    assert sorted(copy.rglob("*")) == before


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES])
def test_a_refusing_disk_is_named(cli, copy, monkeypatch, error):
    def refuse(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", refuse)
    one_line(cli("split", "graph", "-o", "out"), 5, "out: ")
    assert {entry.name for entry in copy.iterdir()} == {"graph", "split"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"x = [", "bad.toml: "),
        (b"split = 3", "is no table"),
        (b"\xff\xfe", "utf-8"),
        (b"[split]\nnope = 1", "no option"),
    ],
)
def test_a_bad_configuration(cli, copy, text, says):
    (copy / "bad.toml").write_bytes(text)
    one_line(cli("split", "graph", "-o", "out", "--config", "bad.toml"), 2, says)

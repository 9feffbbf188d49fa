"""report.html beside a model."""

import shlex
from html import unescape

from gnnctl.artifacts import Artifact

FAST = ("--model", "sage", "--hidden", 8, "--epochs", 3)


def test_train_writes_the_report_with_its_command_line(cli, areas, tmp_path):
    arguments = ("train", areas / "split", "-o", tmp_path / "a model", *FAST)
    code, _, error = cli(*arguments)
    assert code == 0, error
    text = unescape((tmp_path / "a model" / "report.html").read_text())
    assert shlex.join(["gnnctl", *map(str, arguments)]) in text
    assert "Exact metrics" in text
    assert "by in-edges" in text
    assert "Is it as sure as it is right?" in text


def test_the_report_is_no_content(cli, areas, tmp_path):
    for name in ("one", "two"):
        assert cli("train", areas / "split", "-o", tmp_path / name, *FAST)[0] == 0
    assert Artifact.open(tmp_path / "one").manifest.content == Artifact.open(tmp_path / "two").manifest.content

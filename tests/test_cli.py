"""The command line as the shell sees it: help, exit codes, one line an error, completion."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gnnctl.cli import STAGES

HEAVY = {"torch", "pyarrow", "zarr", "duckdb", "numpy", "sklearn", "matplotlib", "networkx"}


def shell(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "gnnctl", *arguments], capture_output=True, text=True, **options)


@pytest.mark.parametrize("stage", ["", *STAGES])
def test_help_imports_nothing_heavy(stage):
    code = f"""
import sys
sys.argv = ["gnnctl", *{[stage] if stage else []!r}, "--help"]
from gnnctl.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
sys.stderr.write(" ".join({HEAVY!r} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    assert "Usage: gnnctl" in answer.stdout


@pytest.mark.parametrize("stage", [s for s in STAGES if s not in ("inspect", "serve")])
def test_every_stage_takes_the_shared_options(stage):
    text = shell(stage, "--help", env={**os.environ, "COLUMNS": "200"}).stdout
    for option in ("--output", "--json", "--quiet", "--dry-run", "--force", "--config", "--traceback"):
        assert option in text, option


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "nonsense"),
        (["split"], 2, "Missing"),
        (["train", "x", "-o", "y", "--epochs", "many"], 2, "--epochs"),
        (["train", "x", "-o", "y", "--no-such-option"], 2, "--no-such-option"),
        (["split", "missing", "-o", "out", "--target", "a.b"], 4, "missing does not exist"),
        (["train", "missing", "-o", "out"], 4, "missing does not exist"),
        (["predict", "missing", "-o", "out"], 4, "missing does not exist"),
        (["explain", "missing", "-o", "out", "--node", "a:b"], 4, "missing does not exist"),
        (["inspect", "missing"], 4, "missing does not exist"),
        (["sample", "missing", "-o", "out", "--num-neighbors", "5"], 4, "missing does not exist"),
        (["ingest", "missing.toml", "-o", "out"], 3, "missing.toml"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code_and_writes_nothing(tmp_path, arguments, code, words):
    answer = shell(*arguments, cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("gnnctl: error: ")
    assert words in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_traceback_shows_where_an_error_came_from(tmp_path):
    answer = shell("inspect", "missing", "--traceback", cwd=tmp_path)
    assert answer.returncode != 0
    assert "Traceback" in answer.stderr
    assert "ArtifactError" in answer.stderr


def test_a_config_file_gives_defaults_and_a_flag_wins(tiny, tmp_path):
    (tmp_path / "pipeline.toml").write_text('[split]\ntarget = "person.team"\nval = 0.25\ntest = 0.25\n')
    options = ["--config", str(tmp_path / "pipeline.toml"), "--dry-run", "--json"]
    answer = shell("split", str(tiny / "graph"), "-o", str(tmp_path / "s"), *options)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["schema"] == "gnnctl/split/1"
    (tmp_path / "pipeline.toml").write_text('[split]\ntagret = "person.team"\n')
    answer = shell("split", str(tiny / "graph"), "-o", str(tmp_path / "s"), *options)
    assert answer.returncode == 2
    assert "[split] has no option 'tagret'" in answer.stderr


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_shell_completion_is_offered_and_completes_stages(name):
    command = os.path.join(os.path.dirname(sys.executable), "gnnctl")
    without_detection = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    offered = [command, "--show-completion", name]
    answer = subprocess.run(offered, capture_output=True, text=True, env=without_detection)
    assert "_GNNCTL_COMPLETE" in answer.stdout
    environment = {**os.environ, "_GNNCTL_COMPLETE": f"complete_{name}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    environment |= {"COMP_WORDS": "gnnctl tr", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "gnnctl tr"}
    answer = subprocess.run([command], capture_output=True, text=True, env=environment)
    assert "train" in answer.stdout


def test_ctrl_c_ends_with_130_and_leaves_nothing(tiny, tmp_path):
    command = [sys.executable, "-m", "gnnctl", "sample", str(tiny / "split"), "-o", str(tmp_path / "out")]
    process = subprocess.Popen([*command, "--num-neighbors", "5,5", "--epochs", "1000000"], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out.partial").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not (tmp_path / "out").exists()

"""examples/large at a ten-thousandth of its size: every stage under its limit, and a log that says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "large"
STAGES = ["ingest", "split", "sample", "train", "predict"]


@pytest.fixture
def environment():
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_every_stage_stays_under_its_limit(tmp_path, environment):
    run = tmp_path / "run"
    given = ["NODES=2e4", "EDGES=2e5", "MEMORY=2GiB", "TABLES=1GB", "EPOCHS=1", f"RUN={run}"]
    found = subprocess.run(
        ["make", "-C", str(FOLDER), *given], capture_output=True, text=True, env=environment, check=False
    )
    assert found.returncode == 0, found.stderr
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["command"][1] for line in log] == STAGES
    for line in log:
        assert line["exit"] == 0
        assert 0 < line["peak"] <= line["limit"] == 2 << 30
    assert "200,000 edges and their reverses" in found.stdout
    plot = run / "growth.svg"
    subprocess.run([sys.executable, "summary.py", run, "--plot", plot], cwd=FOLDER, check=True, capture_output=True)
    assert plot.read_text().count("<path") > len(STAGES)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_what_takes_more_is_killed_and_logged(tmp_path):
    greedy = "x = bytearray(400 << 20)\nimport time; time.sleep(20)"
    command = [sys.executable, FOLDER / "guard.py", "200MiB", tmp_path / "log", "--", sys.executable, "-c", greedy]
    assert subprocess.run(command, check=False, timeout=60).returncode == 137
    assert json.loads((tmp_path / "log").read_text())["exit"] == -9

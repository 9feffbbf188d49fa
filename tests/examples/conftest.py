"""What the tests of examples share."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def make():
    """Runs the Makefile of an example with the `gnnctl` of this interpreter, on one thread; its answer."""
    if subprocess.run(["make", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("make is not installed")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

    def run(example, *arguments):
        done = subprocess.run(
            ["make", "-C", str(EXAMPLES / example), *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def made_here(make, cli, monkeypatch):
    """As ``make``, but plain `gnnctl` commands of the plan run in this process, which has torch already."""

    def run(example, *arguments):
        planned = make(example, "--dry-run", "--no-print-directory", *arguments).stdout
        monkeypatch.chdir(EXAMPLES / example)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        said, told = [], []
        for line in planned.replace("\\\n", " ").splitlines():
            if line.startswith("gnnctl ") and not set(line) & set(";|&<>$"):
                code, out, error = cli(*shlex.split(line)[1:])
            else:
                done = subprocess.run(
                    ["sh", "-c", line],
                    capture_output=True,
                    text=True,
                    env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
                    check=False,
                )
                code, out, error = done.returncode, done.stdout, done.stderr
            assert code == 0, f"{line}\n{out}{error}"
            said.append(out)
            told.append(error)
        return subprocess.CompletedProcess(planned, 0, "".join(said), "".join(told))

    return run

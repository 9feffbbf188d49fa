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
def train_here(make, cli):
    """Runs only the `gnnctl train` that the Makefile of an example would, in this process, which is quicker."""

    def run(example, *arguments):
        planned = make(example, "--dry-run", *arguments).stdout.splitlines()
        (command,) = [shlex.split(line) for line in planned if line.startswith("gnnctl train ")]
        code, _, error = cli(*command[1:])
        assert code == 0, error

    return run

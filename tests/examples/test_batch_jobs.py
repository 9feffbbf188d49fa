"""Shards by Slurm's variables and by make -j are the artifact that one command writes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gnnctl.artifacts import Artifact

EXAMPLES = Path(__file__).parents[2] / "examples"
OPTIONS = ["--num-neighbors", "3,2", "--batch-size", "2", "--epochs", "2", "--seed", "4"]
# What Slurm's sbatch does with a job array, a task after the other.
SBATCH = """#!/usr/bin/env bash
echo "$*" >> "$JOBS"
script=${!#}
for argument in "$@"; do
    case $argument in --array=*) array=${argument#--array=};; esac
done
if [ -n "${array:-}" ]; then
    export SLURM_ARRAY_TASK_MIN=${array%-*} SLURM_ARRAY_TASK_MAX=${array#*-} SLURM_CPUS_PER_TASK=1
    export SLURM_ARRAY_TASK_COUNT=$((SLURM_ARRAY_TASK_MAX - SLURM_ARRAY_TASK_MIN + 1))
    for SLURM_ARRAY_TASK_ID in $(seq "$SLURM_ARRAY_TASK_MAX" -1 "$SLURM_ARRAY_TASK_MIN"); do
        export SLURM_ARRAY_TASK_ID
        bash "$script" >&2 || exit 1
    done
else
    bash "$script" >&2 || exit 1
fi
echo 4711
"""


@pytest.fixture
def environment(tmp_path):
    """Variables under which `gnnctl` is the one of this interpreter, on one thread, and `sbatch` the one above."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (("gnnctl", f'#!/bin/sh\nexec "{sys.executable}" -m gnnctl "$@"\n'), ("sbatch", SBATCH)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    path = os.pathsep.join([str(commands), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "JOBS": str(tmp_path / "jobs")}


@pytest.fixture
def whole(cli, tiny, tmp_path):
    """The artifact of one command."""
    code, _, err = cli("sample", tiny / "split", "-o", tmp_path / "whole", *OPTIONS, "--quiet")
    assert code == 0, err
    return Artifact.open(tmp_path / "whole")


def run(command, environment, cwd):
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_same(path, whole):
    made = Artifact.open(path)
    assert (made.fingerprint, made.content, made.verify()) == (whole.fingerprint, whole.content, [])


def test_a_job_array_of_slurm(environment, tiny, whole, tmp_path):
    script, out = EXAMPLES / "slurm" / "submit.sh", tmp_path / "out"
    run([script, tiny / "split", out, "3", *OPTIONS], environment, tmp_path)
    assert_same(out, whole)
    assert len(list((tmp_path / "out.shards").iterdir())) == 3
    array, join = (tmp_path / "jobs").read_text().splitlines()
    assert "--array=1-3" in array
    assert "--dependency=afterok:4711" in join
    # An array that counts otherwise names the same shards.
    task = {"SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_STEP": "5", "SLURM_ARRAY_TASK_ID": "20"}
    task |= {"SLURM_ARRAY_TASK_COUNT": "3", "SPLIT": str(tiny / "split"), "OUT": str(tmp_path / "other")}
    run([EXAMPLES / "slurm" / "sample.sbatch"], {**environment, **task, "OPTIONS": " ".join(OPTIONS)}, tmp_path)
    assert_same(tmp_path / "other.shards" / "3", Artifact.open(tmp_path / "out.shards" / "3"))


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_with_several_at_once(environment, tiny, whole, tmp_path):
    out = tmp_path / "out"
    variables = [f"SPLIT={tiny / 'split'}", f"OUT={out}", "SHARDS=3", f"OPTIONS={' '.join(OPTIONS)}"]
    command = ["make", "-j2", "-C", str(EXAMPLES / "slurm"), *variables]
    run(command, environment, tmp_path)
    assert_same(out, whole)
    stamp = (out / "manifest.json").stat().st_mtime_ns
    run(command, environment, tmp_path)
    assert (out / "manifest.json").stat().st_mtime_ns == stamp

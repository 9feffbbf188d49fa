"""The scripts of examples/published on small data of the same columns."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "stages"))
from molecules_task import write_molecules

FOLDER = Path(__file__).parents[2] / "examples" / "published"


@pytest.fixture
def small_data(tmp_path):
    """Two classes that link to their own kind; the features say half of it."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 60)
    x = np.abs(label[:, None] * np.array([1.0, 0.0, 0.5]) + rng.random((60, 3))).astype(np.float32)
    part = np.array(["train", "val", "test"])[np.arange(60) % 3]
    ends = rng.integers(0, 60, (2, 400))
    ends = ends[:, (label[ends[0]] == label[ends[1]]) & (ends[0] < ends[1])]
    for node, edge, words, split in (("paper", "cites", "words", "split"), ("node", "edge", "x", "split0")):
        columns = {"id": [f"p{i}" for i in range(60)], "label": label.astype(np.int32), split: part, words: list(x)}
        pq.write_table(pa.table(columns), tmp_path / f"{node}.parquet")
        ids = {"src": [f"p{i}" for i in ends[0]], "dst": [f"p{i}" for i in ends[1]]}
        pq.write_table(pa.table(ids), tmp_path / f"{edge}.parquet")
    write_molecules(tmp_path, 24)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["cora.sh", "DATA", "OUT", "gcn", "2", "3"], "gcn: mean test accuracy"),
        (["cora.sh", "DATA", "OUT", "gat", "1", "3"], "gat: mean test accuracy"),
        (["cora.sh", "DATA", "OUT", "sgc", "1", "3"], "sgc: mean test accuracy"),
        (["cora.sh", "DATA", "OUT", "appnp", "1", "3"], "appnp: mean test accuracy"),
        (["cora_unlabelled.sh", "DATA", "OUT", "dgi", "2"], "probe_accuracy"),
        (["cora_unlabelled.sh", "DATA", "OUT", "node2vec", "1"], "few_shot_accuracy"),
        (["minesweeper.sh", "DATA", "OUT", "split0", "3"], "auroc"),
        (["mutag.sh", "DATA", "OUT", "1", "2", "3"], "where one epoch is chosen on the test curves"),
    ],
)
def test_a_script_runs_to_its_figure(small_data, command, answer):
    words = {"DATA": str(small_data), "OUT": str(small_data / "out")}
    script, *arguments = [words.get(word, word) for word in command]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    found = subprocess.run(
        ["bash", str(FOLDER / script), *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert found.returncode == 0, found.stderr
    assert answer in found.stdout

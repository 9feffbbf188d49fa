import json
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.stream import StreamRecords
from gnnctl.splits import find_target, split_nodes

FAN_OUT = ["--num-neighbors", "4,3", "--batch-size", "64"]


@pytest.fixture(scope="module")
def split_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(1)
    areas = pa.table({"area": pa.array([f"area {i}" for i in rng.integers(0, 4, 400)])})
    edges = {EdgeType("paper", "cites", "paper"): rng.integers(0, 400, (2, 3000))}
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        Graph.from_coo({"paper": 400}, edges, columns={"paper": areas}).write(writer)
    artifact = Artifact.open(folder / "graph")
    split = split_nodes(Graph.open(artifact), find_target(Graph.open(artifact), "paper.area"))
    with ArtifactWriter(folder / "split", Recipe("split", "split", 1, {}, [Parent("graph", artifact)])) as writer:
        split.write(writer)
    return folder / "split"


def gnnctl(*arguments, code=0, **options):
    command = [sys.executable, "-m", "gnnctl.cli", "sample", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, **options)
    assert done.returncode == code, done.stderr.decode()
    return done


def test_writes_an_artifact_and_does_nothing_twice(split_path, tmp_path):
    out = tmp_path / "samples"
    done = gnnctl(split_path, "-o", out, *FAN_OUT, "--epochs", 2, "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "gnnctl/sample/1"
    assert (document["records"], document["done"]) == (2 * 5 + 1 + 2, True)
    records = SubgraphRecords.open(out)
    assert len(list(records.blocks("train", 2))) > 0
    assert records.artifact.verify() == []
    again = gnnctl(split_path, "-o", out, *FAN_OUT, "--epochs", 2)
    assert b"up to date" in again.stderr
    other = gnnctl(split_path, "-o", out, "--num-neighbors", "4,2", code=4)
    assert b"num_neighbors." in other.stderr
    gnnctl(split_path, "-o", out, "--num-neighbors", "4,2", "--force")
    assert SubgraphRecords.open(out).artifact.content != records.artifact.content


def test_shards_join(split_path, tmp_path):
    gnnctl(split_path, "-o", tmp_path / "whole", *FAN_OUT)
    for i in (1, 2):
        gnnctl(split_path, "-o", tmp_path / f"s{i}", *FAN_OUT, "--shard", f"{i}/2", "--format", "parquet")
    gnnctl("--join", tmp_path / "s2", tmp_path / "s1", "-o", tmp_path / "joined")
    whole, joined = (Artifact.open(tmp_path / name) for name in ("whole", "joined"))
    assert (whole.content, whole.fingerprint) == (joined.content, joined.fingerprint)
    assert b"shard 2 of 2 is missing" in gnnctl("--join", tmp_path / "s1", "-o", tmp_path / "j", code=4).stderr
    assert not (tmp_path / "j").exists()


def test_streams_the_same_records(split_path, tmp_path):
    gnnctl(split_path, "-o", tmp_path / "samples", *FAN_OUT)
    with (tmp_path / "piped").open("wb") as pipe:
        command = [sys.executable, "-m", "gnnctl.cli", "sample", str(split_path), "-o", "-", *FAN_OUT]
        assert subprocess.run(command, stdout=pipe, check=False).returncode == 0
    with (tmp_path / "piped").open("rb") as pipe:
        stream, stored = StreamRecords(pipe), SubgraphRecords.open(tmp_path / "samples")
        assert stream.fingerprint == stored.artifact.fingerprint
        for part, epoch in (("train", 1), ("val", 0), ("test", 0)):
            pairs = zip(stream.blocks(part, epoch), stored.blocks(part, epoch), strict=True)
            assert all(a.columns.subgraph(0).same_as(b.columns.subgraph(0)) for a, b in pairs)


def test_a_reader_that_leaves_is_no_error(split_path):
    arguments = ["--num-neighbors", "-1,-1", "--batch-size", "8", "--epochs", "50"]
    command = [sys.executable, "-m", "gnnctl.cli", "sample", str(split_path), "-o", "-", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as sender:
        sender.stdout.read(1000)
        sender.stdout.close()
        said = sender.stderr.read().decode()
    assert sender.returncode == 0
    assert said.strip().endswith("the reader has gone; stopped")


def test_dry_run_writes_nothing(split_path, tmp_path):
    done = gnnctl(split_path, "-o", tmp_path / "samples", *FAN_OUT, "--dry-run", "--json")
    document = json.loads(done.stdout)
    assert document["records"] == 8
    assert document["edges"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--num-neighbors is missing"),
        (["--num-neighbors", "4,x"], 2, "no list of numbers"),
        (["--num-neighbors", "4,-2"], 2, "fan-out of -2"),
        (["--num-neighbors", "4,3", "--num-neighbors", "paper cites paper=4"], 0, ""),
        (["--num-neighbors", "paper likes paper=4"], 2, "no edge type 'paper likes paper'"),
        (["--num-neighbors", "4,3", "--fan-out-budget", "4"], 2, "has 1 hops, --num-neighbors 2"),
        (["--num-neighbors", "3,4", "--unit", "seed"], 2, "would not merge"),
        (["--num-neighbors", "4,3", "--shard", "3/2"], 2, "--shard '3/2'"),
        (["--num-neighbors", "4,3", "--shard", "0/2"], 2, "--shard '0/2'"),
    ],
)
def test_bad_options_are_named_and_nothing_is_written(split_path, tmp_path, arguments, code, said):
    done = gnnctl(split_path, "-o", tmp_path / "samples", *arguments, code=code)
    if code:
        assert said in done.stderr.decode()
        assert done.stderr.decode().count("\n") == 1
        assert list(tmp_path.iterdir()) == []


def test_other_artifacts_are_refused(split_path, tmp_path):
    graph = split_path.parent / "graph"
    assert b"is a graph, not a split" in gnnctl(graph, "-o", tmp_path / "s", *FAN_OUT, code=4).stderr
    assert b"does not exist" in gnnctl(tmp_path / "no", "-o", tmp_path / "s", *FAN_OUT, code=4).stderr
    assert b"--shard" in gnnctl(split_path, "-o", "-", *FAN_OUT, "--shard", "1/2", code=2).stderr


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_leaves_nothing_and_goes_on(split_path, tmp_path, sign):
    out = tmp_path / "samples"
    arguments = ["--num-neighbors", "5,5", "--batch-size", "2", "--epochs", "60", "-q"]
    command = [sys.executable, "-m", "gnnctl.cli", "sample", str(split_path), "-o", str(out), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as run:
        progress = tmp_path / "samples.partial" / "progress.json"
        while not progress.exists() and run.poll() is None:
            time.sleep(0.005)
        run.send_signal(sign)
        said = run.stderr.read().decode()
    assert run.returncode == (130 if sign == signal.SIGINT else -sign), said
    assert not out.exists()
    left = len(json.loads(progress.read_text()))
    assert left > 0
    again = gnnctl(split_path, "-o", out, *arguments[:-1])
    assert b"going on after" in again.stderr
    gnnctl(split_path, "-o", tmp_path / "whole", *arguments)
    resumed, whole = Artifact.open(out), Artifact.open(tmp_path / "whole")
    assert (resumed.content, resumed.verify()) == (whole.content, [])
    assert not (tmp_path / "samples.partial").exists()

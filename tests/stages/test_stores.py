"""Features of nodes in another store than Zarr: the same results, and an artifact like any other."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from gnnctl.artifacts import Artifact
from gnnctl.graph import Graph

pytest.importorskip("rocksdict")
pytest.importorskip("ladybug")
SPEC = Path(__file__).parents[2] / "examples" / "tiny" / "graph.toml"
SAMPLED = ["--num-neighbors", "3,2", "--hidden", "8", "--epochs", "2", "--quiet"]


def _ingested(folder, store):
    from gnnctl.cli import main

    with pytest.MonkeyPatch.context() as patch:
        arguments = ["ingest", SPEC, "-o", folder / "graph", "--store", store, "--quiet"]
        patch.setattr(sys, "argv", ["gnnctl", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
    return folder


@pytest.fixture(scope="module")
def rocks(tiny, tmp_path_factory):
    """A folder with the tiny graph, its features in RocksDB."""
    return _ingested(tmp_path_factory.mktemp("rocks"), "rocksdb")


@pytest.fixture(scope="module")
def bugs(tiny, tmp_path_factory):
    """A folder with the tiny graph, its features in ladybug."""
    return _ingested(tmp_path_factory.mktemp("bugs"), "ladybug")


def _bytes_of(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("store", ["rocks", "bugs"])
def test_it_is_the_same_graph(tiny, store, request):
    there = request.getfixturevalue(store)
    zarr, other = Artifact.open(tiny / "graph"), Artifact.open(there / "graph")
    assert (zarr.fingerprint, zarr.content) == (other.fingerprint, other.content)
    assert other.verify() == []
    assert not (there / "graph" / "nodes" / "person" / "x").exists()
    for name, store in Graph.open(other).nodes.items():
        assert np.array_equal(store.features(), Graph.open(zarr).nodes[name].features())


@pytest.mark.parametrize(
    ("store", "fan_outs"),
    [("rocks", SAMPLED), ("rocks", SAMPLED[2:]), ("bugs", SAMPLED)],
    ids=["sampled", "whole", "ladybug"],
)
def test_training_prediction_and_explanation_are_the_same_to_the_byte(cli, tiny, tmp_path, request, store, fan_outs):
    there = request.getfixturevalue(store)
    before = _bytes_of(there / "graph")
    for name, graph in (("zarr", tiny / "graph"), ("there", there / "graph")):
        out = tmp_path / name
        code, _, error = cli("train", tiny / "split", "-o", out / "model", "--graph", graph, *fan_outs)
        assert code == 0, error
        code, _, error = cli("predict", out / "model", "-o", out / "predictions", "--graph", graph, "--quiet")
        assert code == 0, error
    assert (tmp_path / "zarr/model/weights.safetensors").read_bytes() == (
        tmp_path / "there/model/weights.safetensors"
    ).read_bytes()
    tables = [pq.read_table(tmp_path / name / "predictions/predictions.parquet") for name in ("zarr", "there")]
    assert tables[0].equals(tables[1])
    if fan_outs is SAMPLED:
        why = []
        for name, graph in (("zarr", tiny / "graph"), ("there", there / "graph")):
            options = ["--node", "person:ada", "--algorithm", "saliency", "--graph", graph, "--quiet"]
            code, _, error = cli("explain", tmp_path / name / "model", "-o", tmp_path / name / "why", *options)
            assert code == 0, error
            why.append(pq.read_table(tmp_path / name / "why" / "nodes.parquet"))
        assert why[0].equals(why[1])
    assert _bytes_of(there / "graph") == before  # reading writes nothing


def test_a_cache_of_hot_rows_changes_no_weight_and_is_reported(cli, tiny, rocks, tmp_path):
    split = tiny / "split"
    for name, options in (("plain", []), ("cached", ["--feature-cache", "200"])):
        out = tmp_path / name
        code, text, error = cli("train", split, "-o", out, "--graph", rocks / "graph", *SAMPLED, "--json", *options)
        assert code == 0, error
    cache = json.loads(text)["feature_cache"]
    assert cache["rows"] > 0
    assert cache["bytes"] <= 200
    assert 0 < cache["hit_rate"] < 1
    assert Artifact.open(tmp_path / "cached").manifest.summary["feature_cache"] == cache
    assert Artifact.open(tmp_path / "cached").content == Artifact.open(tmp_path / "plain").content


@pytest.mark.parametrize(("size", "words"), [("much", "'much' is no size"), ("1K", ""), ("10", "too few")])
def test_a_cache_of_no_size_is_refused(cli, tiny, rocks, tmp_path, size, words):
    out = tmp_path / "model"
    options = ["--graph", rocks / "graph", *SAMPLED, "--feature-cache", size]
    code, _, error = cli("train", tiny / "split", "-o", out, *options)
    assert (code == 2, words in error) == (bool(words), True)


def test_packed_records_are_the_same(cli, tiny, rocks, tmp_path):
    for name, graph in (("zarr", tiny / "graph"), ("rocks", rocks / "graph")):
        options = ["--num-neighbors", "3,2", "--features", "packed", "--graph", graph, "--quiet"]
        code, _, error = cli("sample", tiny / "split", "-o", tmp_path / name, *options)
        assert code == 0, error
    assert Artifact.open(tmp_path / "zarr").content == Artifact.open(tmp_path / "rocks").content


def test_another_store_is_another_output(cli, tmp_path):
    out = tmp_path / "graph"
    code, _, error = cli("ingest", SPEC, "-o", out, "--quiet")
    assert code == 0, error
    code, _, error = cli("ingest", SPEC, "-o", out, "--store", "rocksdb", "--quiet")
    assert code == 4
    assert "keeps its features in zarr, not in rocksdb" in error
    code, _, error = cli("ingest", SPEC, "-o", out, "--store", "rocksdb", "--quiet", "--force")
    assert code == 0, error
    code, text, error = cli("ingest", SPEC, "-o", out, "--store", "rocksdb", "--quiet", "--json")
    assert code == 0, error
    assert json.loads(text)["up_to_date"]
    code, text, error = cli("inspect", out, "--verify")
    assert code == 0, error
    assert any(line.split() == ["store", "rocksdb"] for line in text.splitlines())
    assert not (out / "nodes/person/x").exists()


@pytest.mark.parametrize(("store", "words"), [("nowhere", "there is no 'nowhere'"), ("json:dumps", "is no store")])
def test_an_unknown_store_is_a_usage_error(cli, tmp_path, store, words):
    code, _, error = cli("ingest", SPEC, "-o", tmp_path / "graph", "--store", store)
    assert code == 2
    assert words in error
    assert not (tmp_path / "graph").exists()


def test_a_damaged_store_is_one_clear_error(cli, tiny, rocks, tmp_path):
    graph = tmp_path / "graph"
    shutil.copytree(rocks / "graph", graph)
    table = graph / "nodes/person/x.store"
    (rows,) = table.glob("*.sst")
    data = bytearray(rows.read_bytes())
    data[:64] = bytes(64)
    rows.write_bytes(data)
    code, _, error = cli("train", tiny / "split", "-o", tmp_path / "model", "--graph", graph, *SAMPLED)
    assert code == 4
    assert len(error.strip().splitlines()) == 1
    assert f"{table} cannot be read" in error
    code, _, error = cli("inspect", graph, "--verify")
    assert code == 4
    (table / "store.json").write_text("{}".ljust((table / "store.json").stat().st_size))
    code, _, error = cli("inspect", graph)
    assert code == 0
    code, _, error = cli("split", graph, "-o", tmp_path / "split", "--target", "person.team")
    assert code == 4
    assert "x.store cannot be read" in error


def test_two_processes_read_at_once(rocks):
    program = (
        "import sys, numpy as np\n"
        "from gnnctl.graph import Graph\n"
        "store = Graph.open(sys.argv[1]).nodes['person']\n"
        "first = store.features(np.array([3, 1, 3]))\n"
        "print(first.tobytes().hex(), flush=True)\n"
        "sys.stdin.readline()\n"  # the database stays open
        "print(store.features().tobytes().hex())\n"
    )
    command = [sys.executable, "-c", program, str(rocks / "graph")]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    opened = [process.stdout.readline() for process in both]
    ends = [process.communicate("\n", timeout=60)[0] for process in both]
    store = Graph.open(rocks / "graph").nodes["person"]
    assert opened == [store.features(np.array([3, 1, 3])).tobytes().hex() + "\n"] * 2
    assert ends == [store.features().tobytes().hex() + "\n"] * 2


def test_kill_while_writing_leaves_nothing(cli, tmp_path):
    program = (
        "import os, sys, time, gnnctl.graph.rocks as rocks\n"
        "def close(self):\n"
        "    print('here', flush=True)\n"
        "    time.sleep(60)\n"
        "rocks.RocksWriter.close = close\n"
        "from gnnctl.cli import main\n"
        "main()\n"
    )
    out = tmp_path / "graph"
    command = [sys.executable, "-c", program, "ingest", str(SPEC), "-o", str(out), "--store", "rocksdb", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "here\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    assert not out.exists()
    code, _, error = cli("ingest", SPEC, "-o", out, "--store", "rocksdb", "--quiet")
    assert code == 0, error
    assert Artifact.open(out).verify() == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["graph"]

import json

import pytest

from gnnctl.artifacts import Artifact

SMALL = ["--scale", "8", "--batch-size", "16", "--batches", "2", "--repeats", "2", "--threads", "1,2"]


def test_sampling_writes_results_a_table_and_a_plot(cli, tmp_path):
    code, out, err = cli("bench", "sampling", "-o", tmp_path / "b", *SMALL)
    assert code == 0, err
    assert "edges/gather" in out
    artifact = Artifact.open(tmp_path / "b", "report")
    assert artifact.verify() == []
    results = artifact.json("results")
    assert [row["threads"] for row in results["results"]] == [1, 2]
    assert results["limits"]["gathers_per_second"]["median"] > 0
    assert results["machine"]["processor"]
    assert "| gnnctl | 1 |" in (tmp_path / "b" / "table.md").read_text()
    assert (tmp_path / "b" / "plot.svg").read_text().startswith("<?xml")
    assert (tmp_path / "b" / "plot.png").read_bytes()[:4] == b"\x89PNG"

    before = (tmp_path / "b" / "manifest.json").stat().st_mtime_ns
    code, out, err = cli("bench", "sampling", "-o", tmp_path / "b", *SMALL)
    assert code == 0
    assert "up to date" in err
    assert (tmp_path / "b" / "manifest.json").stat().st_mtime_ns == before
    assert cli("bench", "sampling", "-o", tmp_path / "b", *SMALL, "--force")[0] == 0
    assert (tmp_path / "b" / "manifest.json").stat().st_mtime_ns > before, "--force measures again"
    code, _, err = cli("bench", "sampling", "-o", tmp_path / "b", *SMALL, "--seed", "5")
    assert code == 4
    assert "seed was 0, now 5" in err


def test_a_graph_artifact_is_measured_on(cli, tiny, tmp_path):
    arguments = ["--graph", tiny / "graph", "--repeats", "1", "--threads", "1", "--num-neighbors", "2,2", "--json"]
    code, out, err = cli("bench", "sampling", "-o", tmp_path / "b", *arguments, "--quiet")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["schema"] == "gnnctl/bench/1"
    assert document["graph"]["fingerprint"] == Artifact.open(tiny / "graph").fingerprint
    assert Artifact.open(tmp_path / "b").parent("graph").path.name == "graph"


def test_compile_measures_a_typed_graph_artifact(cli, tiny, tmp_path):
    sizes = ["--models", "sage", "--hidden", "4", "--layers", "1", "--repeats", "1", "--threads", "1"]
    code, out, err = cli("bench", "compile", "-o", tmp_path / "b", "--graph", tiny / "graph", *sizes)
    assert code == 0, err
    assert "GraphSAGE" in out
    assert "failed" not in out
    (row,) = Artifact.open(tmp_path / "b").json("results")["results"]
    assert row["speedup"] > 0


def test_loading_measures_formats_in_memory_and_mapped(cli, tmp_path):
    arguments = [*SMALL, "--features", "8", "--feature-formats", "float32,int8"]
    code, out, err = cli("bench", "loading", "-o", tmp_path / "b", *arguments)
    assert code == 0, err
    assert "batches/s" in out
    results = Artifact.open(tmp_path / "b", "report").json("results")
    sides = {(row["side"], row["threads"]) for row in results["results"]}
    names = ["gnnctl, float32", "gnnctl, float32, mapped", "gnnctl, int8", "gnnctl, int8, mapped"]
    assert sides == {(name, threads) for name in names for threads in (1, 2)}
    assert len({(row["rows"], row["edges"], row["batches"]) for row in results["results"]}) == 1
    assert results["limits"]["random_rows_per_second"]["median"] > 0


def test_kernels_are_measured_beside_torch(cli, tmp_path):
    arguments = ["--scale", "8", "--repeats", "1", "--threads", "1", "--width", "4", "--heads", "2", "--json"]
    chosen = ["--kernel", "spmm sum", "--kernel", "edge softmax, backward"]
    code, out, err = cli("bench", "kernels", "-o", tmp_path / "b", *arguments, *chosen, "--quiet")
    assert (code, err) == (0, "")
    found = [(row["kernel"], row["side"]) for row in json.loads(out)["results"]]
    assert found == [
        ("spmm sum", "gnnctl"),
        ("spmm sum", "torch.sparse"),
        ("spmm sum", "torch, unfused"),
        ("edge softmax, backward", "gnnctl"),
        ("edge softmax, backward", "torch"),
    ]
    assert (tmp_path / "b" / "plot.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    "rules",
    [
        ["--draw", "weighted"],
        ["--draw", "labor"],
        ["--draw", "recent"],
        ["--disjoint", "--time", "before"],
        ["--disjoint", "--time", "until", "--typed", "--draw", "recent"],
        ["--replace", "--draw", "weighted"],
    ],
)
def test_every_way_of_drawing_is_measured(cli, tmp_path, rules):
    arguments = ["--scale", "10", "--batch-size", "8", "--batches", "1", "--repeats", "1", "--threads", "1"]
    code, _, err = cli("bench", "sampling", "-o", tmp_path / "b", *arguments, *rules)
    assert code == 0, err
    assert Artifact.open(tmp_path / "b").json("results")["results"][0]["edges"] > 0


def test_a_dry_run_writes_nothing(cli, tmp_path):
    code, out, _ = cli("bench", "compile", "-o", tmp_path / "b", "--dry-run")
    assert code == 0
    assert "nodes 10000, edges 200000, features 64" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "text"),
    [
        (["speed"], 2, "speed"),
        (["compile", "--threads", "1,2"], 2, "compile takes one number"),
        (["sampling", "--threads", "none"], 2, "--threads 'none'"),
        (["sampling", "--scale", "8", "--num-neighbors", "many"], 2, "'many' is no list of numbers"),
        (["sampling", "--scale", "6", "--edge-factor", "64"], 2, "too dense"),
        (["sampling", "--scale", "8", "--node-type", "city"], 2, "'city' is not in the graph"),
        (["compile", "--models", "nonet", "--nodes", "10", "--edges", "20"], 2, "there is no 'nonet'"),
        (["sampling", "--graph", "nowhere"], 4, "nowhere"),
        (["sampling", "--scale", "8", "--draw", "labor", "--disjoint"], 2, "labor"),
        (["loading", "--feature-formats", "float8"], 2, "there is no 'float8'"),
        (["kernels", "--scale", "8", "--kernel", "none"], 2, "there is no 'none'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(cli, tmp_path, arguments, exit_code, text):
    code, _, err = cli("bench", *arguments, "-o", tmp_path / "b", "--quiet")
    assert code == exit_code
    assert text in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_split_is_no_graph(cli, tiny, tmp_path):
    code, _, err = cli("bench", "sampling", "-o", tmp_path / "b", "--graph", tiny / "split")
    assert code == 4
    assert "is a split, not a graph" in err

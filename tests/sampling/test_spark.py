"""A real local Spark writes the records that the native engine writes, byte for byte, in both ways."""

import json
import runpy
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sampling_cases import write_link_split
from test_store import Run

from gnnctl.artifacts import Artifact
from gnnctl.errors import UsageError
from gnnctl.sampling.description import Description
from gnnctl.sampling.packed import Packing
from gnnctl.sampling.plan import Shard
from gnnctl.sampling.spark_joins import check_joinable
from gnnctl.sampling.spark_run import write_with_spark
from gnnctl.sampling.spec import SampleSpec

pytest.importorskip("pyspark", reason="needs pyspark")
pytest.importorskip("pandas", reason="needs pandas, which pyspark's mapInArrow asks for")
EXAMPLE = Path(__file__).parents[2] / "examples" / "spark" / "records.py"
JAVA = shutil.which("java")
# Planning, compiling and shuffling what is for large tables takes longer than these small ones.
QUICK = {"shuffle.partitions": "1", "adaptive.enabled": "false", "codegen.wholeStage": "false"}
QUICK |= {"codegen.factoryMode": "NO_CODEGEN"}
BUYERS = {"predicted": ("user buys item",), "disjoint": 0.0, "times": True}
needs_java = pytest.mark.skipif(JAVA is None, reason="needs Java")


@pytest.fixture(scope="module")
def spark():
    """One session for all tests; what it leaves open at the end is Spark's own affair."""
    if JAVA is None:
        pytest.skip("needs Java")
    from gnnctl.sampling.spark import spark_session

    java = "--driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' pyspark-shell"
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("PYSPARK_SUBMIT_ARGS", java)
        warnings.simplefilter("ignore")
        with spark_session("local[2]") as session:
            for name, value in QUICK.items():
                session.conf.set(f"spark.sql.{name}", value)
            yield session


def write(run, path, engine, *, shard=None, packing=None, partitions=3):
    bounds = shard.bounds(run.plan.records) if shard else (0, run.plan.records)
    description = Description.of(run.producer, packing)
    recipe = run.recipe(shard)
    write_with_spark(path, recipe, description, run.producer, run.split, bounds, engine=engine, partitions=partitions)
    return Artifact.open(path)


def homogeneous(folder):
    """A split of a graph of one node type and one edge type, with a hub and loops."""
    import pyarrow as pa

    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe
    from gnnctl.graph import EdgeType, Graph
    from gnnctl.splits import find_target, split_nodes

    rng = np.random.default_rng(2)
    edges = np.concatenate([rng.integers(0, 150, (2, 900)), np.stack([np.arange(150), np.full(150, 7)])], axis=1)
    areas = pa.table({"area": pa.array([f"area {i}" for i in rng.integers(0, 3, 150)])})
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph = Graph.from_coo({"paper": 150}, {EdgeType("paper", "cites", "paper"): edges}, columns={"paper": areas})
        graph.write(writer)
    artifact = Artifact.open(folder / "graph")
    graph = Graph.open(artifact)
    with ArtifactWriter(folder / "split", Recipe("split", "split", 1, {}, [Parent("graph", artifact)])) as writer:
        split_nodes(graph, find_target(graph, "paper.area")).write(writer)
    return folder / "split"


@needs_java
@pytest.mark.parametrize("unit", ["batch", "seed"])
def test_executors_that_map_the_graph_give_the_same_records(spark, split_path, tmp_path, unit):
    run = Run(split_path, unit=unit, epochs=2)
    whole = run.write(tmp_path / "local")
    made = write(run, tmp_path / "spark", "spark")
    assert (made.fingerprint, made.content, made.verify()) == (whole.fingerprint, whole.content, [])
    assert made.manifest.files == whole.manifest.files
    assert not any(f["path"].startswith("spark/") for f in made.manifest.files)


def split_of_links(folder, node_split):
    """Links of the graph of a split of nodes."""
    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe
    from gnnctl.splits import open_split
    from gnnctl.splits.link_split import LinkOptions, split_links
    from gnnctl.splits.link_target import LinkTarget

    graph = open_split(node_split).graph
    split = split_links(graph, LinkTarget("link", list(graph.edge_types)), LinkOptions(disjoint=0.3))
    parents = [Parent("graph", graph.artifact)]
    with ArtifactWriter(folder / "links", Recipe("split", "split", 1, {}, parents)) as writer:
        split.write(writer)
    return folder / "links"


@needs_java
@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("seeds", ["links", "nodes"])
def test_threads_shards_and_spark_write_the_same_bytes(spark, cli, request, tmp_path, typed, seeds):
    """And joins of edge tables do, too."""
    if typed:
        split = request.getfixturevalue("link_split_path" if seeds == "links" else "split_path")
    else:
        nodes = homogeneous(tmp_path)
        split = split_of_links(tmp_path, nodes) if seeds == "links" else nodes
    common = ["--num-neighbors", "4,3", "--seed", "5", "--unit", "seed", "--quiet"]
    common += ["--negatives", "2", "--disjoint"] if seeds == "links" else []

    def made(name, *options):
        code, _, err = cli("sample", split, "-o", tmp_path / name, *common, *options)
        assert code == 0, err
        return tmp_path / name

    shards = [made(f"shard{i}", "--shard", f"{i}/7") for i in range(1, 8)]
    code, _, err = cli("sample", *shards, "-o", tmp_path / "joined", "--join", "--quiet")
    assert code == 0, err
    one = Artifact.open(made("one", "--threads", "1"))
    same = [made("two", "--threads", "2"), made("spark", "--engine", "spark", "--partitions", "3")]
    same.append(made("joins", "--engine", "spark-joins", "--partitions", "2"))
    for other in map(Artifact.open, same):
        assert (other.fingerprint, other.content, other.verify()) == (one.fingerprint, one.content, [])
        assert other.manifest.files == one.manifest.files
    assert Artifact.open(tmp_path / "joined").content == one.content


def split_of_edges(folder):
    """Labelled edges of one type, duplicates among them, all of which every part's view shows that may."""
    import pyarrow as pa

    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe
    from gnnctl.graph import EdgeType, Graph
    from gnnctl.splits import find_edge_target, split_links

    rng, rates = np.random.default_rng(4), EdgeType("user", "rates", "item")
    ends, notes = rng.integers(0, [[40], [25]], (2, 400)), pa.table({"stars": rng.random(400)})
    edges = {rates: ends, EdgeType("item", "near", "user"): rng.integers(0, [[25], [40]], (2, 200))}
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        Graph.from_coo({"user": 40, "item": 25}, edges, edge_columns={rates: notes}).write(writer)
    artifact = Artifact.open(folder / "graph")
    graph = Graph.open(artifact)
    with ArtifactWriter(folder / "split", Recipe("split", "split", 1, {}, [Parent("graph", artifact)])) as writer:
        split_links(graph, find_edge_target(graph, "user rates item.stars")).write(writer)
    return folder / "split"


@needs_java
def test_tables_of_edges_are_the_views_however_they_are_sliced(spark, link_split_path, monkeypatch):
    from gnnctl.sampling.link_produce import link_producer
    from gnnctl.sampling.spark import SparkJob
    from gnnctl.sampling.spark_edges import edge_tables
    from gnnctl.splits import PARTS, open_split

    monkeypatch.setattr("gnnctl.sampling.spark_edges._ROWS", 17)
    split = open_split(link_split_path)
    spec = SampleSpec.uniform(split.graph.edge_types, (2,))
    producer, _ = link_producer(split, spec, "seed", 1, 1, 0, False, {})
    in_degrees, sources = edge_tables(spark, SparkJob.of(producer, split), producer.layout, [0, 2])
    degrees, edges = set(map(tuple, in_degrees.collect())), set(map(tuple, sources.collect()))
    names, wanted, shown = split.graph.node_types, set(), set()
    for view in (0, 2):
        for kind, (t, store) in enumerate(split.view(PARTS[view]).edges.items()):
            counts = np.diff(store.colptr)
            for node in np.flatnonzero(counts).tolist():
                start = int(store.colptr[node])
                wanted.add((view, kind, names.index(t.dst), node, start, int(counts[node])))
            shown |= {(view, kind, pos, src) for pos, src in enumerate(store.row.tolist())}
    assert degrees == wanted
    assert edges == shown


@needs_java
@pytest.mark.parametrize(("task", "trees"), [("link", True), ("link", False), ("edge", True)])
def test_joins_hide_links_from_their_trees_and_keep_labels_and_times(spark, cli, tmp_path, task, trees):
    split = split_of_edges(tmp_path) if task == "edge" else write_link_split(tmp_path, **BUYERS)
    chosen = ["--num-neighbors", "3,1", "--seed", "5", "--unit", "seed", "--quiet"]
    chosen += ["--disjoint"] if trees else []
    chosen += ["--negatives", "1", "--corrupt", "both"] if task == "link" else []
    for name, engine in (("local", []), ("joins", ["--engine", "spark-joins", "--partitions", "2"])):
        code, _, err = cli("sample", split, "-o", tmp_path / name, *chosen, *engine)
        assert code == 0, err
    local, joins = Artifact.open(tmp_path / "local"), Artifact.open(tmp_path / "joins")
    assert (joins.content, joins.verify(), joins.manifest.files) == (local.content, [], local.manifest.files)


@needs_java
def test_joins_draw_trees_and_with_replacement_too(spark, tmp_path):
    run = Run(homogeneous(tmp_path), unit="seed", epochs=1, disjoint=True, replace=True)
    whole = run.write(tmp_path / "local")
    made = write(run, tmp_path / "joins", "spark-joins", partitions=2)
    assert (made.fingerprint, made.content, made.verify()) == (whole.fingerprint, whole.content, [])


@needs_java
def test_shards_packed_features_and_broken_runs(spark, split_path, tmp_path, monkeypatch):
    run = Run(split_path, unit="seed", epochs=1, form="arrow")
    packing = Packing.of(run.split.graph, "float16")
    bounds = Shard(2, 3).bounds(run.plan.records)
    with monkeypatch.context() as patch:

        def broken(*_, **__):
            raise KeyboardInterrupt

        patch.setattr("gnnctl.sampling.spark_run._taken_in", broken)
        with pytest.raises(KeyboardInterrupt):
            write(run, tmp_path / "shard", "spark", shard=Shard(2, 3), packing=packing)
    tables = tmp_path / "shard.partial" / "spark" / "records"
    written = {file.name for file in tables.glob("*.parquet")}
    assert len(written) == 3
    with monkeypatch.context() as patch:
        patch.setattr("gnnctl.sampling.spark_run.spark_session", broken)  # what Spark did is not done again
        made = write(run, tmp_path / "shard", "spark", shard=Shard(2, 3), packing=packing)
    assert made.verify() == []
    digests = b"".join(p.digests for p in run.producer.records(*bounds, 1))
    stored = b"".join(f.read_bytes() for f in sorted((tmp_path / "shard" / "records").glob("*.digests")))
    assert stored == digests
    assert any(f["path"].startswith("packed/") for f in made.manifest.files)


@needs_java
def test_the_command_and_the_example_whose_frame_is_adopted(spark, cli, split_path, tmp_path, monkeypatch):
    common = ["--num-neighbors", "4,3", "--seed", "5", "--quiet"]
    code, out, err = cli(
        *("sample", split_path, "-o", tmp_path / "spark", "--engine", "spark", "--master", "local[2]"),
        *("--partitions", "2", "--unit", "seed", "--json", *common),
    )
    assert code == 0, err
    assert json.loads(out)["done"]
    run = Run(split_path, unit="seed", epochs=1)
    arguments = [EXAMPLE, split_path, (tmp_path / "frame").as_uri(), "--num-neighbors", "4,3", "--seed", "5"]
    monkeypatch.setattr(sys, "argv", [*map(str, arguments), "--unit", "seed", "--partitions", "2"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    files = sorted((tmp_path / "frame").glob("*.parquet"))
    code, _, err = cli("adopt", *files, "-o", tmp_path / "adopted", "--split", split_path, *common)
    assert code == 0, err
    records = [Artifact.open(tmp_path / n).manifest.contents["records"] for n in ("spark", "adopted")]
    assert records[0] == records[1] == run.write(tmp_path / "local").manifest.contents["records"]
    code, _, err = cli("inspect", tmp_path / "adopted", "--verify", "--resample", "5%", "--quiet")
    assert code == 0, err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "--unit seed"),
        ({"unit": "seed", "draw": "recent"}, "--draw"),
        ({"unit": "seed", "budget": (9, 9)}, "--fan-out-budget"),
        ({"unit": "seed", "disjoint": True, "time": "before"}, "--time"),
    ],
)
def test_what_joins_do_not_draw_is_refused(split_path, options, said):
    run = Run(split_path, **options)
    with pytest.raises(UsageError, match=said):
        check_joinable(run.producer)


def test_without_spark_the_command_says_what_to_install(split_path, tmp_path):
    hidden = "import sys; sys.modules['pyspark'] = None; sys.modules['pyspark.errors'] = None\n"
    arguments = ["gnnctl", "sample", str(split_path), "-o", str(tmp_path / "s"), "--num-neighbors", "2"]
    code = f"{hidden}sys.argv = {[*arguments, '--engine', 'spark', '--quiet']!r}\nfrom gnnctl.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'gnnctl[spark]'" in done.stderr

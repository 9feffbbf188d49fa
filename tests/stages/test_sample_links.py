"""gnnctl sample of a split of links."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.errors import DataError, UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.broken import Broken
from gnnctl.sampling.description import Description
from gnnctl.sampling.fixed_negatives import with_fixed_negatives
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.link_produce import link_producer
from gnnctl.sampling.link_rules import LinkRules
from gnnctl.sampling.links import LinkLoader
from gnnctl.sampling.records import from_arrow
from gnnctl.sampling.resample import resample
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.store import RecordsWriter, SubgraphRecords
from gnnctl.splits import LinkSplit, find_target, split_nodes
from gnnctl.splits.link_split import LinkOptions, split_links
from gnnctl.splits.link_target import LinkTarget
from gnnctl.stages.sample import sample

CITES = EdgeType("paper", "cites", "paper")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A split of links, and one of papers beside it."""
    folder = tmp_path_factory.mktemp("links")
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        Graph.from_coo({"paper": 80}, {CITES: np.random.default_rng(1).integers(0, 80, (2, 500))}).write(writer)
    artifact = Artifact.open(folder / "graph")
    split = split_links(Graph.open(artifact), LinkTarget("link", [CITES]), LinkOptions(disjoint=0.3))
    with ArtifactWriter(folder / "split", Recipe("split", "split", 1, {}, [Parent("graph", artifact)])) as writer:
        split.write(writer)
    return folder / "split"


def test_writes_what_training_would_sample(made, tmp_path, capsys):
    out = tmp_path / "samples"
    options = {"num_neighbors": ["4,3"], "batch_size": 32, "seed": 7}
    sample([made], out, **options, negatives=2, corrupt="dst", epochs=2, json=True)
    answer = json.loads(capsys.readouterr().out)
    records, split = SubgraphRecords.open(out), LinkSplit.open(made)
    assert records.artifact.verify() == []
    sizes = [split.part(name).size for name in ("train", "val", "test")]
    assert answer["records"] == 2 * -(-sizes[0] // 32) + sum(-(-size // 32) for size in sizes[1:])
    given = records.artifact.manifest.options
    assert [given[name] for name in ("negatives", "negative_method", "corrupt", "keep_known")] == [
        2,
        "uniform",
        "dst",
        False,
    ]
    view, links = split.view("train"), split.part("train")
    live = LinkLoader(
        Sampler(view, SampleSpec({CITES: (4, 3)}, seed=7)), view, links, [CITES],
        LinkNegatives.of(split, 2, corrupt="dst", seed=7), batch_size=32, shuffle_seed=7, epoch=2,
    )  # fmt: skip
    stored = LinkLoader(records, view, links, [CITES], part="train", epoch=2)
    for one, other in zip(live, stored, strict=True):
        for name in ("relation", "src", "dst", "negative_of"):
            assert getattr(one.links, name).equal(getattr(other.links, name))
        assert one.node_id["paper"].equal(other.node_id["paper"])
        assert one.edge_index[CITES].row.equal(other.edge_index[CITES].row)
    sample([made], out, **options, negatives=2, corrupt="dst", epochs=2)
    assert "up to date" in capsys.readouterr().err


def test_single_links_merge_and_shards_join(made, tmp_path):
    options = {"num_neighbors": ["3"], "unit": "seed", "disjoint": True, "format": "arrow"}
    sample([made], tmp_path / "whole", **options)
    for i in (1, 2):
        sample([made], tmp_path / f"part{i}", **options, shard=f"{i}/2", threads=1)
    sample([tmp_path / "part1", tmp_path / "part2"], tmp_path / "joined", join=True)
    assert Artifact.open(tmp_path / "whole").content == Artifact.open(tmp_path / "joined").content


@pytest.mark.parametrize(
    "options", [{"batch_size": 32, "negatives": 3, "corrupt": "dst"}, {"unit": "seed", "disjoint": True}]
)
def test_records_are_derived_again(made, tmp_path, options):
    sample([made], tmp_path / "whole", num_neighbors=["3,2"], seed=5, epochs=2, **options)
    found = resample(Artifact.open(tmp_path / "whole"), 1.0)
    assert (found.records, found.problems) == (SubgraphRecords.open(tmp_path / "whole").description.records, [])
    sample([made], tmp_path / "shard", num_neighbors=["3,2"], seed=5, epochs=2, shard="2/3", **options)
    assert resample(Artifact.open(tmp_path / "shard"), 0.5).problems == []


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ({"seed": 6}, "its links are not those of the split in their order"),
        ({"corrupt": "src"}, "sampling gives other negatives"),
        ({"fan_out": (2, 2)}, "sampling gives other node_counts"),
    ],
)
def test_records_of_another_recipe_are_found(made, tmp_path, drawn, said):
    """What a broken writer would leave: records whose hashes fit, and that are not what their recipe gives."""
    sample([made], tmp_path / "told", num_neighbors=["3,2"], batch_size=32, corrupt="dst", seed=5)
    told, split = Artifact.open(tmp_path / "told"), LinkSplit.open(made)
    how = {"fan_out": (3, 2), "seed": 5, "corrupt": "dst", **drawn}
    spec, given = SampleSpec({CITES: how["fan_out"]}, seed=how["seed"]), {"corrupt": how["corrupt"]}
    producer, _ = link_producer(split, spec, "batch", 32, 1, how["seed"], False, given)
    recipe = Recipe("subgraphs", "sample", 1, told.manifest.options, [Parent("split", split.artifact)])
    with ArtifactWriter(tmp_path / "other", recipe) as writer:
        records = RecordsWriter(writer, Description.from_json(told.json("subgraphs")), "parquet")
        for piece in producer.records(0, producer.plan.records, 1):
            records.append(piece)
        records.close()
    other = Artifact.open(tmp_path / "other")
    found = resample(other, 1.0)
    assert other.verify() == []
    assert any(said in line for line in found.problems)


def test_a_killed_run_keeps_the_files_that_were_done(made, tmp_path, capsys):
    given = {"num_neighbors": ["5,5"], "batch_size": 8, "epochs": 60, "seed": 3}
    arguments = ["--num-neighbors", "5,5", "--batch-size", "8", "--epochs", "60", "--seed", "3", "--quiet"]
    command = [sys.executable, "-m", "gnnctl.cli", "sample", str(made), "-o", str(tmp_path / "samples"), *arguments]
    partial = tmp_path / "samples.partial"
    progress = partial / "progress.json"
    with subprocess.Popen(command) as run:
        while not progress.exists() and run.poll() is None:
            time.sleep(0.005)
        run.kill()
    assert run.returncode == -signal.SIGKILL
    finished = {shard["path"]: (partial / shard["path"]).stat() for shard in json.loads(progress.read_text())}
    assert finished
    sample([made], tmp_path / "samples", **given)
    assert "going on after" in capsys.readouterr().err
    for name, before in finished.items():
        after = (tmp_path / "samples" / name).stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    sample([made], tmp_path / "whole", **given)
    resumed, whole = (Artifact.open(tmp_path / name) for name in ("samples", "whole"))
    assert (resumed.content, resumed.verify()) == (whole.content, [])


def adopted(cli, made, folder, change=lambda table: table, *options):
    """Exit code and what is said, where the records of the command are taken for another's, changed."""
    common = ["--num-neighbors", "3,2", "--seed", "5", "--quiet", *options]
    assert cli("sample", made, "-o", folder / "own", *common, *FORM)[0] == 0
    files = sorted((folder / "own" / "records").glob("*.parquet"))
    for i, file in enumerate(files):
        pq.write_table(change(pq.read_table(file)) if i == 0 else pq.read_table(file), folder / f"{i}.parquet")
    names = [folder / f"{i}.parquet" for i in range(len(files))]
    code, _, err = cli("adopt", *names, "-o", folder / "in", "--split", made, *common, "--negatives", "2")
    return code, err


FORM = ["--batch-size", "32", "--negatives", "2", "--epochs", "2"]


@pytest.mark.parametrize("options", [[], ["--disjoint"], ["--features", "packed"]])
def test_records_of_links_that_others_wrote_are_adopted(cli, made, tmp_path, options):
    assert adopted(cli, made, tmp_path, lambda table: table, *options) == (0, "")
    own, other = (Artifact.open(tmp_path / name) for name in ("own", "in"))
    assert other.manifest.contents["records"] == own.manifest.contents["records"]
    assert other.json("subgraphs") == own.json("subgraphs")
    assert resample(other, 1.0).problems == []
    if "packed" in options:  # the split has no fixed negatives, by which such training is judged
        return
    arguments = ["--hidden", "4", "--epochs", "1", "--device", "cpu", "--seed", "1", "--quiet"]
    code, _, err = cli("train", tmp_path / "in", "-o", tmp_path / "model", *arguments)
    assert code == 0, err


def with_seeds(change):
    """Changes the seeds of the first record."""

    def changed(table):
        seeds = table["seeds"].to_pylist()
        change(seeds[0])
        at = table.schema.get_field_index("seeds")
        return table.set_column(at, "seeds", pa.array(seeds, table.schema.field("seeds").type))

    return changed


def swapped(seeds):
    seeds[0]["node"], seeds[1]["node"] = seeds[1]["node"], seeds[0]["node"]


def negative_first(seeds):
    for seed, role in zip(seeds[:2], ("negative", "negative"), strict=True):
        seed["role"] = role


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.slice(1), "sample_id 0 is missing"),
        (lambda table: table.drop_columns(["relation"]), "there is no column relation"),
        (with_seeds(negative_first), "roles or types of seeds do not make links"),
        (with_seeds(swapped), "the ends of links are not the first nodes"),
    ],
)
def test_broken_rules_of_links_are_named(cli, made, tmp_path, change, said):
    code, err = adopted(cli, made, tmp_path, change)
    assert code == 3
    assert said in err
    assert not (tmp_path / "in").exists()


def test_records_must_be_of_the_splits_links_and_negatives(made):
    """Rules that hold within each record, and not against the split."""
    split, spec = LinkSplit.open(made), SampleSpec({CITES: (3,)})
    fixed = with_fixed_negatives(split, 2, "either", 2)

    def broken_by(whose, against, choose=lambda pieces: pieces, most=2):
        said: list[str] = []
        rules = LinkRules(against, spec, Broken(said.append), most)
        producer, _ = link_producer(whose, spec, "batch", 32, 1, 0, False, {"negatives": 2})
        for piece in choose(list(producer.records(0, producer.plan.records, 1))):
            rules.check(from_arrow(piece.batch, producer.layout, None, whose.view(piece.part), "here"), "here")
        rules.finish()
        return " ".join(said)

    assert broken_by(split, split) == broken_by(fixed, fixed) == ""
    parts = {"train": split.parts["val"], "val": split.parts["train"], "test": split.parts["test"]}
    other = broken_by(split, replace(split, parts=parts))
    assert "a link is not in the part train of the split" in other
    assert "part test" not in other
    assert "a link has not the 2 negatives of the split" in broken_by(split, fixed)
    assert "a negative is not the split's" in broken_by(with_fixed_negatives(split, 2, "either", 3), fixed)
    assert "train, epoch 1: a link is in two records" in broken_by(split, split, lambda found: [found[0], *found])
    fewer = replace(
        split, parts={**split.parts, "train": split.parts["train"].take(np.arange(5, split.parts["train"].size))}
    )
    assert "links of the split are in no record" in broken_by(fewer, split)
    assert "a link is not in the part train" in broken_by(split, fewer)
    assert "a link has more than 1 negatives" in broken_by(split, split, most=1)
    assert "there are no records of train" in broken_by(split, split, lambda found: found[-1:])


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Splits of the nodes and of the links of a graph of 50,000 nodes."""
    folder, rng = tmp_path_factory.mktemp("large"), np.random.default_rng(4)
    count = 50_000
    likes = EdgeType("paper", "likes", "paper")
    edges = {
        CITES: (rng.random((2, 150_000)) ** 2 * count).astype(np.int64),
        likes: rng.integers(0, count, (2, 10_000)),
    }
    areas = pa.table({"area": rng.integers(0, 4, count).astype(str)})
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        Graph.from_coo({"paper": count}, edges, columns={"paper": areas}).write(writer)
    graph = Graph.open(folder / "graph")
    splits = {
        "nodes": split_nodes(graph, find_target(graph, "paper.area")),
        "links": split_links(graph, LinkTarget("link", [likes]), LinkOptions()),
    }
    for name, split in splits.items():
        with ArtifactWriter(
            folder / name, Recipe("split", "split", 1, {}, [Parent("graph", graph.artifact)])
        ) as writer:
            split.write(writer)
    return folder


@pytest.mark.parametrize(("seeds", "unit"), [("nodes", "batch"), ("links", "batch"), ("links", "seed")])
def test_a_dry_run_foresees_the_bytes(large, tmp_path, capsys, seeds, unit):
    options = {"num_neighbors": ["4,3"], "unit": unit, "batch_size": 256, "json": True}
    options |= {"negatives": 1} if seeds == "links" else {}
    sample([large / seeds], tmp_path / "samples", **options, dry_run=True)
    foreseen = json.loads(capsys.readouterr().out)
    sample([large / seeds], tmp_path / "samples", **options)
    files = list((tmp_path / "samples" / "records").glob("*.parquet"))
    assert foreseen["pilot"] < foreseen["records"] / 4
    assert foreseen["bytes"] == pytest.approx(sum(f.stat().st_size for f in files), rel=0.3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negative_method": "in-batch", "unit": "seed"}, "in-batch negatives depend on the batch"),
        ({"negative_method": "in-batch", "corrupt": "both"}, "in-batch negatives keep one end"),
        ({"disjoint": True, "replace": True}, "--replace: the tree of a link could not hide it"),
        ({"num_neighbors": None, "sampler": "shadow", "unit": "seed"}, "--unit seed: links are single with fan-outs"),
        ({"time": "before"}, "the links have no time"),
        ({"balanced": True}, "--balanced: it balances the classes"),
    ],
)
def test_what_cannot_be_is_refused(made, tmp_path, options, message):
    with pytest.raises((UsageError, DataError), match=message):
        sample([made], tmp_path / "out", **{"num_neighbors": ["3,2"], **options})
    assert list(tmp_path.iterdir()) == []


def test_negatives_are_of_links(split_of_papers, tmp_path):
    with pytest.raises(UsageError, match="is no split of links"):
        sample([split_of_papers], tmp_path / "out", num_neighbors=["3"], negatives=2)


@pytest.fixture
def split_of_papers(papers):
    return papers / "split"

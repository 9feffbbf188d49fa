"""Records that carry their features: the same batches as from the graph, without it."""

import numpy as np
import pytest
from sampling_cases import typed_graph
from test_loader import assert_same, loader
from test_store import Run

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.errors import ArtifactError, DataError
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.features import FORMATS, encode_features
from gnnctl.sampling.description import Description
from gnnctl.sampling.join import join, joined_recipe
from gnnctl.sampling.loader import Loader
from gnnctl.sampling.packed import Packing
from gnnctl.sampling.packs import PackedFeatures
from gnnctl.sampling.plan import Shard
from gnnctl.sampling.store import RecordsWriter, SubgraphRecords

CITES = EdgeType("paper", "cites", "paper")


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    """Records in groups of 32 seeds, so that small runs have several groups and files."""
    monkeypatch.setattr("gnnctl.sampling.plan._SEEDS_AT_ONCE", 32)


class PackedRun(Run):
    """A run with packed features, in files of a few batches."""

    def __init__(self, split_path, dtype=None, file_bytes=20_000, **options):
        super().__init__(split_path, **options)
        self.packing = Packing.of(self.split.graph, dtype)
        self.file_bytes = file_bytes

    def write(self, path, shard=None, stop_after=None):
        first, last = shard.bounds(self.plan.records) if shard else (0, self.plan.records)
        description, view = Description.of(self.producer, self.packing), self.split.view
        with ArtifactWriter(path, self.recipe(shard), resume=True) as writer:
            records = RecordsWriter(writer, description, self.form, view=view, file_bytes=self.file_bytes)
            self.resumed = records.done
            for n, made in enumerate(self.producer.records(first + records.done, last, 1)):
                if n == stop_after:
                    raise KeyboardInterrupt
                records.append(made)
            records.close()
        return Artifact.open(path)


def without(graph, *arrays):
    """The graph with features that nobody may look at."""

    class Locked(np.ndarray):
        def __getitem__(self, key):
            raise AssertionError("the graph's features were read")

    def locked(store):
        changes = {a: np.array(getattr(store, a)).view(Locked) for a in arrays if getattr(store, a, None) is not None}
        return type(store)(**{**vars(store), **changes})

    return Graph({n: locked(s) for n, s in graph.nodes.items()}, {t: locked(s) for t, s in graph.edges.items()})


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("unit", ["batch", "seed"])
def test_batches_are_those_of_the_graph(split_path, tmp_path, form, unit):
    run = PackedRun(split_path, unit=unit, form=form)
    records = SubgraphRecords.open(run.write(tmp_path / "samples"))
    assert records.artifact.verify() == []
    assert len(records.shards) > len(run.plan.segments())  # some batches of single seeds lie across two files
    assert np.isnan(records.split.graph.nodes["paper"].x).all()
    for part, epoch in (("train", 2), ("test", 0)):
        read = loader(run, records, part, epoch, num_threads=2)
        read._graph = without(run.split.graph, "x", "weight")
        assert_same(loader(run, None, part, epoch), read)


@pytest.mark.parametrize("dtype", FORMATS)
def test_formats_hold_what_ingest_would_have_stored(split_path, tmp_path, dtype):
    run = PackedRun(split_path, dtype, epochs=1)
    records = SubgraphRecords.open(run.write(tmp_path / dtype))
    graph = run.split.graph
    stored = encode_features(graph.nodes["paper"].x, dtype)
    nodes = {**graph.nodes, "paper": type(graph.nodes["paper"])(300, x=stored.values, x_scale=stored.scale)}
    other = Graph(nodes, graph.edges)
    rows, labels = run.split.part("train")
    [first, *_] = Loader(records, graph, "paper", rows, labels, epoch=1)
    assert np.array_equal(first.x["paper"], other.nodes["paper"].features(first.node_id["paper"].numpy()))
    again = PackedRun(split_path, dtype, epochs=1)
    assert again.packing == run.packing == Packing.from_json(run.packing.to_json())


def test_each_row_lies_once_beside_its_records(split_path, tmp_path):
    run = PackedRun(split_path, file_bytes=1 << 30, epochs=1)
    records = SubgraphRecords.open(run.write(tmp_path / "samples"))
    [pack] = records.packs(records.shards[0]["path"])
    read = [b.columns.subgraph(i) for b in records.blocks("train", 1) for i in range(len(b))]
    named = np.unique(np.concatenate([subgraph.nodes["paper"] for subgraph in read]))
    assert np.array_equal(pack.column("paper", "row"), named)
    assert not pack.column("paper", "x").flags.owndata  # mapped, not read
    with pytest.raises(ArtifactError, match="is not there"):
        PackedFeatures([pack]).node_features("paper", np.setdiff1d(np.arange(300), named)[:1], 1)
    weights = PackedFeatures([pack]).edge_values(CITES, np.array([-1, pack.column(CITES, "pos")[3]]), "weight", 7.0)
    assert weights.tolist() == [7.0, run.split.graph.edges[CITES].weight[pack.column(CITES, "pos")[3]]]
    assert PackedFeatures([pack]).node_features("author", np.arange(3), 1) is None


def test_shards_and_interruptions_change_nothing(split_path, tmp_path):
    whole = PackedRun(split_path).write(tmp_path / "whole")
    paths = [tmp_path / f"s{i}" for i in (1, 2, 3)]
    for i, path in enumerate(paths):
        PackedRun(split_path).write(path, Shard(i + 1, 3))
    recipe, shards = joined_recipe(paths)
    with ArtifactWriter(tmp_path / "joined", recipe) as writer:
        join(writer, shards)
    run = PackedRun(split_path)
    with pytest.raises(KeyboardInterrupt):
        run.write(tmp_path / "resumed", stop_after=3)
    run.write(tmp_path / "resumed")
    assert run.resumed > 0
    live = loader(run, None, "train", 2)
    for name in ("joined", "resumed"):
        artifact = Artifact.open(tmp_path / name)
        assert (artifact.content, artifact.verify()) == (whole.content, [])
        assert_same(live, loader(run, SubgraphRecords.open(artifact), "train", 2))


def test_values_that_a_format_cannot_hold_are_refused(split_path, tmp_path):
    graph = typed_graph()
    graph.nodes["paper"].x[5, 2] = 1e6
    run = PackedRun(split_path, "float16", fan_out=(-1, -1))
    run.producer = type(run.producer)(graph, run.spec, run.plan, "paper", run.producer.labels)
    run.split = type(run.split)(graph, run.split.target, run.split.parts, artifact=run.split.artifact)
    with pytest.raises(DataError, match="65,504"):
        run.write(tmp_path / "samples")
    graph.nodes["paper"].x[5, 2] = np.nan
    with pytest.raises(DataError, match="finite"):
        Packing.of(graph, "int8")


@pytest.mark.parametrize("unit", ["batch", "seed"])
def test_a_second_reading_has_another_order(split_path, tmp_path, unit):
    run = PackedRun(split_path, unit=unit, epochs=1, batch_size=8)
    records = SubgraphRecords.open(run.write(tmp_path / "samples"))

    def seeds(order):
        read = loader(run, records, order=order, num_threads=1, batch_size=8)
        return [batch.node_id["paper"][: batch.num_seeds].tolist() for batch in read]

    own, one, other = seeds(None), seeds(1), seeds(2)
    assert one == seeds(1)
    assert one != own != other != one
    assert sorted(seed for seeds in one for seed in seeds) == sorted(seed for seeds in own for seed in seeds)
    if unit == "batch":
        assert sorted(one) == sorted(own)  # whole batches, in another order
    else:
        assert sorted(map(sorted, one)) != sorted(map(sorted, own))  # other batches
    live = {seed: batch for batch in loader(run, batch_size=8) for seed in batch.node_id["paper"][:8].tolist()}
    [first, *_] = loader(run, records, order=1, batch_size=8)
    rows, labels = run.split.part("train")
    for seed, label in zip(first.node_id["paper"].tolist(), first.y.tolist(), strict=False):
        assert label == labels[np.searchsorted(rows, seed)]
        assert seed in live

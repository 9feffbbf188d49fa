import io
import json

import jsonschema
import numpy as np
import pyarrow as pa
import pytest

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.artifacts.manifest import SCHEMAS
from gnnctl.errors import ArtifactError
from gnnctl.sampling.description import Description
from gnnctl.sampling.join import join, joined_recipe
from gnnctl.sampling.merge import merge_columns
from gnnctl.sampling.plan import RecordPlan, Shard
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.record_files import RecordReader, records_writer
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.store import RecordsWriter, SubgraphRecords
from gnnctl.sampling.stream import StreamRecords, write_stream
from gnnctl.splits import NodeSplit


class Run:
    """What the stage does, with everything at hand."""

    def __init__(self, split_path, fan_out=(4, 3), unit="batch", batch_size=32, epochs=2, form="parquet", **spec):
        self.split = NodeSplit.open(split_path)
        self.spec = SampleSpec.uniform(self.split.graph.edge_types, fan_out, seed=5, **spec)
        parts = {name: rows for name, (rows, _) in self.split.parts.items()}
        labels = {name: values for name, (_, values) in self.split.parts.items()}
        self.plan = RecordPlan(parts, unit, batch_size, epochs, 5)
        self.producer = Producer(self.split.graph, self.spec, self.plan, "paper", labels)
        self.form = form

    def recipe(self, shard=None):
        options = {**self.spec.to_json(), "unit": self.plan.unit, "batch_size": self.plan.batch_size}
        options |= {"epochs": self.plan.epochs, "format": self.form, "shard": shard and shard.to_json()}
        return Recipe("subgraphs", "sample", 1, options, [Parent("split", self.split.artifact)])

    def write(self, path, shard=None, threads=2, stop_after=None):
        first, last = shard.bounds(self.plan.records) if shard else (0, self.plan.records)
        with ArtifactWriter(path, self.recipe(shard), resume=True) as writer:
            records = RecordsWriter(writer, Description.of(self.producer), self.form)
            self.resumed = records.done
            for n, made in enumerate(self.producer.records(first + records.done, last, threads)):
                if stop_after is not None and n == stop_after:
                    raise KeyboardInterrupt
                records.append(made)
            records.close()
        return Artifact.open(path)

    def expected(self, part, epoch):
        sampler = Sampler(self.split.graph, self.spec)
        rows, labels = self.split.part(part)
        for seeds in batches(rows, self.plan.seeds_per_record, shuffle=part == "train", seed=5, epoch=epoch):
            yield sampler.sample(seeds, "paper", epoch), labels[np.searchsorted(rows, seeds)]


def assert_holds_the_records(source, run):
    segments = [("train", e) for e in range(1, run.plan.epochs + 1)] + [("val", 0), ("test", 0)]
    for part, epoch in segments:
        found = [(b.columns.subgraph(i), b.labels_of(i)) for b in source.blocks(part, epoch) for i in range(len(b))]
        wanted = list(run.expected(part, epoch))
        assert len(found) == len(wanted)
        for (subgraph, labels), (expected, expected_labels) in zip(found, wanted, strict=True):
            assert subgraph.same_as(expected)
            assert np.array_equal(labels, expected_labels)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("unit", ["batch", "seed"])
@pytest.mark.parametrize("disjoint", [False, True])
def test_what_is_read_is_what_sampling_gives(split_path, tmp_path, form, unit, disjoint):
    run = Run(split_path, unit=unit, form=form, disjoint=disjoint, epochs=1 + (unit == "batch"))
    artifact = run.write(tmp_path / "samples")
    assert artifact.verify() == []
    assert_holds_the_records(SubgraphRecords.open(artifact), run)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_positions_of_edges_may_stay_where_they_lie(split_path, tmp_path, form):
    run = Run(split_path, form=form)
    records = SubgraphRecords.open(run.write(tmp_path / "samples"))
    for order in (None, 3):
        for whole, part in zip(
            records.blocks("train", 1, order=order),
            records.blocks("train", 1, order=order, positions=False),
            strict=True,
        ):
            for i in range(len(whole)):
                expected, found = whole.columns.subgraph(i), part.columns.subgraph(i)
                for edges in expected.edges.values():
                    edges.pos = np.full(len(edges.pos), -1)
                assert found.same_as(expected)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_files_that_declare_less_are_read_too(split_path, tmp_path, form):
    run = Run(split_path, form=form)
    artifact = run.write(tmp_path / "samples")
    [shard, *_] = artifact.manifest.summary["shards"]
    path = artifact.path / shard["path"]
    batches = [batch for group in range(RecordReader(path).groups) for batch in RecordReader(path).read(group)]

    def nullable(kind):
        return pa.list_(nullable(kind.value_type)) if pa.types.is_list(kind) else kind

    schema = pa.schema([(field.name, nullable(field.type)) for field in batches[0].schema])
    with records_writer(str(tmp_path / "other"), schema, form) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(schema))
    (tmp_path / "other").rename(path)
    assert not RecordReader(path).schema.equals(batches[0].schema)
    assert_holds_the_records(SubgraphRecords.open(artifact), run)


def test_content_depends_on_neither_format_nor_threads(split_path, tmp_path):
    contents = {
        Run(split_path, form=form).write(tmp_path / f"{form}{threads}", threads=threads).content
        for form in ("parquet", "arrow")
        for threads in (0, 1, 3)
    }
    assert len(contents) == 1
    assert Run(split_path, fan_out=(4, 2)).write(tmp_path / "other").content not in contents


@pytest.mark.parametrize("unit", ["batch", "seed"])
def test_shards_make_the_whole(split_path, tmp_path, unit):
    run = Run(split_path, unit=unit)
    whole = run.write(tmp_path / "whole")
    paths = [tmp_path / f"part{i}" for i in (3, 1, 2)]
    for path, i in zip(paths, (3, 1, 2), strict=True):
        run.write(path, Shard(i, 3))
    recipe, shards = joined_recipe(paths)
    with ArtifactWriter(tmp_path / "joined", recipe) as writer:
        join(writer, shards)
    joined = Artifact.open(tmp_path / "joined")
    assert (joined.fingerprint, joined.content) == (whole.fingerprint, whole.content)
    assert joined.verify() == []
    assert_holds_the_records(SubgraphRecords.open(joined), run)
    with pytest.raises(ArtifactError, match="shard 3 of 3"):
        SubgraphRecords.open(paths[0])


def test_shards_that_do_not_make_a_whole_are_refused(split_path, tmp_path):
    run, other = Run(split_path), Run(split_path, fan_out=(4, 2))
    for i in (1, 2):
        run.write(tmp_path / f"s{i}", Shard(i, 2))
    other.write(tmp_path / "other", Shard(2, 2))
    run.write(tmp_path / "third", Shard(2, 3))
    run.write(tmp_path / "whole")
    for names, message in [
        (("s1",), "shard 2 of 2 is missing"),
        (("s1", "s2", "s2"), "named twice"),
        (("s1", "other"), "num_neighbors"),
        (("s1", "third"), "number of shards"),
        (("s1", "whole"), "no shard"),
    ]:
        with pytest.raises(ArtifactError, match=message):
            joined_recipe([tmp_path / name for name in names])


@pytest.mark.parametrize("records", [1, 2, 5, 17])
@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_shards_cover_every_record_once(records, count):
    covered = [i for n in range(count) for i in range(*Shard(n + 1, count).bounds(records))]
    assert covered == list(range(records))


def test_an_interrupted_run_goes_on_where_it_was(split_path, tmp_path):
    whole = Run(split_path, epochs=3, batch_size=64).write(tmp_path / "whole")
    run = Run(split_path, epochs=3, batch_size=64)
    with pytest.raises(KeyboardInterrupt):
        run.write(tmp_path / "samples", stop_after=2)
    assert not (tmp_path / "samples").exists()
    artifact = run.write(tmp_path / "samples")
    assert run.resumed > 0
    assert artifact.content == whole.content
    assert artifact.verify() == []


def test_single_seeds_merge_into_batches_of_any_size(split_path, tmp_path):
    run = Run(split_path, unit="seed", epochs=1)
    source = SubgraphRecords.open(run.write(tmp_path / "samples"))
    [block] = source.blocks("train", 1)
    for size in (1, 10, 64):
        batch = Run(split_path, batch_size=size, epochs=1)
        for i, (expected, _) in enumerate(batch.expected("train", 1)):
            assert merge_columns(block.rows(i * size, min(i * size + size, len(block))).columns).same_as(expected)


def test_damage_is_noticed(split_path, tmp_path):
    run = Run(split_path, form="parquet")
    artifact = run.write(tmp_path / "samples")
    shard = artifact.path / artifact.manifest.summary["shards"][0]["path"]
    data = bytearray(shard.read_bytes())
    data[100:200] = bytes(100)
    shard.write_bytes(data)
    assert len(Artifact.open(artifact.path).verify()) == 1
    with pytest.raises(ArtifactError):
        list(SubgraphRecords.open(artifact.path).blocks("train", 1))
    shard.write_bytes(data[:-1])
    with pytest.raises(ArtifactError, match="bytes"):
        SubgraphRecords.open(artifact.path)


def test_absent_epochs_are_refused(split_path, tmp_path):
    source = SubgraphRecords.open(Run(split_path).write(tmp_path / "samples"))
    with pytest.raises(ArtifactError, match="no records of train for epoch 3"):
        list(source.blocks("train", 3))


def stream_of(run, stop_after=None):
    class Kept(io.BytesIO):
        def close(self):
            self.kept = self.getvalue()
            super().close()

    file = Kept()
    records = run.producer.records(0, run.plan.records, 2)
    assert write_stream(file, run.recipe(), Description.of(run.producer), records)
    return file.kept if file.closed else file.getvalue()


@pytest.mark.parametrize("unit", ["batch", "seed"])
def test_a_stream_carries_the_same_records(split_path, unit):
    run = Run(split_path, unit=unit)
    assert_holds_the_records(StreamRecords(io.BytesIO(stream_of(run))), run)


def test_a_stream_is_read_in_order(split_path):
    run = Run(split_path)
    data = stream_of(run)
    source = StreamRecords(io.BytesIO(data))
    assert len(list(source.blocks("train", 2))) > 0
    with pytest.raises(ArtifactError, match="gone by"):
        list(source.blocks("train", 1))
    assert len(list(source.blocks("test", 0))) > 0


def test_a_stream_that_breaks_off_is_an_error(split_path):
    data = stream_of(Run(split_path))
    for keep in (len(data) - 9, len(data) - 3000, len(data) // 2):
        source = StreamRecords(io.BytesIO(data[:keep]))
        with pytest.raises(ArtifactError, match=r"ended early|broke off"):
            for part, epoch in [("train", 1), ("train", 2), ("val", 0), ("test", 0)]:
                list(source.blocks(part, epoch))
            raise AssertionError(keep)
    for junk in (b"", b"junk", data[:50]):
        with pytest.raises(ArtifactError, match="no stream"):
            StreamRecords(io.BytesIO(junk))


def test_a_stream_of_another_split_is_refused(split_path, tmp_path):
    data = stream_of(Run(split_path))
    with pytest.raises(ArtifactError, match="not here"):
        StreamRecords(io.BytesIO(data), split=tmp_path / "nowhere")


def test_the_published_schema_describes_what_is_written(split_path, tmp_path):
    schema = json.loads((SCHEMAS / "subgraphs.json").read_text())
    for budget in (None, (5, 5)):
        artifact = Run(split_path, budget=budget).write(tmp_path / f"samples{budget}")
        jsonschema.Draft202012Validator(schema).validate(artifact.json("subgraphs"))

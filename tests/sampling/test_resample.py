"""Records that are not what sampling gives are found out, also where their hashes fit."""

import json

import numpy as np
import pyarrow as pa
import pytest
from test_adopt import adopt, batches_of
from test_packed_records import PackedRun
from test_records import changed, replaced
from test_store import Run

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.errors import UsageError
from gnnctl.sampling.description import Description
from gnnctl.sampling.plan import Shard
from gnnctl.sampling.produce import Produced, produced
from gnnctl.sampling.records import Block, from_arrow, record_digests
from gnnctl.sampling.resample import parse_share, resample
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.store import RecordsWriter, SubgraphRecords
from gnnctl.splits import NodeSplit


@pytest.mark.parametrize("unit", ["batch", "seed"])
@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_what_was_sampled_is_found_again(split_path, tmp_path, unit, form):
    run = PackedRun(split_path, "float16", unit=unit, form=form)
    whole = resample(run.write(tmp_path / "samples"), 1.0)
    assert (whole.records, whole.problems) == (run.plan.records, [])
    part = resample(run.write(tmp_path / "shard", Shard(2, 3)), 0.5)
    assert part.problems == []
    assert 0 < part.records <= run.plan.records // 3


def rewritten(run, path, change, stage="sample"):
    """An artifact whose hashes fit, with the first records changed."""
    recipe = Recipe("subgraphs", stage, 1, run.recipe().options, [Parent("split", run.split.artifact)])
    with ArtifactWriter(path, recipe) as writer:
        records = RecordsWriter(writer, Description.of(run.producer), "parquet")
        for i, made in enumerate(run.producer.records(0, run.plan.records, 1)):
            records.append(change(made) if i == 0 else made)
        records.close()
    return Artifact.open(path)


def with_column(run, column, change):
    def changed_records(made):
        batch = changed(made.batch, column, change)
        block = from_arrow(batch, run.producer.layout, "int64", run.split.graph, "here")
        return produced(block)

    return changed_records


def another_edge(run):
    """Records whose first edge is another one of the graph."""
    return with_column(run, "edge_pos", lambda v: [v[0] - 1 if v[0] else 1, *v[1:]])


def test_other_picks_other_labels_and_other_seeds_are_found(split_path, tmp_path):
    run = Run(split_path, unit="seed", epochs=1)
    cases = {
        "edge_pos": another_edge(run),
        "labels": with_column(run, "labels", replaced(0, [9.0])),
        "digest": lambda made: made._replace(digests=bytes(32) + made.digests[32:]),
    }
    for name, change in cases.items():
        artifact = rewritten(run, tmp_path / name, change)
        assert artifact.verify() == []
        found = resample(artifact, 1.0)
        assert found.problems, name
        assert all(name in line for line in found.problems)
    first = next(run.producer.records(0, 1, 0)).batch.column("labels")[0].as_py()
    assert first != [[9.0]]


def test_seeds_in_another_order_are_found_where_the_split_decides_it(split_path, tmp_path):
    run = Run(split_path, unit="batch", epochs=1)
    rows, labels = run.split.part("train")

    def turned(made: Produced) -> Produced:
        block = from_arrow(made.batch, run.producer.layout, "int64", run.split.graph, "here")
        seeds = block.columns.records(0, 1).seeds[::-1].copy()
        sampler = Sampler(run.split.graph, run.spec)
        columns = type(block.columns).of([sampler.sample(seeds, "paper", 1)], run.producer.layout)
        first = Block(columns, 0, "train", 1, labels[np.searchsorted(rows, seeds)])
        rest = block.rows(1, len(block))
        joined = produced(Block.joined([first, rest]))
        assert joined.digests == record_digests(Block.joined([first, rest]))
        return joined

    [problem] = resample(rewritten(run, tmp_path / "sampled", turned), 1.0).problems
    assert "its seeds are not those of the split" in problem
    assert resample(rewritten(run, tmp_path / "adopted", turned, "adopt"), 1.0).problems == []


def test_packed_features_of_another_graph_are_found(split_path, tmp_path):
    run = PackedRun(split_path, epochs=1)
    store = run.split.graph.nodes["paper"]
    nodes = {**run.split.graph.nodes, "paper": type(store)(**{**vars(store), "x": np.array(store.x) + 1})}
    other = type(run.split.graph)(nodes, run.split.graph.edges, artifact=run.split.graph.artifact)
    run.split = NodeSplit(other, run.split.target, run.split.parts, artifact=run.split.artifact)
    found = resample(run.write(tmp_path / "samples"), 0.3)
    assert len(found.problems) == found.records
    assert "packed features of paper are not the graph's" in found.problems[0]


def test_the_stage(cli, split_path, tmp_path):
    run = Run(split_path, unit="seed", epochs=1)
    run.write(tmp_path / "samples")
    code, out, err = cli("inspect", tmp_path / "samples", "--verify", "--resample", "10%", "--json")
    assert code == 0, err
    assert json.loads(out)["resampled"] == -(-run.plan.records // 10)
    rewritten(run, tmp_path / "other", another_edge(run))
    code, _, err = cli("inspect", tmp_path / "other", "--verify", "--resample", "100%")
    assert code == 4
    assert "record 0: sampling gives other edge_pos" in err
    code, _, err = cli("inspect", split_path, "--resample", "1%")
    assert (code, "no set of subgraphs" in err) == (2, True)


@pytest.mark.parametrize("text", ["0", "2", "101%", "-1%", "x", "%", "nan"])
def test_shares_are_shares(text):
    with pytest.raises(UsageError):
        parse_share(text)
    assert parse_share("1%") == parse_share("0.01") == 0.01


def test_an_adopted_edge_that_the_picks_do_not_give_is_found_by_resampling_alone(split_path, tmp_path):
    """What no rule can tell: an edge of the graph in place of the one that the published function picks."""
    run = Run(split_path, fan_out=(4,), unit="seed", epochs=1)
    other = Run(split_path, fan_out=(4,), unit="seed", epochs=1)
    other.spec = type(run.spec)(run.spec.num_neighbors, seed=6)
    other.producer = type(run.producer)(run.split.graph, other.spec, run.plan, "paper", run.producer.labels)
    batches = batches_of(other)
    found, said = adopt(run, batches, tmp_path / "in")
    assert not said
    assert pa.Table.from_batches([p.batch for p in found]).equals(pa.Table.from_batches(batches))
    with ArtifactWriter(
        tmp_path / "out", Recipe("subgraphs", "adopt", 1, {}, [Parent("split", run.split.artifact)])
    ) as w:
        records = RecordsWriter(w, Description.of(run.producer), "parquet")
        for made in found:
            records.append(made)
        records.close()
    assert SubgraphRecords.open(tmp_path / "out").description.spec == run.spec
    assert len(resample(Artifact.open(tmp_path / "out"), 1.0).problems) > run.plan.records / 2

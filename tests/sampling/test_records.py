import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from sampling_cases import cases, random_graph

from gnnctl.errors import ArtifactError
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.records import Block, from_arrow, label_kind, record_digests, record_schema, to_arrow
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec


def block_of(graph, spec, seeds, node_type, epoch, size=2, labels=None):
    sampler = Sampler(graph, spec)
    subgraphs = [sampler.sample(seeds[i : i + size], node_type, epoch) for i in range(0, len(seeds), size)]
    columns = RecordColumns.of(subgraphs, Layout.of(graph, spec.hops, node_type, spec.disjoint))
    return subgraphs, Block(columns, 7, "train", epoch, labels)


@settings(deadline=None, max_examples=60)
@given(cases())
def test_records_survive_arrow(case):
    graph, spec, seeds, node_type, epoch = case
    labels = np.arange(len(seeds)) * 3
    subgraphs, block = block_of(graph, spec, seeds, node_type, epoch, labels=labels)
    batch = to_arrow(block)
    assert batch.schema.equals(record_schema())
    batch.validate(full=True)
    read = from_arrow(batch, block.columns.layout, "int64", graph, "here")
    assert all(read.columns.subgraph(i).same_as(s) for i, s in enumerate(subgraphs))
    assert (read.first, read.part, read.epoch) == (7, "train", epoch)
    assert np.array_equal(read.labels, labels)
    assert record_digests(read) == record_digests(block)
    # a part of a batch of rows is as good as a whole one
    tail = from_arrow(batch.slice(1), block.columns.layout, "int64", graph, "here") if len(block) > 1 else None
    if tail is not None:
        assert all(tail.columns.subgraph(i).same_as(s) for i, s in enumerate(subgraphs[1:]))
        assert record_digests(tail) == record_digests(block)[32:] == record_digests(block.rows(1, len(block)))
        joined = Block.joined([block.rows(0, 1), block.rows(1, len(block))])
        assert record_digests(joined) == record_digests(block)


@pytest.mark.parametrize(
    "labels",
    [None, np.arange(6), np.linspace(0, 1, 6, dtype=np.float32), np.eye(6, 3, dtype=np.float32)],
)
def test_labels_keep_their_type(labels):
    graph = random_graph(np.random.default_rng(0))
    seeds = np.arange(6, dtype=np.int64)
    _, block = block_of(graph, SampleSpec.uniform(graph.edge_types, (2,)), seeds, "a", 1, 4, labels)
    read = from_arrow(to_arrow(block), block.columns.layout, label_kind(labels), graph, "here")
    if labels is None:
        assert read.labels is None
    else:
        assert read.labels.dtype == labels.dtype
        assert np.array_equal(read.labels, labels)
        assert np.array_equal(read.labels_of(1), labels[4:])


def changed(batch, name, change):
    at = batch.schema.get_field_index(name)
    field = batch.schema.field(name)
    values = [change(list(v)) if isinstance(v, list) else change(v) for v in batch.column(name).to_pylist()]
    return batch.set_column(at, field, pa.array(values, field.type))


def replaced(position, value):
    def change(values):
        values[position] = value
        return values

    return change


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("nodes", replaced(-1, 10**6)),
        ("nodes", replaced(0, -1)),
        ("nodes", lambda values: values[:-1]),
        ("node_counts", replaced(0, 10**6)),
        ("node_counts", lambda values: values[:-1]),
        ("edge_row", replaced(0, 10**6)),
        ("edge_row", replaced(0, -1)),
        ("edge_row", lambda values: values[:-1]),
        ("edge_col", replaced(0, 10**6)),
        ("edge_col", replaced(0, 3)),
        ("edge_pos", replaced(0, 10**7)),
        ("edge_counts", replaced(0, -4)),
        ("epoch", lambda value: None),
        ("split", lambda value: None),
        ("labels", lambda values: values[:-1]),
        ("seeds", lambda values: values[:-1]),
    ],
)
def test_damaged_records_are_refused(column, change):
    graph = random_graph(np.random.default_rng(0), 1, 1, 40, 400)
    spec = SampleSpec.uniform(graph.edge_types, (3, 2))
    seeds = np.arange(8, dtype=np.int64) % graph.num_nodes("a")
    _, block = block_of(graph, spec, np.unique(seeds), "a", 1, 4, np.arange(len(np.unique(seeds))))
    batch = changed(to_arrow(block), column, change)
    with pytest.raises(ArtifactError, match=r"^here"):
        from_arrow(batch, block.columns.layout, "int64", graph, "here")


def test_records_of_another_graph_are_refused():
    graph, other = random_graph(np.random.default_rng(0)), random_graph(np.random.default_rng(1), 2, 2)
    _, block = block_of(graph, SampleSpec.uniform(graph.edge_types, (2,)), np.arange(3), "a", 1)
    with pytest.raises(ArtifactError, match="types"):
        from_arrow(to_arrow(block), block.columns.layout, None, other, "here")
    with pytest.raises(ArtifactError, match="columns"):
        from_arrow(to_arrow(block).drop_columns(["epoch"]), block.columns.layout, None, graph, "here")

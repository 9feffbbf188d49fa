"""Weights that a method gives its edges, through records, merging and batches."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import typed_graph

import gnnctl.schemas
from gnnctl.artifacts import ArtifactWriter, Parent, Recipe
from gnnctl.errors import ArtifactError
from gnnctl.graph import Graph
from gnnctl.graph.batch import Batch
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.description import Description
from gnnctl.sampling.loader import Loader
from gnnctl.sampling.merge import merge_columns
from gnnctl.sampling.methods import MethodSpec, open_method
from gnnctl.sampling.pinsage import PinSage
from gnnctl.sampling.plan import RecordPlan
from gnnctl.sampling.ppr import Ppr
from gnnctl.sampling.produce import Produced, Producer
from gnnctl.sampling.record_files import RecordFile, RecordReader
from gnnctl.sampling.records import Block, from_arrow, record_digests, record_schema, to_arrow
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.store import RecordsWriter, SubgraphRecords
from gnnctl.splits import NodeSplit

few = settings(deadline=None, max_examples=30)


def block_of(method, seeds, node_type, size=2):
    subgraphs = [method.sample(seeds[i : i + size], node_type, 1) for i in range(0, len(seeds), size)]
    layout = Layout.of(method.graph, method.hops, node_type, False, weighted=True)
    return subgraphs, Block(RecordColumns.of(subgraphs, layout), 7, "train", 1, None)


@few
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_weights_survive_records(case, hops):
    rng = np.random.default_rng(case)
    graph = typed_graph(60, 20)
    seeds = rng.permutation(60)[:5]
    subgraphs, block = block_of(PinSage(graph, hops, case, neighbors=3, walks=9), seeds, "paper")
    batch = to_arrow(block)
    assert batch.schema.equals(record_schema(weighted=True))
    batch.validate(full=True)
    read = from_arrow(batch, block.columns.layout, None, graph, "here")
    assert all(read.columns.subgraph(i).same_as(s) for i, s in enumerate(subgraphs))
    assert record_digests(read) == record_digests(block)
    parts = Block.joined([read.rows(0, 1), read.rows(1, len(read))])
    assert record_digests(parts) == record_digests(block)
    assert np.array_equal(parts.columns.edge_weight, block.columns.edge_weight)
    # digests see the weights
    block.columns.edge_weight = block.columns.edge_weight + 1
    assert record_digests(read) != record_digests(block)


@few
@given(st.integers(0, 2**32), st.integers(1, 3), st.booleans())
def test_records_of_single_seeds_merge_with_their_weights(case, hops, pagerank):
    rng = np.random.default_rng(case)
    graph = Graph.from_coo(50, rng.integers(0, 50, (2, 180)))
    seeds = rng.permutation(50)[:6]
    method = Ppr(graph, hops, 0, neighbors=4) if pagerank else PinSage(graph, hops, case, neighbors=4, walks=8)
    _, block = block_of(method, seeds, "node", 1)
    assert merge_columns(block.columns).same_as(method.sample(seeds, "node", 1))


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_files_hold_the_column(tmp_path, form):
    graph = typed_graph(60, 20)
    subgraphs, block = block_of(PinSage(graph, 2, 0, neighbors=3), np.arange(8), "paper")
    produced = Produced(to_arrow(block), record_digests(block), "train", 1, 8, 0, 0)
    file = RecordFile(tmp_path / f"a.{form}", form, produced)
    file.append(produced)
    file.close()
    (batch,) = RecordReader(tmp_path / f"a.{form}").read(0)
    read = from_arrow(batch, block.columns.layout, None, graph, "here")
    assert all(read.columns.subgraph(i).same_as(s) for i, s in enumerate(subgraphs))


def changed(batch, values):
    at = batch.schema.get_field_index("edge_weight")
    return batch.set_column(at, batch.schema.field(at), pa.array(values, batch.schema.field(at).type))


def test_damaged_weights_are_refused():
    graph = typed_graph(60, 20)
    _, block = block_of(PinSage(graph, 2, 0, neighbors=3), np.arange(4), "paper")
    batch, layout = to_arrow(block), block.columns.layout
    weights = batch.column("edge_weight").to_pylist()
    for bad in ([w[:-1] for w in weights], [None] * len(weights), [[float("nan")] * len(w) for w in weights]):
        with pytest.raises(ArtifactError, match=r"^here"):
            from_arrow(changed(batch, bad), layout, None, graph, "here")
    with pytest.raises(ArtifactError, match="columns"):
        from_arrow(batch.drop_columns(["edge_weight"]), layout, None, graph, "here")
    with pytest.raises(ArtifactError, match="columns"):
        from_arrow(batch, Layout.of(graph, 2, "paper", False), None, graph, "here")


def test_only_weighted_layouts_say_so():
    graph = typed_graph(60, 20)
    plain, weighted = (Layout.of(graph, 2, "paper", False, weighted=w) for w in (False, True))
    timed = Layout.of(graph, 2, "paper", True, time="until")
    assert not {"weighted", "time"} & plain.to_json().keys()  # what older versions wrote stays what it was
    schema = json.loads(Path(gnnctl.schemas.__file__).with_name("subgraphs.json").read_text())
    for layout in (plain, weighted, timed):
        assert Layout.from_json(layout.to_json()) == layout
        jsonschema.validate(layout.to_json(), schema["properties"]["layout"])
    assert "edge_weight" not in record_schema().names
    with pytest.raises(ValueError, match="leaves out"):
        RecordColumns.of([PinSage(graph, 2, 0).sample(np.arange(3), "paper", 0)], plain)
    sampled = Sampler(graph, SampleSpec.uniform(graph.edge_types, (2, 2))).sample(np.arange(3), "paper", 0)
    with pytest.raises(ValueError, match="weights of every edge type"):
        RecordColumns.of([sampled], weighted)
    assert all(e.weight is None for e in RecordColumns.of([sampled], plain).subgraph(0).edges.values())


def test_same_as_sees_weights():
    graph = typed_graph(60, 20)
    method = PinSage(graph, 1, 0)
    one, other = (method.sample(np.arange(3), "paper", 0) for _ in range(2))
    assert one.same_as(other)
    other.edges[method.carrier].weight = other.edges[method.carrier].weight * 2
    assert not one.same_as(other)
    other.edges[method.carrier].weight = None
    assert not one.same_as(other)


def test_batches_have_the_methods_weights_and_zero_features():
    rng = np.random.default_rng(0)
    features, weights = rng.random((180, 3), dtype=np.float32), rng.random(180, dtype=np.float32)
    graph = Graph.from_coo(50, rng.integers(0, 50, (2, 180)), edge_weight=weights, edge_attr=features)
    t = graph.edge_types[0]
    subgraph = Ppr(graph, 2, 0, neighbors=4).sample(np.arange(3), "node", 0)
    batch = Batch.from_subgraph(subgraph, graph)
    assert torch.equal(batch.edge_weight[t], torch.from_numpy(subgraph.edges[t].weight))
    assert batch.edge_attr[t].shape == (len(subgraph.edges[t].row), 3)
    assert not batch.edge_attr[t].any()
    into = torch.zeros(len(subgraph.nodes["node"]))
    into.index_add_(0, torch.from_numpy(subgraph.edges[t].col()).long(), batch.edge_weight[t])
    assert torch.allclose(into, torch.from_numpy((np.diff(subgraph.edges[t].colptr) > 0).astype(np.float32)))
    sampled = Sampler(graph, SampleSpec.uniform(graph.edge_types, (4,))).sample(np.arange(3), "node", 0)
    expected = graph.edges[t].weight[sampled.edges[t].pos]
    assert np.array_equal(Batch.from_subgraph(sampled, graph).edge_weight[t].numpy(), expected)


@pytest.mark.parametrize("unit", ["batch", "seed"])
@pytest.mark.parametrize("name", ["pinsage:neighbors=3,walks=9", "ppr:neighbors=3", "shadow:hops=3,neighbors=3"])
def test_training_from_records_sees_what_it_would_see_on_the_fly(split_path, tmp_path, name, unit):
    split = NodeSplit.open(split_path)
    graph, spec = split.graph, MethodSpec.parse(name, seed=4)
    parts = {part: rows for part, (rows, _) in split.parts.items()}
    labels = {part: values for part, (_, values) in split.parts.items()}
    producer = Producer(graph, spec, RecordPlan(parts, unit, 16, 1, 4), "paper", labels)
    recipe = Recipe("subgraphs", "sample", 1, {**spec.to_json(), "unit": unit}, [Parent("split", split.artifact)])
    with ArtifactWriter(tmp_path / "samples", recipe, resume=True) as writer:
        records = RecordsWriter(writer, Description.of(producer), "parquet")
        for made in producer.records(0, producer.plan.records, 1):
            records.append(made)
        records.close()
    stored = SubgraphRecords.open(tmp_path / "samples")
    for part, epoch, shuffle in (("train", 1, 4), ("val", 0, None)):
        options = {"batch_size": 16, "shuffle_seed": shuffle, "epoch": epoch, "part": part}
        sources = stored, open_method(graph, spec)
        for one, other in zip(*(Loader(s, graph, "paper", *split.part(part), **options) for s in sources), strict=True):
            assert torch.equal(one.y, other.y)
            assert one.node_counts == other.node_counts
            assert one.edge_counts == other.edge_counts
            assert all(torch.equal(one.node_id[t], other.node_id[t]) for t in graph.node_types)
            for t in graph.edge_types:
                assert torch.equal(one.edge_index[t].row, other.edge_index[t].row)
                assert torch.equal(one.edge_index[t].colptr, other.edge_index[t].colptr)
                weights = one.edge_weight[t], other.edge_weight[t]
                assert weights[0] is weights[1] is None or torch.equal(*weights)

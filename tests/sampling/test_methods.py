"""Every way of sampling by name: parsed, recorded, opened, loaded."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import typed_graph

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.loader import Loader
from gnnctl.sampling.methods import METHODS, MethodSpec, describe_methods, open_method, parameters_of, read_spec
from gnnctl.sampling.spec import SampleSpec

CITES = EdgeType("paper", "cites", "paper")
SMALL = {"pinsage": ":neighbors=5", "ppr": ":neighbors=5", "cluster": ":clusters=6,partitioner=stream"}


def small_graph(name):
    """Typed, or of one type where the method wants that."""
    if not name.startswith("saint"):
        return typed_graph(), "paper"
    rng = np.random.default_rng(3)
    return Graph.from_coo(300, rng.integers(0, 300, (2, 2000)), x=rng.random((300, 6), dtype=np.float32)), "node"


def parse(name):
    return MethodSpec.parse(name + SMALL.get(name, ""), seed=5)


@pytest.mark.parametrize("name", METHODS)
def test_batches_are_what_the_loader_and_training_expect(name):
    graph, node_type = small_graph(name)
    spec = parse(name)
    method = open_method(graph, spec)
    seeds = np.arange(0, 120, dtype=np.int64)
    labels = seeds * 7
    seen = []
    for threads in (0, 2):
        loader = Loader(
            method, graph, node_type, seeds, labels, batch_size=25, shuffle_seed=5, epoch=1, num_threads=threads
        )
        made = list(loader)
        assert len(made) == len(loader) == 5
        for batch in made:
            own = batch.node_id[node_type][: batch.num_seeds]
            assert torch.equal(batch.y, own * 7)
            assert batch.hops == spec.hops
            for t, edges in batch.edge_index.items():
                assert edges.num_src == batch.num_nodes(t.src)
                assert edges.num_edges == sum(batch.edge_counts[t])
                assert (batch.edge_weight[t] is not None) == (spec.own_weights or graph.edges[t].weight is not None)
        seen.append([torch.cat([b.node_id[node_type] for b in made]), torch.cat([b.y for b in made])])
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))
    assert sorted(seen[0][1].tolist()) == labels.tolist()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_is_a_function_of_its_set_of_seeds(name):
    graph, node_type = small_graph(name)
    method = open_method(graph, parse(name))
    rng = np.random.default_rng(1)
    seeds = np.sort(rng.permutation(200)[:20]).astype(np.int64)
    mixed = rng.permutation(seeds)
    a, b = (method.sample(s, node_type, 3) for s in (seeds, mixed))
    again = open_method(graph, parse(name)).sample(seeds, node_type, 3)
    assert a.same_as(again)
    for t in graph.node_types:
        assert sorted(a.nodes[t].tolist()) == sorted(b.nodes[t].tolist())
    for t in graph.edge_types:
        ends = [
            sorted(zip(s.nodes[t.src][s.edges[t].row].tolist(), s.nodes[t.dst][s.edges[t].col()].tolist(), strict=True))
            for s in (a, b)
        ]
        assert ends[0] == ends[1]
    with pytest.raises(ValueError, match="seeds"):
        method.sample(np.array([1, 2, 1]), node_type, 3)
    with pytest.raises(ValueError, match="seeds"):
        method.sample(np.array([10**6]), node_type, 3)


@pytest.mark.parametrize("name", METHODS)
def test_a_spec_survives_its_document(name):
    spec = parse(name)
    assert read_spec(spec.to_json()) == spec
    assert set(spec.parameters) <= set(parameters_of(name))


def test_the_document_of_fan_outs_is_read_as_before():
    spec = SampleSpec.uniform([CITES], (3, 2), draw="labor")
    assert read_spec(spec.to_json()) == spec


def test_parameters_have_the_types_of_their_defaults():
    spec = MethodSpec.parse("ppr:hops=3, neighbors=7,alpha=0.5,edge_type=paper cites paper,weighted=true", seed=2)
    assert (spec.hops, spec.seed) == (3, 2)
    assert spec.parameters == {
        "neighbors": 7, "alpha": 0.5, "eps": 1e-4, "edge_type": "paper cites paper", "weighted": True,
    }  # fmt: skip
    assert open_method(typed_graph(), spec).carrier == CITES
    walk = "pinsage:edge_type=paper cites paper,metapath=author writes paper > paper rev_writes author"
    assert open_method(typed_graph(), MethodSpec.parse(walk)).metapath == [
        EdgeType("author", "writes", "paper"),
        EdgeType("paper", "rev_writes", "author"),
    ]


def test_all_are_described_with_their_parameters():
    rows = {name: (parameters, text) for name, parameters, text in describe_methods()}
    assert set(rows) == set(METHODS)
    assert all(text.endswith(".") and len(text) > 20 for _, text in rows.values())
    assert "neighbors=32" in rows["ppr"][0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("best", "there is no 'best"),
        ("math:sqrt9", "cannot import math:sqrt9"),
        ("shadow:width=3", "no parameter 'width'"),
        ("shadow:depth", "no parameter 'depth'"),
        ("shadow:depth=x", "depth is no int"),
        ("shadow:ppr=perhaps", "ppr is no bool"),
        ("shadow:hops=0", "0 hops"),
        ("", "there is no"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        MethodSpec.parse(text)


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from("shadowpr:=,.0129 "), max_size=20))
def test_no_text_breaks_the_parser(text):
    try:
        spec = MethodSpec.parse(text)
    except UsageError:
        return
    assert read_spec(spec.to_json()) == spec


def test_negative_edge_weights_only_matter_to_walks_that_draw_by_them():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=900).astype(np.float32)
    graph = Graph.from_coo(100, rng.integers(0, 100, (2, 900)), edge_weight=weight)
    seeds = np.arange(5)
    for text in ("hgt:neighbors=9", "cluster:clusters=3,partitioner=stream", "saint-walk:roots=9", "ppr", "shadow"):
        open_method(graph, MethodSpec.parse(text)).sample(seeds, "node", 1)
    with pytest.raises((UsageError, ValueError), match="weights"):
        open_method(graph, MethodSpec.parse("pinsage:weighted=true")).sample(seeds, "node", 1)

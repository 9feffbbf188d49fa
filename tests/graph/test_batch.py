"""What a model is given: whole graphs and sampled parts."""

import numpy as np
import pytest
import torch

from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch, LinkSeeds, graph_degrees
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec

WRITES, WRITTEN_BY = EdgeType("author", "writes", "paper"), EdgeType("paper", "written_by", "author")


@pytest.fixture
def graph():
    rng = np.random.default_rng(0)
    authors, papers = rng.integers(0, 20, 150), rng.integers(0, 30, 150)
    return Graph.from_coo(
        {"paper": 30, "author": 20},
        {WRITES: np.stack([authors, papers]), WRITTEN_BY: np.stack([papers, authors])},
        x={"paper": rng.normal(size=(30, 4))},
        edge_weight={WRITES: rng.random(150)},
        edge_attr={WRITES: rng.random((150, 2))},
    )


def sampled(graph, fan_out, seeds, node_type="paper"):
    return Sampler(graph, SampleSpec(dict.fromkeys(graph.edge_types, fan_out))).sample(np.array(seeds), node_type, 0)


def test_a_full_batch_holds_the_whole_graph(graph):
    batch = Batch.full(graph, "paper", np.array([3, 1]), np.array([0, 1]))
    assert batch.num_seeds == 2
    assert batch.x["author"] is None
    assert torch.equal(batch.x["paper"], torch.from_numpy(graph.nodes["paper"].x))
    assert batch.seeds_of(batch.x["paper"]).tolist() == graph.nodes["paper"].x[[3, 1]].tolist()
    assert batch.y.dtype == torch.int64
    assert batch.edge_index[WRITES].num_edges == 150


def test_a_sampled_batch_gathers_what_the_edges_refer_to(graph):
    subgraph = sampled(graph, (4, 3), [5, 2, 9])
    batch = Batch.from_subgraph(subgraph, graph, np.array([0.5, 1.0, 2.0]), degrees=True)
    assert batch.node_id["paper"][:3].tolist() == [5, 2, 9]
    assert batch.y.dtype == torch.float32
    assert torch.equal(batch.x["paper"], torch.from_numpy(graph.nodes["paper"].x[subgraph.nodes["paper"]]))
    for t, store in graph.edges.items():
        src, dst = batch.edge_index[t].coo()
        src, dst = batch.node_id[t.src][src].numpy(), batch.node_id[t.dst][dst].numpy()
        position = subgraph.edges[t].pos
        assert np.array_equal(store.row[position], src)
        assert np.array_equal(np.searchsorted(store.colptr, position, side="right") - 1, dst)
    assert np.array_equal(batch.edge_weight[WRITES], graph.edges[WRITES].weight[subgraph.edges[WRITES].pos])
    assert np.array_equal(batch.edge_attr[WRITES], graph.edges[WRITES].edge_attr[subgraph.edges[WRITES].pos])


def test_degrees_are_those_of_the_graph_and_weighted_where_edges_are(graph):
    store = graph.edges[WRITES]
    target = np.repeat(np.arange(30), np.diff(store.colptr))
    whole = graph_degrees(graph, WRITES)
    assert np.allclose(whole.into, np.bincount(target, store.weight, 30))
    assert np.allclose(whole.out, np.bincount(store.row, store.weight, 20))
    assert np.array_equal(whole.in_edges, np.bincount(target, minlength=30))
    batch = Batch.from_subgraph(sampled(graph, (2,), [7]), graph, degrees=True)
    assert batch.degree[WRITES].in_edges[0] == np.bincount(target, minlength=30)[7]


def test_a_homogeneous_graph_has_the_in_degree_at_both_ends():
    graph = Graph.from_coo(3, np.array([[0, 0, 1], [1, 2, 2]]))
    (t,) = graph.edge_types
    assert graph_degrees(graph, t).out.tolist() == [0, 1, 2]


def test_degrees_say_which_nodes_have_a_loop():
    coo = np.array([[0, 0, 1, 70_000], [1, 2, 1, 70_000]])
    graph = Graph.from_coo(70_001, coo)
    loops = Batch.full(graph, "node").degree[graph.edge_types[0]].dst_loop
    assert loops.nonzero().flatten().tolist() == [1, 70_000]
    part = Batch.from_subgraph(sampled(graph, (2,), [1, 2], "node"), graph, degrees=True)
    degree = part.degree[graph.edge_types[0]].first(part.num_nodes("node"), 2)
    assert degree.src_loop.tolist() == [float(n == 1) for n in part.node_id["node"].tolist()]
    assert degree.dst_loop.tolist() == [1, 0]
    without = Graph.from_coo(3, coo[:, :2])
    assert Batch.full(without, "node").degree[without.edge_types[0]].src_loop is None


def test_nodes_within_a_hop_are_the_first_ones(graph):
    subgraph = sampled(graph, (4, 3), [5, 2, 9])
    batch = Batch.from_subgraph(subgraph, graph)
    assert batch.within(0) == {"paper": 3, "author": 0}
    assert batch.within(2) == {t: len(rows) for t, rows in subgraph.nodes.items()}
    assert batch.hops == 2


def test_prepared_layers_hold_the_trimmed_edges(graph):
    batch = Batch.from_subgraph(sampled(graph, (4, 3), [5, 2, 9]), graph)
    fresh = [batch.trimmed(layer, 2) for layer in (0, 1)]
    batch.prepare(2)
    for layer, expected in enumerate(fresh):
        for t, edges in batch.trimmed(layer, 2).items():
            assert torch.equal(edges.coo(), expected[t].coo())
            assert edges.num_edges == 0 or edges._transposed is not None
    assert batch.trimmed(1, 2)[WRITES].num_dst == 3
    assert batch.trimmed(1, 2)[WRITTEN_BY].num_dst == 0


def test_arrays_that_may_not_be_written_are_copied(graph):
    subgraph = sampled(graph, (2,), [1])
    for edges in subgraph.edges.values():
        edges.row.flags.writeable = False
    batch = Batch.from_subgraph(subgraph, graph)
    assert batch.edge_index[WRITES].num_edges == len(subgraph.edges[WRITES].row)


def test_moving_a_batch_keeps_prepared_views(graph):
    batch = Batch.from_subgraph(sampled(graph, (4, 3), [5, 2]), graph, np.array([0, 1]), degrees=True).prepare(2)
    moved = batch.to("meta")
    assert moved.x["paper"].device.type == moved.y.device.type == moved.degree[WRITES].src.device.type == "meta"
    assert moved.layers[1][WRITES]._transposed.perm.device.type == "meta"


def test_virtual_edges_weigh_one(graph):
    subgraph = sampled(graph, (2,), [1])
    subgraph.edges[WRITES].pos[0] = -1
    batch = Batch.from_subgraph(subgraph, graph)
    assert batch.edge_weight[WRITES][0] == 1
    assert batch.edge_attr[WRITES][0].tolist() == [0, 0]


def test_links_move_with_their_batch(graph):
    batch = Batch.from_subgraph(sampled(graph, (2,), [3, 1]), graph)
    batch.links = LinkSeeds(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([1, 0]), 1, torch.tensor([0]))
    moved = batch.to("meta").links
    assert moved.num_positives == 1
    assert {t.device.type for t in (moved.relation, moved.src, moved.dst, moved.negative_of)} == {"meta"}

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from sampling_cases import cases, random_graph
from sampling_reference import assert_is_reference, fnv, mix
from torch_geometric.utils import k_hop_subgraph

from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.keys import absorb_rows, name_hash
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec

few = settings(deadline=None, max_examples=60)


@few
@given(cases())
def test_native_sampler_repeats_the_written_contract(case):
    graph, spec, seeds, node_type, epoch = case
    assert_is_reference(Sampler(graph, spec).sample(seeds, node_type, epoch), *case)


@few
@given(cases(budget=True))
def test_budget_repeats_the_written_contract(case):
    graph, spec, seeds, node_type, epoch = case
    subgraph = Sampler(graph, spec).sample(seeds, node_type, epoch)
    assert_is_reference(subgraph, *case)
    for hop in range(spec.hops):
        for t in graph.node_types:
            drawn = sum(
                np.diff(subgraph.edges[e].colptr)[subgraph.node_hops(t) == hop] for e in graph.edge_types if e.dst == t
            )
            assert np.all(drawn <= spec.budget[hop])


@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("replace", [False, True])
def test_long_lists_and_large_fan_outs_repeat_the_contract(replace, disjoint):
    rng = np.random.default_rng(3)
    edges = np.stack([rng.integers(0, 5000, 40000), rng.integers(0, 40, 40000)])
    edges[1, :9000] = 7
    graph = Graph.from_coo(5000, edges)
    for fan_out in [(30, 4), (64, 2), (65, 3), (700, 1), (-1, 2)]:
        spec = SampleSpec.uniform(graph.edge_types, fan_out, replace=replace, disjoint=disjoint, seed=5)
        seeds = np.array([7, 3, 20, 39], np.int64)
        assert_is_reference(Sampler(graph, spec).sample(seeds, "node", 4), graph, spec, seeds, "node", 4)


def test_hashed_and_direct_node_tables_agree():
    # 400k nodes: too many for a direct table at first, until a batch has reached enough of them
    rng = np.random.default_rng(4)
    graph = Graph.from_coo(400_000, rng.integers(0, 400_000, (2, 1_200_000)))
    spec = SampleSpec.uniform(graph.edge_types, (10, 10), seed=1)
    small, large = np.arange(40, dtype=np.int64), np.arange(100_000, dtype=np.int64)
    fresh = Sampler(graph, spec).sample(small, "node", 1)
    assert_is_reference(fresh, graph, spec, small, "node", 1)
    used = Sampler(graph, spec)
    for _ in range(2):
        used.sample(large, "node", 1)
    for _ in range(20):
        assert used.sample(small, "node", 1).same_as(fresh)


def test_threads_and_order_of_batches_change_nothing():
    rng = np.random.default_rng(0)
    graph = random_graph(rng, 3, 5, 500, 4000)
    spec = SampleSpec.uniform(graph.edge_types, (5, 4, 3), seed=9)
    t = graph.node_types[0]
    seeds = rng.permutation(graph.num_nodes(t)).astype(np.int64)
    parts = [seeds[i : i + 20] for i in range(0, len(seeds), 20)]
    once = [Sampler(graph, spec).sample(p, t, 3) for p in parts]
    for threads in (1, 2, 5):
        sampler, found = Sampler(graph, spec), {}

        def work(first, sampler=sampler, found=found, threads=threads):
            for i in reversed(range(first, len(parts), threads)):
                found[i] = sampler.sample(parts[i], t, 3)

        workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        assert all(found[i].same_as(once[i]) for i in range(len(parts)))


def test_results_stay_valid_when_the_sampler_is_gone_and_its_memory_is_reused():
    rng = np.random.default_rng(2)
    graph = random_graph(rng, 2, 3, 300, 3000)
    spec = SampleSpec.uniform(graph.edge_types, (5, 5))
    sampler = Sampler(graph, spec)
    seeds = np.arange(graph.num_nodes("a") // 2, dtype=np.int64)
    first = sampler.sample(seeds, "a", 1)
    kept = {t: rows.copy() for t, rows in first.nodes.items()}
    for epoch in range(2, 30):
        sampler.sample(seeds, "a", epoch)
    del sampler
    assert all(np.array_equal(first.nodes[t], kept[t]) for t in kept)


@few
@given(cases(disjoint=True))
def test_disjoint_trees_do_not_depend_on_the_batch(case):
    graph, spec, seeds, node_type, epoch = case
    sampler = Sampler(graph, spec)
    batch = sampler.sample(seeds, node_type, epoch)
    for i in range(len(seeds)):
        alone = sampler.sample(seeds[i : i + 1], node_type, epoch)
        for t in graph.node_types:
            mine = batch.node_group[t] == i
            assert np.array_equal(batch.nodes[t][mine], alone.nodes[t])
        for t in graph.edge_types:
            mine = batch.node_group[t.dst][batch.edges[t].col()] == i
            assert np.array_equal(batch.edges[t].pos[mine], alone.edges[t].pos)


@few
@given(cases(disjoint=False))
def test_a_smaller_fan_out_draws_a_prefix(case):
    graph, spec, seeds, node_type, epoch = case
    for t in graph.edge_types:
        if t.dst != node_type:
            continue
        before = [set() for _ in seeds]
        for k in range(6):
            one = SampleSpec({t: (k,)}, replace=spec.replace, seed=spec.seed)
            e = Sampler(graph, one).sample(seeds, node_type, epoch).edges[t]
            drawn = [set(e.pos[a:b].tolist()) for a, b in zip(e.colptr, e.colptr[1:], strict=False)][: len(seeds)]
            assert all(small <= large for small, large in zip(before, drawn, strict=True))
            before = drawn


@few
@given(cases(disjoint=False, replace=False))
def test_full_fan_out_is_the_exact_neighbourhood(case):
    graph, spec, seeds, node_type, _ = case
    spec = SampleSpec.uniform(graph.edge_types, (-1,) * spec.hops)
    subgraph = Sampler(graph, spec).sample(seeds, node_type, 0)
    hop = {(node_type, int(s)): 0 for s in seeds}
    for h in range(spec.hops):
        for t, e in graph.edges.items():
            for v in [v for (name, v), at in hop.items() if name == t.dst and at == h]:
                for u in e.row[e.colptr[v] : e.colptr[v + 1]]:
                    hop.setdefault((t.src, int(u)), h + 1)
    for t in graph.node_types:
        found = dict(zip(subgraph.nodes[t].tolist(), subgraph.node_hops(t).tolist(), strict=True))
        assert found == {v: at for (name, v), at in hop.items() if name == t}
    for t, e in graph.edges.items():
        inner = [v for (name, v), at in hop.items() if name == t.dst and at < spec.hops]
        expected = [p for v in inner for p in range(e.colptr[v], e.colptr[v + 1])]
        assert sorted(subgraph.edges[t].pos.tolist()) == sorted(expected)


def test_full_fan_out_agrees_with_pyg():
    import torch

    rng = np.random.default_rng(1)
    edge_index = rng.integers(0, 200, (2, 500))
    graph = Graph.from_coo(200, edge_index)
    for hops in (1, 2, 3):
        seeds = rng.permutation(200)[:3].astype(np.int64)
        spec = SampleSpec.uniform(graph.edge_types, (-1,) * hops)
        subgraph = Sampler(graph, spec).sample(seeds, "node", 0)
        nodes, *_ = k_hop_subgraph(torch.from_numpy(seeds), hops, torch.from_numpy(edge_index), num_nodes=200)
        assert sorted(subgraph.nodes["node"].tolist()) == nodes.tolist()


def test_edge_type_without_fan_out_is_not_followed():
    a, b = EdgeType("u", "a", "u"), EdgeType("u", "b", "u")
    graph = Graph.from_coo({"u": 3}, {a: np.array([[1], [0]]), b: np.array([[2], [0]])})
    subgraph = Sampler(graph, SampleSpec({b: (5,)})).sample(np.array([0]), "u", 0)
    assert subgraph.nodes["u"].tolist() == [0, 2]
    assert subgraph.edge_counts == {a: [0], b: [1]}


@pytest.mark.parametrize(
    ("seeds", "node_type", "epoch", "named"),
    [
        (np.array([0, 1, 0]), "node", 0, "seeds"),
        (np.array([99]), "node", 0, "seeds"),
        (np.array([-1]), "node", 0, "seeds"),
        (np.array([1.0]), "node", 0, "seeds"),
        (np.array([1], np.int32), "node", 0, "seeds"),
        (np.array([[1]]), "node", 0, "seeds"),
        (np.arange(6)[::2], "node", 0, "seeds"),
        (np.array([0]), "venue", 0, "node_type"),
        (np.array([0]), "node", -1, "epoch"),
    ],
)
def test_bad_seeds_are_refused_by_name(seeds, node_type, epoch, named):
    graph = Graph.from_coo(10, np.array([[0, 1], [1, 2]]))
    sampler = Sampler(graph, SampleSpec.uniform(graph.edge_types, (2,)))
    with pytest.raises((TypeError, ValueError), match=f"^{named}"):
        sampler.sample(seeds, node_type, epoch)
    # and the sampler is none the worse for it
    assert sampler.sample(np.array([2]), "node", 0).nodes["node"].tolist() == [2, 1]


def test_no_seeds_no_nodes():
    graph = Graph.from_coo(10, np.array([[0, 1], [1, 2]]))
    subgraph = Sampler(graph, SampleSpec.uniform(graph.edge_types, (2, 2))).sample(np.zeros(0, np.int64), "node", 0)
    assert subgraph.num_nodes == subgraph.num_edges == 0
    assert subgraph.node_counts == {"node": [0, 0, 0]}


def test_python_and_reference_hashes_agree():
    rows = np.array([0, 1, 2**40, 2**62], np.int64)
    assert name_hash("paper cites paper") == fnv("paper cites paper")
    assert absorb_rows(17, rows).tolist() == [mix(17 ^ mix((int(r) + 0x9E3779B97F4A7C15) % 2**64)) for r in rows]

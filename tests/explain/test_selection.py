import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.explain import select
from gnnctl.graph import Graph
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec


def neighbourhood(edges, nodes, hops=3):
    graph = Graph.from_coo(nodes, np.array(edges))
    spec = SampleSpec.uniform(graph.edge_types, (-1,) * hops)
    return Sampler(graph, spec).sample(np.array([0]), "node", 0), graph.edge_types[0]


def test_the_strongest_edges_that_hang_together_are_taken():
    # 1 -> 0 weak, 2 -> 0 strong, 3 -> 1 strongest of all but only reachable through the weak one.
    subgraph, t = neighbourhood([[1, 2, 3], [0, 0, 1]], 4)
    score = {(1, 0): 0.1, (2, 0): 0.5, (3, 1): 0.9}
    edges = subgraph.edges[t]
    rows, cols = subgraph.nodes["node"][edges.row], subgraph.nodes["node"][edges.col()]
    scores = {t: np.array([score[r, c] for r, c in zip(rows.tolist(), cols.tolist(), strict=True)], np.float32)}

    def chosen(count):
        found = select(subgraph, scores, count)
        return {(int(rows[p]), int(cols[p])) for p in found.edges.get(t, [])}

    assert chosen(1) == {(2, 0)}
    assert chosen(2) == {(2, 0), (1, 0)}
    assert chosen(3) == {(2, 0), (1, 0), (3, 1)}


def test_silent_edges_are_not_taken():
    subgraph, t = neighbourhood([[1, 2], [0, 0]], 3)
    assert select(subgraph, {t: np.zeros(2, np.float32)}, 5).num_edges == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 25))
def test_every_chosen_edge_has_a_path_to_the_seed(seed, count):
    rng = np.random.default_rng(seed)
    subgraph, t = neighbourhood(rng.integers(0, 15, (2, 40)), 15)
    edges = subgraph.edges[t]
    scores = {t: rng.standard_normal(len(edges.row)).astype(np.float32)}
    found = select(subgraph, scores, count)
    positions = found.edges.get(t, np.zeros(0, np.int64))
    assert len(positions) <= count
    pairs = list(zip(edges.row[positions].tolist(), edges.col()[positions].tolist(), strict=True))
    reached, before = {0}, 0
    while len(reached) != before:
        before = len(reached)
        reached |= {source for source, target in pairs if target in reached}
    assert {end for pair in pairs for end in pair} <= reached
    assert reached == set(found.nodes["node"].tolist())

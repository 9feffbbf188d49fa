"""Embeddings learned from walks: their loss against the oracle, and their windows against the graph."""

import copy
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch_geometric.nn as peer

from gnnctl.graph import EdgeType, Graph
from gnnctl.nn.models import MetaPath2Vec, Node2Vec
from gnnctl.nn.models.walk_embedding import skip_gram_loss, windows
from gnnctl.sampling.walks import Walker

WRITES, WRITTEN, CITES = EdgeType("a", "w", "p"), EdgeType("p", "wb", "a"), EdgeType("p", "c", "p")


def typed():
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, [[20], [30]], (2, 80))
    return Graph.from_coo(
        {"p": 30, "a": 20, "v": 3}, {WRITES: pairs, WRITTEN: pairs[::-1], CITES: rng.integers(0, 30, (2, 60))}
    )


def plain():
    rng = np.random.default_rng(1)
    return Graph.from_coo(25, rng.integers(0, 22, (2, 120)))


def pairs_of(graph, t):
    store = graph.edges[t]
    return set(zip(store.row.tolist(), np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr)), strict=True))


def test_windows_are_every_run():
    walks = torch.arange(12).view(2, 6)
    found = windows(walks, 4)
    assert sorted(map(tuple, found.tolist())) == sorted(
        tuple(row[i : i + 4]) for row in walks.tolist() for i in range(3)
    )
    with pytest.raises(ValueError, match="from 2 to the 6 nodes"):
        windows(walks, 7)


def test_node2vec_loss_and_gradient_are_the_oracles():
    torch.manual_seed(0)
    ours = Node2Vec(25, 8, length=6, context=4).double()
    embedding = copy.deepcopy(ours.embedding)  # the oracle itself is only made where its native library is
    theirs = SimpleNamespace(embedding=embedding, embedding_dim=8, EPS=1e-15)
    positive, negative = torch.randint(0, 25, (30, 4)), torch.randint(0, 25, (40, 4))
    found, wanted = ours.loss(positive, negative), peer.Node2Vec.loss(theirs, positive, negative)
    torch.testing.assert_close(found, wanted)
    found.backward()
    wanted.backward()
    torch.testing.assert_close(ours.embedding.weight.grad, theirs.embedding.weight.grad)
    assert torch.equal(ours(torch.tensor([3, 1])), ours()[[3, 1]])


def test_pairs_after_a_dead_end_are_left_out():
    weight = torch.randn(9, 4, dtype=torch.float64)
    negative = torch.randint(0, 9, (5, 3))
    ended = torch.tensor([[0, 1, -1], [2, -1, -1], [-1, -1, -1], [3, 4, 5]])
    pairs = torch.tensor([[0, 1], [3, 4], [3, 5]])
    torch.testing.assert_close(skip_gram_loss(weight, ended, negative), skip_gram_loss(weight, pairs, negative))
    none = torch.full((2, 3), -1)
    assert skip_gram_loss(weight, none, none) == 0


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.5, 2.0)])
def test_node2vec_windows_are_walks_of_the_graph(p, q):
    graph, t = plain(), plain().edge_types[0]
    model = Node2Vec(25, 4, length=5, context=3, walks=2, negatives=3, p=p, q=q)
    starts, draw = torch.arange(25), torch.Generator().manual_seed(0)
    positive, negative = model.sample(Walker(graph, "out"), starts, seed=1, epoch=1, generator=draw)
    assert positive.shape == (25 * 2 * 4, 3)
    assert negative.shape == (25 * 2 * 3 * 4, 3)
    edges = pairs_of(graph, t)
    rows = positive.tolist()
    assert all((u, v) in edges or v == -1 for row in rows for u, v in pairwise(row))
    assert all(row[1] == -1 for row in rows if row[0] >= 22)
    assert set(negative.flatten().tolist()) == set(range(25))
    assert torch.equal(negative[: 25 * 6, 0], starts.repeat_interleave(6))
    again, _ = model.sample(Walker(graph, "out"), starts, seed=1, epoch=1)
    other, _ = model.sample(Walker(graph, "out"), starts, seed=1, epoch=2)
    assert torch.equal(positive, again)
    assert not torch.equal(positive, other)


def test_node2vec_learns_who_are_near():
    """Two cliques and a bridge: after some steps nodes are nearest to their own clique."""
    ends = [(u, v) for c in (0, 8) for u in range(c, c + 8) for v in range(c, c + 8) if u != v] + [(0, 8), (8, 0)]
    walker = Walker(Graph.from_coo(16, np.array(ends).T))
    torch.manual_seed(0)
    model = Node2Vec(16, 8, length=10, context=4, walks=4)
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    for epoch in range(1, 41):
        optimizer.zero_grad()
        model.loss(*model.sample(walker, torch.arange(16), seed=0, epoch=epoch)).backward()
        optimizer.step()
    z = torch.nn.functional.normalize(model().detach())
    near = z @ z.t()
    same = (torch.arange(16) // 8)[:, None] == torch.arange(16) // 8
    assert near[same].mean() > near[~same].mean() + 0.3


@pytest.mark.parametrize("direction", ["out", "in"])
def test_metapath_windows_follow_the_path(direction):
    graph = typed()
    metapath = [WRITES, CITES, WRITTEN] if direction == "out" else [WRITTEN, CITES, WRITES]
    model = MetaPath2Vec(graph.schema, metapath, 4, length=7, context=8, walks=2, negatives=2, direction=direction)
    assert model.start_type == "a"
    types = ["a", "p", "p", "a", "p", "p", "a", "p"]
    starts, draw = torch.arange(20), torch.Generator().manual_seed(0)
    positive, negative = model.sample(Walker(graph, direction), starts, seed=3, epoch=1, generator=draw)
    first = {t: model._first[t] for t in "ap"}
    assert sorted(first.values()) in ([0, 20], [0, 30])
    assert model.embedding.num_embeddings == 50
    for place, t in enumerate(types):
        for found in (positive, negative):
            local = found[:, place][found[:, place] >= 0] - first[t]
            assert ((local >= 0) & (local < graph.num_nodes(t))).all()
        assert place == 0 or len(set(negative[:, place].tolist())) > 15
    steps = [t for _ in range(3) for t in metapath]
    for row in positive.tolist():
        for place in range(7):
            u, v = row[place], row[place + 1]
            if v == -1:
                continue
            pair = (u - first[types[place]], v - first[types[place + 1]])
            assert (pair if direction == "out" else pair[::-1]) in pairs_of(graph, steps[place])
    assert torch.equal(model("p"), model.embedding.weight[first["p"] : first["p"] + 30])
    assert torch.equal(model("a", torch.tensor([4])), model("a")[[4]])


def test_metapath_loss_is_the_oracles():
    torch.manual_seed(0)
    graph = typed()
    coo = {tuple(t): torch.tensor(sorted(pairs_of(graph, t))).t() for t in graph.edge_types}
    ours = MetaPath2Vec(graph.schema, [WRITES, WRITTEN], 6, length=4, context=3)
    theirs = peer.MetaPath2Vec(coo, 6, [tuple(WRITES), tuple(WRITTEN)], 4, 3, num_nodes_dict={"p": 30, "a": 20})
    with torch.no_grad():
        theirs.embedding.weight[:50] = ours.embedding.weight
    positive, negative = torch.randint(0, 50, (30, 3)), torch.randint(0, 50, (40, 3))
    torch.testing.assert_close(ours.loss(positive, negative), theirs.loss(positive, negative))


def test_what_makes_no_metapath():
    graph = typed()
    with pytest.raises(ValueError, match="ends at 'p' is followed by one that starts at 'a'"):
        MetaPath2Vec(graph.schema, [WRITES, WRITES], 4, length=2, context=2)
    with pytest.raises(ValueError, match="ends at 'p' is followed by one that starts at 'a'"):
        MetaPath2Vec(graph.schema, [WRITES], 4, length=2, context=2)
    MetaPath2Vec(graph.schema, [WRITES], 4, length=1, context=2)
    with pytest.raises(ValueError, match="at least one edge type"):
        MetaPath2Vec(graph.schema, [], 4, length=2, context=2)
    model = MetaPath2Vec(graph.schema, [WRITES, WRITTEN], 4, length=4, context=3)
    with pytest.raises(ValueError, match="walker: walks 'in'"):
        model.sample(Walker(graph), torch.arange(3), seed=0, epoch=1)
    with pytest.raises(ValueError, match="from 2 to the 3 nodes of a walk"):
        Node2Vec(4, 2, length=2, context=4)

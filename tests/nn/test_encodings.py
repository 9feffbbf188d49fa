"""Positional encodings, against the oracle's transforms."""

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from gnnctl.graph import Graph
from gnnctl.graph.batch import Batch
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import build_model, encodings
from gnnctl.nn.encodings import laplacian_encoding, random_walk_encoding


def directed(nodes, edges, seed=0):
    rng = np.random.default_rng(seed)
    coo = np.unique(rng.integers(0, nodes, (2, edges)), axis=1)
    return torch.from_numpy(coo)


def undirected(nodes, seed=0):
    """Connected, whose eigenvalues differ."""
    graph = nx.connected_watts_strogatz_graph(nodes, 4, 0.5, seed=seed)
    one_way = torch.tensor(list(graph.edges)).T
    return torch.cat([one_way, one_way.flip(0)], 1)


def together(parts):
    """Edges of graphs one after the other, and their bounds."""
    counts = [nodes for nodes, _ in parts]
    ptr = torch.tensor([0, *counts]).cumsum(0)
    coo = torch.cat([coo + start for (_, coo), start in zip(parts, ptr.tolist(), strict=False)], 1)
    return EdgeIndex.from_coo(coo, int(ptr[-1]))[0], ptr


@pytest.mark.parametrize("cells", [1 << 24, 64])
def test_walks_come_back_as_often_as_the_oracle_s(monkeypatch, cells):
    monkeypatch.setattr(encodings, "_CELLS", cells)  # in one block, and in many
    coo = directed(30, 90)
    edges, _ = EdgeIndex.from_coo(coo, 30)
    expected = AddRandomWalkPE(6)(Data(edge_index=coo, num_nodes=30)).random_walk_pe
    torch.testing.assert_close(random_walk_encoding(edges, 6), expected)
    parts = [(7, directed(7, 20, 1)), (0, coo[:, :0]), (12, directed(12, 30, 2)), (1, coo[:, :0])]
    edges, ptr = together(parts)
    alone = [random_walk_encoding(EdgeIndex.from_coo(own, nodes)[0], 5) for nodes, own in parts]
    torch.testing.assert_close(random_walk_encoding(edges, 5, ptr), torch.cat(alone))


@pytest.mark.parametrize("dense", [512, 10])
def test_eigenvectors_are_the_oracle_s_up_to_their_signs(monkeypatch, dense):
    monkeypatch.setattr(encodings, "_DENSE", dense)
    parts = [(40, undirected(40, 1)), (25, undirected(25, 2))]
    edges, ptr = together(parts)
    found, start = laplacian_encoding(edges, 4, ptr), 0
    for nodes, coo in parts:
        transform = AddLaplacianEigenvectorPE(4, is_undirected=True)
        expected = transform(Data(edge_index=coo, num_nodes=nodes)).laplacian_eigenvector_pe.float()
        own = found[start : start + nodes]
        torch.testing.assert_close(own.abs(), expected.abs(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(own.T @ own, torch.eye(4), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.sign((own * expected).sum(0)).abs(), torch.ones(4))
        start += nodes


def test_small_graphs_have_zeros_for_what_they_lack():
    edges, ptr = together([(3, torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])), (1, torch.zeros(2, 0, dtype=torch.int64))])
    found = laplacian_encoding(edges, 5, ptr)
    assert found.shape == (4, 5)
    assert (found[:3, :2] != 0).any(0).all()
    assert not found[:, 2:].any()
    assert not found[3].any()


def test_renumbered_nodes_have_the_same_encodings():
    coo, order = undirected(30, 3), torch.randperm(30, generator=torch.Generator().manual_seed(0))
    place = order.argsort()
    edges, moved = (EdgeIndex.from_coo(c, 30)[0] for c in (coo, place[coo]))
    for find in (random_walk_encoding, laplacian_encoding):
        torch.testing.assert_close(find(moved, 4), find(edges, 4)[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoding", ["random-walk", "laplacian"])
def test_a_model_sees_where_nodes_stand(encoding):
    """Nodes alike but for their place: without attention to edges only an encoding tells them apart."""
    graph = Graph.from_coo(30, undirected(30).numpy(), x=np.ones((30, 2)))
    batch = Batch.full(graph, "node")
    torch.manual_seed(0)
    given = {"name": "gps", "hidden": 8, "heads": 2, "layers": 1}
    blind = build_model({**given, "parameters": {"local": "none"}}, graph.schema, "node", 3).eval()
    assert torch.allclose(blind(batch), blind(batch)[:1])
    parameters = {"local": "none", "encoding": encoding, "encoding_size": 4}
    seeing = build_model({**given, "parameters": parameters}, graph.schema, "node", 3).eval()
    out = seeing(batch)
    assert (out - out[:1]).abs().max() > 1e-3
    ready = seeing.prepare(Batch.full(graph, "node"))
    torch.testing.assert_close(torch.compile(seeing, fullgraph=True, backend="aot_eager")(ready), out)

"""A batch of graphs to pool: of eight nodes, none, one and eleven."""

import torch

from gnnctl.graph.edge_index import EdgeIndex

WIDTH = 5
PTR = torch.tensor([0, 8, 8, 9, 20])
BATCH = torch.repeat_interleave(torch.arange(4), PTR.diff())


def batch_of_graphs(seed=0, dtype=torch.float32, density=0.3, loops=()):
    """Features, edges without repetitions, and their weights; graphs of 8, 0, 1 and 11 nodes.

    Only the nodes ``loops`` have an edge from themselves.
    """
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(20, WIDTH, generator=draw).to(dtype)
    parts = [torch.rand(20, 20, generator=draw) < density, BATCH[:, None] == BATCH, ~torch.eye(20, dtype=torch.bool)]
    there = parts[0] & parts[1] & parts[2]
    there[list(loops), list(loops)] = True
    coo = there.nonzero().T
    edges, order = EdgeIndex.from_coo(coo, 20)
    weight = torch.rand(coo.shape[1], generator=draw).to(dtype) + 0.1
    return x, edges, weight[order]

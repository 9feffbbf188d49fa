"""Dense layers and poolings by soft assignment, against the oracle with the same weights."""

import pytest
import torch
import torch_geometric.nn as peer
from torch import nn
from torch_geometric.utils import to_dense_adj as peer_dense_adj

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv import GATConv, GCNConv, GINConv, SAGEConv
from gnnctl.nn.dense_conv import DenseGATConv, DenseGCNConv, DenseGINConv, DenseGraphConv, DenseSAGEConv
from gnnctl.nn.pool import DMoNPooling, MemPooling, diff_pool, mincut_pool, to_dense_adj

WIDTH, CLUSTERS = 5, 3
PTR = torch.tensor([0, 6, 13, 15])


def dense_batch(dtype=torch.float32, seed=0, sizes=(6, 7, 2)):
    """Features (3, 7, F), symmetric weights (3, 7, 7) and mask of graphs with 6, 7 and 2 nodes."""
    draw = torch.Generator().manual_seed(seed)
    largest = max(sizes)
    mask = torch.arange(largest) < torch.tensor(sizes)[:, None]
    x = torch.randn(len(sizes), largest, WIDTH, generator=draw) * mask[:, :, None]
    adj = torch.rand(len(sizes), largest, largest, generator=draw) * (mask[:, :, None] & mask[:, None])
    adj = torch.where(adj > 0.5, adj, 0.0).triu(1)
    adj[:, 0, 1] = 0.7
    return x.to(dtype), (adj + adj.transpose(1, 2)).to(dtype), mask


def randomize(module):
    torch.manual_seed(7)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def tied(ours, theirs, **names):
    randomize(ours)
    state = dict(theirs.named_parameters()) | dict(theirs.named_buffers())
    for name, value in ours.named_parameters():
        head, _, tail = name.partition(".")
        other = f"{names.get(head, head)}.{tail}" if tail else names.get(head, head)
        state.pop(other).data.copy_(value.data.view_as(dict(theirs.state_dict())[other]))
    assert not [n for n, v in state.items() if isinstance(v, nn.Parameter)]
    return ours, theirs


LINEAR = nn.Linear(WIDTH, 4)
LAYERS = {
    "gcn": lambda: tied(DenseGCNConv(WIDTH, 4), peer.DenseGCNConv(WIDTH, 4)),
    "gcn-improved": lambda: tied(DenseGCNConv(WIDTH, 4, loop_weight=2.0), peer.DenseGCNConv(WIDTH, 4, improved=True)),
    "sage": lambda: tied(DenseSAGEConv(WIDTH, 4), peer.DenseSAGEConv(WIDTH, 4), lin="lin_rel", root="lin_root"),
    "sage-normalize": lambda: tied(
        DenseSAGEConv(WIDTH, 4, normalize=True),
        peer.DenseSAGEConv(WIDTH, 4, normalize=True),
        lin="lin_rel",
        root="lin_root",
    ),
    "gin": lambda: tied(
        DenseGINConv(nn.Linear(WIDTH, 4), train_eps=True),
        peer.DenseGINConv(nn.Linear(WIDTH, 4), train_eps=True),
        network="nn",
    ),
    "gat": lambda: tied(DenseGATConv(WIDTH, 4, heads=2), peer.DenseGATConv(WIDTH, 4, heads=2)),
    "gat-average": lambda: tied(
        DenseGATConv(WIDTH, 4, heads=2, concat=False), peer.DenseGATConv(WIDTH, 4, heads=2, concat=False)
    ),
    **{
        f"graph-{aggr}": lambda aggr=aggr: tied(
            DenseGraphConv(WIDTH, 4, aggr=aggr),
            peer.DenseGraphConv(WIDTH, 4, aggr="add" if aggr == "sum" else aggr),
            lin="lin_rel",
            root="lin_root",
        )
        for aggr in ("sum", "mean", "max")
    },
}


def _dmon():
    ours, theirs = DMoNPooling(nn.Linear(WIDTH, CLUSTERS)), peer.DMoNPooling(WIDTH, CLUSTERS)
    return tied(ours, theirs, network="mlp.lins.0")


def dmon(x, adj, mask):
    ours, theirs = _dmon()
    s, out, coarse, spectral, orthogonality, _ = theirs(x, adj, mask)
    # Of a batch, the peer's last loss divides each graph's sizes by the nodes of every other as well.
    last = [theirs(x[i : i + 1], adj[i : i + 1], mask[i : i + 1])[-1] for i in range(len(x))]
    return ours(x, adj, mask), (out, coarse, s, spectral, orthogonality, torch.stack(last).mean())


def by_scores(ours, theirs, **options):
    def run(x, adj, mask):
        scores = torch.randn(*x.shape[:2], CLUSTERS, generator=torch.Generator().manual_seed(3)).to(x.dtype)
        out, coarse, *losses = theirs(x, adj, scores, mask)
        s = torch.softmax(scores / options.get("temperature", 1.0), -1) * mask[:, :, None]
        return ours(x, adj, scores, mask, **options), (out, coarse, s, *losses)

    return run


POOLINGS = {
    "diff": by_scores(diff_pool, peer.dense_diff_pool),
    "diff-plain": by_scores(diff_pool, lambda *a: peer.dense_diff_pool(*a, normalize=False), normalize=False),
    "mincut": by_scores(mincut_pool, peer.dense_mincut_pool),
    "mincut-warm": by_scores(mincut_pool, lambda *a: peer.dense_mincut_pool(*a, temp=2.0), temperature=2.0),
    "dmon": dmon,
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_the_oracles(name):
    ours, theirs = LAYERS[name]()
    x, adj, mask = dense_batch()
    x.requires_grad_()
    out, expected = ours(x, adj, mask), theirs(x, adj, mask)
    torch.testing.assert_close(out, expected)
    weight = torch.randn_like(out)
    mine, other = (torch.autograd.grad(v, x, weight)[0] for v in (out, expected))
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings_are_the_oracles(name):
    x, adj, mask = dense_batch()
    x.requires_grad_()
    mine, (out, coarse, assignment, *losses) = POOLINGS[name](x, adj, mask)
    torch.testing.assert_close(mine.x, out)
    torch.testing.assert_close(mine.adj, coarse)
    torch.testing.assert_close(mine.assignment, assignment)
    torch.testing.assert_close(list(mine.losses.values()), losses)
    total, expected = (o.square().sum() + sum(ls) for o, ls in ((mine.x, mine.losses.values()), (out, losses)))
    gradients = [torch.autograd.grad(v, x)[0] for v in (total, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("masked", [True, False])
def test_memory_pooling_is_the_oracles(masked):
    options = {"heads": 2, "num_clusters": CLUSTERS, "tau": 1.5}
    ours, theirs = randomize(MemPooling(WIDTH, 4, **options)), peer.MemPooling(WIDTH, 4, **options)
    state = {"k": ours.keys, "conv.weight": ours.mix[None, :, None, None], "lin.weight": ours.lin.weight}
    theirs.load_state_dict({n: v.detach() for n, v in state.items()})
    x, _, mask = dense_batch()
    mask = mask if masked else None
    (out, assignment), (expected, other) = ours(x, mask), theirs(x, mask=mask)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(assignment, other)
    torch.testing.assert_close(MemPooling.clustering_loss(assignment), peer.MemPooling.kl_loss(other))


def sparse(adj, mask):
    """The graphs of the dense batch as one."""
    graph, dst, src = adj.nonzero(as_tuple=True)
    first = PTR[:-1]
    edges, order = EdgeIndex.from_coo(torch.stack([src + first[graph], dst + first[graph]]), int(mask.sum()))
    return edges, adj[graph, dst, src][order]


@pytest.mark.parametrize(
    ("dense", "layer"),
    [
        (DenseGCNConv, GCNConv),
        (DenseSAGEConv, SAGEConv),
        (DenseGATConv, GATConv),
        (lambda i, o: DenseGINConv(nn.Linear(i, o)), lambda i, o: GINConv(nn.Linear(i, o))),
    ],
)
def test_dense_layers_are_the_sparse_ones_on_directed_graphs(dense, layer):
    x, adj, mask = dense_batch()
    adj = (adj.triu() + adj.tril() * (torch.rand_like(adj) > 0.6) > 0).float()
    if layer is GCNConv:  # which, sparse, divides by the in-degree of either end as well
        adj = ((adj + adj.transpose(1, 2)) > 0).float()
    ours, other = randomize(dense(WIDTH, 4)), layer(WIDTH, 4)
    renamed = {"root.bias": "lin.bias"} if layer is SAGEConv else {}
    other.load_state_dict({renamed.get(n, n): v for n, v in ours.state_dict().items()})
    edges, _ = sparse(adj, mask)
    torch.testing.assert_close(ours(x, adj, mask)[mask], other(x[mask], edges))


def test_adjacency_matrices_have_destinations_as_rows():
    _, adj, mask = dense_batch()
    adj = adj.triu() * torch.rand_like(adj)
    edges, weight = sparse(adj, mask)
    torch.testing.assert_close(to_dense_adj(edges, PTR, weight), adj)
    torch.testing.assert_close(to_dense_adj(edges, PTR, weight, num_nodes=9)[:, :7, :7], adj)
    batch = torch.repeat_interleave(torch.arange(3), PTR.diff())
    both = torch.stack([weight, 2 * weight], dim=1)
    expected = peer_dense_adj(edges.coo(), batch, both).transpose(1, 2)
    torch.testing.assert_close(to_dense_adj(edges, PTR, both), expected)
    assert to_dense_adj(edges.select(weight < 0)[0], torch.tensor([0, 15])).sum() == 0


@pytest.mark.parametrize("name", [*LAYERS, "memory"])
def test_a_batch_is_its_graphs_one_by_one_and_renumbering_renumbers(name):
    layer = randomize(MemPooling(WIDTH, 4, heads=2, num_clusters=2)) if name == "memory" else LAYERS[name]()[0]
    layer = layer.double()
    x, adj, mask = dense_batch(torch.float64)
    call = (lambda x, a, m: layer(x, m)[1]) if name == "memory" else layer
    out = call(x, adj, mask)
    for i, n in enumerate(mask.sum(1).tolist()):
        alone = call(x[i : i + 1, :n], adj[i : i + 1, :n, :n], None)
        torch.testing.assert_close(alone[0], out[i, :n])
        order = torch.randperm(n)
        moved = call(x[i : i + 1, order], adj[i : i + 1][:, order][:, :, order], None)
        torch.testing.assert_close(moved[0], alone[0, order])
    assert not out[~mask].any()


@pytest.mark.parametrize("name", LAYERS)
def test_nodes_without_edges_have_finite_results_and_gradients(name):
    layer = LAYERS[name]()[0]
    x = torch.randn(2, 3, WIDTH, requires_grad=True)
    for loops in ({}, {"self_loops": False}):
        made = DenseGATConv(WIDTH, 4, **loops) if name == "gat" else layer
        out = made(x, torch.zeros(2, 3, 3))
        out.sum().backward()
        assert out.isfinite().all()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", ["gat", "graph-max", "memory", "diff", "mincut", "dmon"])
def test_gradients_by_finite_differences(name):
    x, adj, mask = dense_batch(torch.float64)
    x.requires_grad_()
    if name in LAYERS:
        layer = LAYERS[name]()[0].double()
        run = lambda v: layer(v, adj, mask)  # noqa: E731
    elif name == "memory":
        memory = randomize(MemPooling(WIDTH, 4, heads=2, num_clusters=2)).double()
        run = lambda v: memory(v, mask)[0]  # noqa: E731
    elif name == "dmon":
        pooling = _dmon()[0].double()
        run = lambda v: pooling(v, adj, mask).x  # noqa: E731
    else:
        project = torch.randn(WIDTH, CLUSTERS, dtype=torch.float64)
        pool = diff_pool if name == "diff" else mincut_pool
        run = lambda v: tuple(pool(v, adj, v @ project, mask).losses.values())  # noqa: E731
    assert torch.autograd.gradcheck(run, (x,), fast_mode=True)


class Everything(nn.Module):
    """All that is dense, one after the other: compiled once, it shows that none of it breaks the graph."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(LAYERS[n]()[0] for n in ("gcn", "gat", "graph-max"))
        self.dmon = _dmon()[0]
        self.memory = MemPooling(WIDTH, 4, heads=2, num_clusters=2)
        self.scores = nn.Linear(WIDTH, CLUSTERS)

    def forward(self, x, adj, mask):
        pooled = [pool(x, adj, self.scores(x), mask) for pool in (diff_pool, mincut_pool)]
        pooled.append(self.dmon(x, adj, mask))
        total = sum(p.x.sum() + p.adj.sum() + sum(p.losses.values()) for p in pooled)
        return total + self.memory(x, mask)[0].sum() + sum(layer(x, adj, mask).sum() for layer in self.layers)


def test_compiles_whole_and_once():
    torch._dynamo.reset()
    model = Everything()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    for sizes in ((8, 9, 4, 2), (6, 11, 3, 2, 7, 7)):
        x, adj, mask = dense_batch(sizes=sizes)
        for tensor, sizes_that_change in ((x, (0, 1)), (adj, (0, 1, 2)), (mask, (0, 1))):
            torch._dynamo.mark_dynamic(tensor, sizes_that_change)
        with torch.no_grad():
            torch.testing.assert_close(compiled(x, adj, mask), model(x, adj, mask), rtol=1e-4, atol=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1

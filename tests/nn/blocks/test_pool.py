"""Poolings that keep or merge nodes: against the oracle with the same weights, and what must hold of any."""

import pytest
import torch
import torch_geometric.nn as peer
from pool_case import BATCH, PTR, WIDTH, batch_of_graphs
from torch import nn
from torch_geometric.data import Batch

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import pool
from gnnctl.nn.conv import GCNConv, PANConv
from gnnctl.nn.pool import (
    ASAPooling,
    ClusterPooling,
    EdgePooling,
    PANPooling,
    SAGPooling,
    TopKPooling,
    clusters_of,
    merge,
    merge_rows,
    unpool_clusters,
)


def randomize(module):
    torch.manual_seed(7)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


POOLINGS = {
    "topk": lambda: TopKPooling(WIDTH, ratio=0.4),
    "topk-count": lambda: TopKPooling(WIDTH, ratio=3, multiplier=2.0),
    "topk-min-score": lambda: TopKPooling(WIDTH, min_score=0.1),
    "sag": lambda: SAGPooling(GCNConv(WIDTH, 1), ratio=0.6),
    "sag-min-score": lambda: SAGPooling(GCNConv(WIDTH, 1), min_score=0.1),
    "pan": lambda: PANPooling(WIDTH, ratio=0.5),
    "asap": lambda: ASAPooling(WIDTH, ratio=0.5, self_loops=True),
    "asap-conv": lambda: ASAPooling(WIDTH, ratio=2, conv=GCNConv(WIDTH, WIDTH)),
    "edge-softmax": lambda: EdgePooling(WIDTH),
    "edge-tanh": lambda: EdgePooling(WIDTH, method="tanh", offset=0.2),
    "edge-sigmoid": lambda: EdgePooling(WIDTH, method="sigmoid"),
    "cluster-tanh": lambda: ClusterPooling(WIDTH),
    "cluster-sigmoid": lambda: ClusterPooling(WIDTH, method="sigmoid", threshold=0.7),
    "cluster-log-softmax": lambda: ClusterPooling(WIDTH, method="log_softmax", threshold=-2.5),
}
every = pytest.mark.parametrize("name", POOLINGS)
LOOPS = (2, 8, 13)  # nodes with an edge from themselves, of them one that has no other edge


def call(pooling, x, edges, weight, ptr=None, run=None):
    run = pooling if run is None else run
    if isinstance(pooling, PANPooling):
        return run(x, edges, leaving(edges, weight), ptr)
    if isinstance(pooling, ASAPooling):
        return run(x, edges, weight, ptr)
    return run(x, edges, ptr)


def leaving(edges, weight):
    """Of each node, the sum of its column of the matrix that weighted edges are."""
    return weight.new_zeros(edges.num_src).index_add(0, edges.row, weight)


def pairs(coo):
    return sorted(zip(*coo.tolist(), strict=True))


# -- the oracle -------------------------------------------------------------------------------------------------------


def assert_kept_like(ours, theirs, x, weights, edge_attr=None):
    """Of a call of each: results, and gradients of x and of pairs of weights.

    ``theirs``: x, edge_index, edge_attr, batch, perm, score of the peer, which orders nodes by score."""
    mine, (rows, coo, attr, batch, perm, score) = ours, theirs
    order = perm.argsort()
    assert mine.nodes.tolist() == perm[order].tolist()
    torch.testing.assert_close(mine.x, rows[order])
    factor = torch.randn(mine.x.shape, generator=torch.Generator().manual_seed(3))
    a = torch.autograd.grad(mine.x, [x, *(own for own, _ in weights)], factor, retain_graph=True)
    b = torch.autograd.grad(rows[order], [x, *(its for _, its in weights)], factor, retain_graph=True)
    for own, its in zip(a, b, strict=True):
        torch.testing.assert_close(own, its.view_as(own), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine.score, score[order])
    assert mine.ptr.diff().tolist() == torch.bincount(batch, minlength=4).tolist()
    place = order.argsort()
    assert pairs(mine.edge_index.coo()) == pairs(place[coo])
    if edge_attr is not None:
        found = dict(zip(zip(*mine.edge_index.coo().tolist(), strict=True), edge_attr[mine.edges], strict=True))
        for i, (a, b) in enumerate(place[coo].T.tolist()):
            torch.testing.assert_close(found[a, b], attr[i])


@pytest.mark.parametrize(
    "options",
    [{"ratio": 0.4}, {"ratio": 3, "multiplier": 2.0}, {"min_score": 0.1}],
    ids=["ratio", "count", "min-score"],
)
def test_topk_keeps_what_the_oracle_keeps(options):
    x, edges, weight = batch_of_graphs(loops=LOOPS)
    ours, theirs = randomize(TopKPooling(WIDTH, **options)), peer.TopKPooling(WIDTH, **options)
    theirs.select.weight.data.copy_(ours.weight[None])
    x.requires_grad_()
    tied = [(ours.weight, theirs.select.weight)]
    assert_kept_like(ours(x, edges, PTR), theirs(x, edges.coo(), weight, BATCH), x, tied, weight)
    attention = torch.randn(20, WIDTH)
    found = theirs(x, edges.coo(), weight, BATCH, attention)
    assert_kept_like(ours(x, edges, PTR, attention), found, x, tied, weight)


@pytest.mark.parametrize("options", [{"ratio": 0.6}, {"min_score": 0.1}], ids=["ratio", "min-score"])
def test_sag_keeps_what_the_oracle_keeps(options):
    x, edges, weight = batch_of_graphs(loops=LOOPS)
    ours = randomize(SAGPooling(GCNConv(WIDTH, 1), **options))
    theirs = peer.SAGPooling(WIDTH, GNN=peer.GCNConv, **options)
    theirs.gnn.load_state_dict(ours.conv.state_dict())
    theirs.select.weight.data.fill_(1.0)
    tied = list(zip(ours.conv.parameters(), theirs.gnn.parameters(), strict=True))
    found = theirs(x.requires_grad_(), edges.coo(), weight, BATCH)
    assert_kept_like(ours(x, edges, PTR), found, x, tied, weight)


class Matrix:
    """As much of the peer's sparse matrix, destinations by sources, as its pooling reads."""

    def __init__(self, edges, weight):
        self.parts = edges.col().long(), edges.row.long(), weight

    def coo(self):
        return self.parts


def test_pan_keeps_what_the_oracle_keeps():
    x, edges, weight = batch_of_graphs(loops=LOOPS)
    ours, theirs = randomize(PANPooling(WIDTH, ratio=0.5)), peer.PANPooling(WIDTH, ratio=0.5)
    theirs.load_state_dict({"p": ours.projection, "beta": ours.beta, "select.weight": torch.ones(1, 1)})
    # The peer's edges stand the other way round.
    tied = [(ours.projection, theirs.p), (ours.beta, theirs.beta)]
    found = theirs(x.requires_grad_(), Matrix(edges, weight), BATCH)
    assert_kept_like(ours(x, edges, leaving(edges, weight), PTR), found, x, tied, weight)


def test_pan_pools_by_what_its_convolution_spreads():
    x, edges, _ = batch_of_graphs(loops=LOOPS)
    conv, pooling = PANConv(20, 20, hops=2), randomize(PANPooling(WIDTH, ratio=0.5))
    torch.nn.init.eye_(conv.lin.weight)
    torch.nn.init.zeros_(conv.lin.bias)
    matrix = conv(torch.eye(20), edges)
    mine, other = (pooling(x, edges, sums, PTR) for sums in (conv.leaving(edges), matrix.sum(0)))
    torch.testing.assert_close(mine.x, other.x)
    assert not torch.equal(mine.x, pooling(x, edges, torch.zeros(20), PTR).x)


@pytest.mark.parametrize("conv", [False, True])
@pytest.mark.parametrize("loops", [False, True])
def test_asap_is_the_oracles(conv, loops):
    x, edges, weight = batch_of_graphs(loops=LOOPS)
    ours = randomize(ASAPooling(WIDTH, ratio=0.5, self_loops=loops, conv=GCNConv(WIDTH, WIDTH) if conv else None))
    theirs = peer.ASAPooling(WIDTH, ratio=0.5, add_self_loops=loops, GNN=peer.GCNConv if conv else None)
    names = {
        "lin": "lin",
        "attention": "att",
        "fitness_src": "gnn_score.lin1",
        "fitness_dst": "gnn_score.lin2",
        "fitness_own": "gnn_score.lin3",
        "conv": "gnn_intra_cluster",
    }
    ours_names = [n for n, _ in ours.named_parameters()]
    their_names = [names[n.split(".")[0]] + n[n.index(".") :] for n in ours_names]
    state = dict(zip(their_names, ours.parameters(), strict=True))
    theirs.load_state_dict(state | {"select.weight": torch.ones(1, 1)})
    x.requires_grad_()
    mine, other = ours(x, edges, weight, PTR), theirs(x, edges.coo(), weight, BATCH)
    order = other[4].argsort()
    assert mine.nodes.tolist() == other[4][order].tolist()
    torch.testing.assert_close(mine.x, other[0][order])
    assert mine.ptr.diff().tolist() == torch.bincount(other[3], minlength=4).tolist()
    count = len(order)
    dense, expected = torch.zeros(2, count, count)
    mine_src, mine_dst = mine.edge_index.coo()
    dense = dense.index_put((mine_src, mine_dst), mine.edge_weight)
    src, dst = order.argsort()[other[1]]
    expected = expected.index_put((src, dst), other[2])
    torch.testing.assert_close(dense, expected)
    assert mine.edge_index.num_edges == other[1].shape[1]
    weights = [[m.get_parameter(n) for n in named] for m, named in ((ours, ours_names), (theirs, their_names))]
    a, b = (
        torch.autograd.grad(rows.square().sum(), [x, *parts])
        for rows, parts in zip((mine.x, other[0]), weights, strict=True)
    )
    for own, its in zip(a, b, strict=True):
        torch.testing.assert_close(own, its, rtol=1e-4, atol=1e-5)


def test_gradients_of_the_edge_weights_that_asap_makes():
    pooling = randomize(ASAPooling(WIDTH, ratio=0.5)).double()
    x, edges, weight = batch_of_graphs(3, torch.float64)
    inputs = x.requires_grad_(), weight.requires_grad_()
    assert torch.autograd.gradcheck(lambda v, w: pooling(v, edges, w, PTR).edge_weight, inputs, fast_mode=True)


def assert_same_gradients(mine, other, x, ours, theirs):
    """Rows, and the gradients of x and of parameters of the same names."""
    torch.testing.assert_close(mine, other)
    factor = torch.randn(mine.shape, generator=torch.Generator().manual_seed(3))
    names = [name for name, _ in ours.named_parameters()]
    a = torch.autograd.grad(mine, [x, *ours.parameters()], factor)
    b = torch.autograd.grad(other, [x, *(theirs.get_parameter(name) for name in names)], factor)
    for own, its in zip(a, b, strict=True):
        torch.testing.assert_close(own, its.view_as(own), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["softmax", "tanh", "sigmoid"])
def test_edge_pooling_is_the_oracles(method):
    x, edges, _ = batch_of_graphs(density=0.8, loops=(2, 13))
    assert 1 not in edges.in_degree()  # the softmax of a single edge is one: these would be equal
    ours = randomize(EdgePooling(WIDTH, method=method))
    theirs = peer.EdgePooling(WIDTH, getattr(peer.EdgePooling, f"compute_edge_score_{method}"))
    theirs.load_state_dict(ours.state_dict())
    x.requires_grad_()
    mine, (y, coo, batch, info) = ours(x, edges, PTR), theirs(x, edges.coo(), BATCH)
    place = torch.zeros(len(y), dtype=torch.int64).scatter_(0, info.cluster, mine.clusters.cluster)
    assert place.sort().values.tolist() == list(range(len(y)))
    assert_same_gradients(mine.x[place], y, x, ours, theirs)
    torch.testing.assert_close(mine.score[place], info.new_edge_score)
    assert pairs(mine.edge_index.coo()) == pairs(place[coo])
    assert mine.ptr.diff().tolist() == torch.bincount(batch, minlength=4).tolist()
    torch.testing.assert_close(EdgePooling.unpool(mine.x, mine), theirs.unpool(y, info)[0])


@pytest.mark.parametrize("method", ["tanh", "sigmoid", "log_softmax"])
def test_cluster_pooling_is_the_oracles(method):
    x, edges, _ = batch_of_graphs(loops=LOOPS)
    x, (edges, _) = (
        x[9:].requires_grad_(),
        edges.subgraph(torch.arange(9, 20)),
    )  # one graph: the peer's softmax is over all
    thresholds = {"tanh": 0.3, "sigmoid": 0.85, "log_softmax": -2.0}
    ours = randomize(ClusterPooling(WIDTH, method=method, threshold=thresholds[method]))
    theirs = peer.ClusterPooling(WIDTH, method, threshold=ours.threshold)
    theirs.load_state_dict(ours.state_dict())
    mine, (y, coo, _, info) = ours(x, edges), theirs(x, edges.coo(), torch.zeros(11, dtype=torch.int64))
    assert 1 < len(y) < 11
    place = torch.zeros(len(y), dtype=torch.int64).scatter_(0, info.cluster, mine.clusters.cluster)
    assert_same_gradients(mine.x[place], y, x, ours, theirs)
    assert pairs(mine.edge_index.coo()) == pairs(place[coo])


@pytest.mark.parametrize(("aggr", "pool"), [("max", peer.max_pool), ("mean", peer.avg_pool)])
def test_merged_nodes_and_edges_are_the_oracles(aggr, pool):
    x, edges, weight = batch_of_graphs(loops=LOOPS)
    label = torch.randint(0, 4, (20,)) + 10 * BATCH
    data = Batch(batch=BATCH, x=x, edge_index=edges.coo(), edge_attr=weight, pos=x[:, :3])
    expected = pool(label, data)
    clusters = clusters_of(label, PTR)
    merged = merge(clusters, x, edges, weight, aggr)
    torch.testing.assert_close(merged.x, expected.x)
    torch.testing.assert_close(merge_rows(clusters, x[:, :3], "mean"), expected.pos)
    order = expected.edge_index.T.tolist()
    found = dict(zip(zip(*merged.edge_index.coo().tolist(), strict=True), merged.edge_attr, strict=True))
    assert sorted(found) == sorted(map(tuple, order))
    torch.testing.assert_close(torch.stack([found[tuple(e)] for e in order]), expected.edge_attr)
    assert clusters.ptr.diff().tolist() == torch.bincount(expected.batch, minlength=4).tolist()
    torch.testing.assert_close(unpool_clusters(merged.x, clusters), expected.x[clusters.cluster])


# -- what holds of any ------------------------------------------------------------------------------------------------


@every
def test_a_batch_of_graphs_is_pooled_like_the_graphs_one_by_one(name):
    pooling = randomize(POOLINGS[name]())
    x, edges, weight = batch_of_graphs(1, loops=LOOPS)
    together = call(pooling, x, edges, weight, PTR)
    assert together.ptr[-1] == len(together.x) == together.edge_index.num_dst == together.edge_index.num_src
    for i in range(4):
        nodes = torch.arange(PTR[i], PTR[i + 1])
        part, positions = edges.subgraph(nodes)
        alone = call(pooling, x[nodes], part, weight[positions])
        rows = slice(together.ptr[i], together.ptr[i + 1])
        torch.testing.assert_close(alone.x, together.x[rows])
        own, _ = together.edge_index.subgraph(torch.arange(rows.start, rows.stop))
        assert torch.equal(alone.edge_index.coo(), own.coo())


@every
def test_renumbered_nodes_are_pooled_to_the_same_graphs(name):
    pooling = randomize(POOLINGS[name]()).double()
    x, edges, weight = batch_of_graphs(2, torch.float64, density=0.8, loops=LOOPS)
    before = call(pooling, x, edges, weight, PTR)
    order = torch.cat([a + torch.randperm(b - a) for a, b in zip(PTR.tolist()[:-1], PTR.tolist()[1:], strict=True)])
    moved, shuffle = EdgeIndex.from_coo(order.argsort()[edges.coo()], 20)
    after = call(pooling, x[order], moved, weight[shuffle], PTR)
    assert torch.equal(before.ptr, after.ptr)
    apart = torch.cdist(before.x, after.x)
    place = apart.argmin(1)
    assert place.sort().values.tolist() == list(range(len(place)))
    torch.testing.assert_close(after.x[place], before.x)
    assert pairs(place[before.edge_index.coo()]) == pairs(after.edge_index.coo())


@every
def test_edges_stay_sorted_and_within_range(name):
    x, edges, weight = batch_of_graphs(3, loops=LOOPS)
    found = call(randomize(POOLINGS[name]()), x, edges, weight, PTR).edge_index
    EdgeIndex(found.colptr, found.row, found.num_src, found.num_dst, validate=True)


@every
@pytest.mark.parametrize("nodes", [0, 1, 4])
def test_graphs_without_edges(name, nodes):
    pooling = randomize(POOLINGS[name]())
    edges, _ = EdgeIndex.from_coo(torch.empty(2, 0, dtype=torch.int64), nodes)
    x = torch.randn(nodes, WIDTH, requires_grad=True)
    out = call(pooling, x, edges, torch.empty(0))
    assert out.x.isfinite().all()
    assert (len(out.x) == 0) == (nodes == 0)
    out.x.sum().backward()
    assert x.grad.isfinite().all()


@every
def test_gradients_by_finite_differences(name):
    pooling = randomize(POOLINGS[name]()).double()
    x, edges, weight = batch_of_graphs(4, torch.float64, loops=LOOPS)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: call(pooling, v, edges, weight, PTR).x, (x,), fast_mode=True)


@every
def test_weights_survive_a_round_trip(name):
    first, second = randomize(POOLINGS[name]()), POOLINGS[name]()
    second.load_state_dict(first.state_dict())
    x, edges, weight = batch_of_graphs(5)
    torch.testing.assert_close(call(first, x, edges, weight, PTR).x, call(second, x, edges, weight, PTR).x)


@pytest.mark.parametrize("name", ["topk-min-score", "sag", "pan", "asap", "edge-softmax", "cluster-tanh"])
def test_compiles_whole_and_once_where_sizes_may_depend_on_data(name):
    torch._dynamo.reset()
    pooling = randomize(POOLINGS[name]())
    compiled = torch.compile(pooling, fullgraph=True, dynamic=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        for seed in (0, 1):
            x, edges, weight = batch_of_graphs(seed)
            found, plain = (call(pooling, x, edges, weight, PTR, run) for run in (compiled, pooling))
            torch.testing.assert_close(found.x, plain.x)
            assert torch.equal(found.edge_index.coo(), plain.edge_index.coo())
            assert torch.equal(found.ptr, plain.ptr)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_every_pooling_has_a_case():
    classes = {
        n for n in pool.__all__ if isinstance(getattr(pool, n), type) and issubclass(getattr(pool, n), nn.Module)
    }
    assert classes - {"DMoNPooling", "MemPooling"} == {type(make()).__name__ for make in POOLINGS.values()}

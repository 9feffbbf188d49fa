"""What the shared suite does not ask of the layers that propagate: trimmed rounds, dropout."""

import conv_propagation
import conv_structure
import pytest
import torch
import torch_geometric.nn as peer
from conv_case import WIDTH

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv import (
    APPNP,
    ARMAConv,
    ChebConv,
    DirGNNConv,
    DNAConv,
    EGConv,
    FAConv,
    GatedGraphConv,
    GCN2Conv,
    GeneralConv,
    HypergraphConv,
    LGConv,
    MixHopConv,
    PANConv,
    PDNConv,
    SAGEConv,
    SGConv,
    SimpleConv,
    TAGConv,
    WLConv,
)
from gnnctl.nn.conv.multi_hop import MultiHop
from gnnctl.nn.conv.normalization import own_degrees
from gnnctl.nn.conv.wl import colour_counts

CASES = [*conv_propagation.CASES, *conv_structure.CASES]
NODES = 24


def graph(loops=True, seed=0):
    draw = torch.Generator().manual_seed(seed)
    coo = torch.randint(0, NODES - 2, (2, 90), generator=draw)
    coo = coo[:, coo[0] != coo[1]]
    return torch.cat([coo, torch.tensor([[1, 5, 9], [1, 5, 9]])], 1) if loops else coo


MULTI_HOP = {case.name: case for case in CASES if isinstance(case.ours(), MultiHop)}


@pytest.mark.parametrize("name", MULTI_HOP)
def test_trimmed_rounds_give_the_rows_of_the_whole_graph(name):
    torch.manual_seed(0)
    layer = MULTI_HOP[name].ours().double().eval()
    coo = graph()
    edges, _ = EdgeIndex.from_coo(coo, NODES)
    x = torch.randn(NODES, WIDTH, dtype=torch.float64)
    degree = own_degrees(edges, None, homogeneous=True, loops=True)
    extra = {"lambda_max": 7.0} if isinstance(layer, ChebConv) else {}
    whole = layer(x, edges, **extra)
    # Nodes that a round still needs, from the last to the first; a round's destinations are its first sources.
    needed = [torch.tensor([4, 11])]
    for _ in range(layer.rounds):
        before = needed[0]
        sources = torch.unique(coo[0, torch.isin(coo[1], before)])
        needed.insert(0, torch.cat([before, sources[~torch.isin(sources, before)]]))
    state = layer.start(x[needed[0]])
    for turn in range(layer.rounds):
        sources, chosen = needed[turn], needed[turn + 1]
        place = torch.full((NODES,), -1)
        place[sources] = torch.arange(len(sources))
        kept = coo[:, torch.isin(coo[1], chosen)]
        part, _ = EdgeIndex.from_coo(place[kept], len(sources), len(chosen))
        target = tuple(rows[: len(chosen)] for rows in state)
        local = degree._replace(
            src=degree.src[sources],
            dst=degree.dst[chosen],
            in_edges=degree.in_edges[chosen],
            src_loop=degree.src_loop[sources],
            dst_loop=degree.dst_loop[chosen],
        )
        state = layer.advance(turn, state, target, part, degree=local, **extra)
    torch.testing.assert_close(layer.finish(state), whole[needed[-1]])


def test_chebyshev_on_an_undirected_graph_is_the_peer_s():
    coo = torch.unique(torch.cat([graph(loops=False), graph(loops=False).flip(0)], 1), dim=1)
    x = torch.randn(NODES, WIDTH)
    for mine, theirs in (("sym", "sym"), ("rw", "rw"), ("none", None)):
        ours, other = ChebConv(WIDTH, 4, terms=3, laplacian=mine), peer.ChebConv(WIDTH, 4, 3, normalization=theirs)
        for k, lin in enumerate(other.lins):
            lin.weight.data = ours.lin.weight.data[4 * k : 4 * k + 4]
        for largest in (None, 3.1):
            expected = other(x, coo, lambda_max=largest)
            torch.testing.assert_close(ours(x, coo, lambda_max=largest), expected, atol=1e-5, rtol=1e-5)
        largest = torch.rand(2) + 2
        batch = torch.arange(NODES) // (NODES // 2)
        expected = other(x, coo, batch=torch.zeros_like(batch), lambda_max=largest[:1])
        torch.testing.assert_close(ours(x, coo, lambda_max=largest[0].expand(NODES)), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours(x, coo, lambda_max=largest[0]), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_what_leaves_a_node_is_its_column_of_the_transition_matrix(weighted):
    edges, _ = EdgeIndex.from_coo(graph(), NODES)
    weight = torch.rand(edges.num_edges) if weighted else None
    layer = PANConv(NODES, NODES, hops=3)
    torch.nn.init.eye_(layer.lin.weight)
    torch.nn.init.zeros_(layer.lin.bias)
    matrix = layer(torch.eye(NODES), edges, weight)
    torch.testing.assert_close(layer.leaving(edges, weight), matrix.sum(0))


@pytest.mark.parametrize("count", [5, 40])
def test_hyperedges_may_be_fewer_or_more_than_nodes(count):
    torch.manual_seed(0)
    coo = torch.stack([torch.randint(0, NODES, (90,)), torch.randint(0, count, (90,))])
    edges, _ = EdgeIndex.from_coo(coo, NODES, count)
    x, attr = torch.randn(NODES, WIDTH), torch.randn(count, WIDTH)
    ours, theirs = (
        HypergraphConv(WIDTH, 4, mode="edge", heads=2),
        peer.HypergraphConv(WIDTH, 4, use_attention=True, attention_mode="edge", heads=2),
    )
    theirs.load_state_dict({n: v.view_as(theirs.state_dict()[n]) for n, v in ours.state_dict().items()})
    torch.testing.assert_close(
        ours(x, edges, hyperedge_attr=attr), theirs(x, coo, hyperedge_attr=attr, num_edges=count)
    )


def test_a_dropout_of_everything_leaves_what_is_not_dropped():
    x, coo = torch.randn(NODES, WIDTH), graph()
    torch.testing.assert_close(APPNP(hops=2, alpha=0.25, dropout=1.0)(x, coo), x * 0.25)
    torch.testing.assert_close(FAConv(WIDTH, eps=0.5, dropout=1.0)(x, coo), x * 0.5)
    attr = torch.randn(NODES, WIDTH)
    layer = HypergraphConv(WIDTH, 4, mode="node", dropout=1.0)
    assert not layer(x, coo, hyperedge_attr=attr).any()
    arma = ARMAConv(WIDTH, 4, dropout=1.0)
    torch.nn.init.zeros_(arma.first_weight)
    assert not arma(x, coo).any()


def test_a_dropout_of_edges_is_drawn_anew_and_keeps_the_mean():
    torch.manual_seed(0)
    x, coo = torch.randn(NODES, WIDTH), graph()
    layer = APPNP(hops=1, alpha=0.1, dropout=0.3)
    draws = torch.stack([layer(x, coo) for _ in range(300)])
    assert draws.std(0).max() > 0.05
    torch.testing.assert_close(draws.mean(0), layer.eval()(x, coo), atol=0.15, rtol=0)


def test_a_node_with_a_loop_gets_no_other():
    x = torch.tensor([[1.0], [2.0]])
    layer = APPNP(hops=1, alpha=0.0)
    assert layer(x, torch.tensor([[0], [0]])).flatten().tolist() == [1, 2]
    assert layer(x, torch.tensor([[0], [0]]), torch.tensor([3.0])).flatten().tolist() == pytest.approx([1, 2])


def test_colours_split_nodes_as_the_peer_s_do():
    coo = graph()
    mine = theirs = torch.arange(NODES) % 2
    other = peer.WLConv()
    for _ in range(3):
        mine, theirs = WLConv()(mine, coo), other(theirs, coo)
        same = mine[:, None] == mine
        assert torch.equal(same, theirs[:, None] == theirs)
    ptr = torch.tensor([0, NODES // 3, NODES])
    batch = torch.repeat_interleave(torch.arange(2), ptr.diff())
    for norm in (False, True):
        counts, expected = colour_counts(mine, ptr, norm=norm), other.histogram(theirs, batch, norm=norm)
        expected = expected[:, expected.any(0)]
        assert counts.dtype == expected.dtype
        torch.testing.assert_close(counts.sort(1)[0], expected.sort(1)[0])


def test_colours_of_a_graph_do_not_depend_on_what_is_beside_it():
    path, cycle = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.tensor([[0, 1, 2], [1, 2, 0]])
    ones = torch.zeros(6, dtype=torch.int64)
    both = WLConv()(ones, torch.cat([path, cycle + 3], 1))
    assert torch.equal(both[3:], WLConv()(ones[:3], cycle))
    assert both.unique().numel() == 3 - 1  # a cycle's node has one neighbour, as the ends of the path have


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGConv(3, 3, hops=0), "at least one round"),
        (lambda: ChebConv(3, 3, terms=1), "at least one round"),
        (lambda: ChebConv(3, 3, terms=2, laplacian="left"), "laplacian"),
        (lambda: GCN2Conv(3, alpha=0.1, theta=0.5), "layer"),
        (lambda: MixHopConv(3, 3, powers=(1, 1)), "powers"),
        (lambda: EGConv(3, 8, aggr="median"), "aggr"),
        (lambda: EGConv(3, 9), "heads"),
        (lambda: GatedGraphConv(3, hops=2, aggr="mean,max"), "aggr"),
        (lambda: HypergraphConv(3, 3, heads=2), "heads"),
        (lambda: HypergraphConv(3, 3, mode="both"), "mode"),
        (lambda: PDNConv(3, 3, edge_channels=1, hidden_channels=2, self_loops=True, normalize=False), "self_loops"),
        (lambda: PANConv(3, 3, hops=0), "hops"),
        (lambda: SimpleConv(own="mean"), "own"),
        (lambda: DNAConv(6, heads=4), "heads must divide 6 channels, got 4"),
        (lambda: DNAConv(6, groups=0), "groups must divide 6 channels, got 0"),
        (lambda: DNAConv(6)(torch.ones(2, 6), torch.tensor([[0], [1]])), "x must be .nodes, layers, channels."),
        (lambda: GeneralConv(3, 3, attention="both"), "attention must be none, additive"),
        (lambda: GeneralConv((3, 4), 3, attention="dot-product"), "ends of one width"),
        (lambda: GeneralConv(3, 3, aggr="mean,max"), "aggr must keep the width"),
    ],
)
def test_options_that_do_not_fit_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_edges_between_different_nodes_are_refused_where_rounds_need_the_same():
    x = torch.randn(4, 3), torch.randn(5, 3)
    coo = torch.tensor([[0, 3], [4, 1]])
    for layer in (SGConv(3, 3, hops=2), TAGConv(3, 3, hops=2)):
        with pytest.raises(ValueError, match="start, advance"):
            layer(x, coo)
    edges, _ = EdgeIndex.from_coo(coo, 4, 5)
    with pytest.raises(ValueError, match="edge_index"):
        DirGNNConv(3, 3, SAGEConv)(x[0], edges)
    with pytest.raises(ValueError, match="edge_index"):
        PANConv(3, 3, hops=2)(x[0], edges)
    with pytest.raises(ValueError, match="degree"):
        SGConv(3, 3)(x, coo)
    with pytest.raises(ValueError, match="lambda_max"):
        layer = ChebConv(3, 3, terms=2, laplacian="none")
        layer(x[0], torch.tensor([[0], [1]]), degree=own_degrees(edges, None, homogeneous=False))
    assert LGConv()(x, coo).shape == (5, 3)


def test_values_that_the_inner_layer_does_not_take_are_named():
    with pytest.raises(ValueError, match="edge_attr"):
        DirGNNConv(3, 3, SAGEConv)(torch.randn(2, 3), torch.tensor([[0], [1]]), edge_attr=torch.ones(1, 2))

"""Layers that pass normalised messages once or several times, without attention."""

import torch
import torch_geometric.nn as peer
from conv_case import WIDTH, ConvCase
from torch import nn

from gnnctl.nn.conv import (
    APPNP,
    ARMAConv,
    ChebConv,
    GatedGraphConv,
    GCN2Conv,
    GraphConv,
    LGConv,
    MixHopConv,
    PropagateConv,
    SGConv,
    SSGConv,
    TAGConv,
)

WEIGHTED = ("edge_weight",)
WIDTHS = (4, 9)  # a result narrower and one wider than x, which take different ways


def matrix_of(coo, count, weight=None):
    """(N, N), destinations by sources."""
    weight = torch.ones(coo.shape[1]) if weight is None else weight
    return torch.zeros(count, count, dtype=weight.dtype).index_put((coo[1], coo[0]), weight, accumulate=True)


def parts(name, count):
    return tuple(f"lins.{k}.{name}" for k in range(count))


def _normalised(matrix):
    degree = matrix.sum(1)
    root = torch.where(degree > 0, degree.clamp(min=1e-9).rsqrt(), 0.0)
    return root[:, None] * matrix * root


def _cheb(layer, x, coo, values):
    adjacency = matrix_of(coo, len(x), values.get("edge_weight"))
    degree, eye = adjacency.sum(1), torch.eye(len(x))
    if layer.laplacian == "sym":
        laplacian, largest = eye - _normalised(adjacency), 2.0
    elif layer.laplacian == "rw":
        laplacian, largest = eye - adjacency * torch.where(degree > 0, 1 / degree.clamp(min=1e-9), 0.0), 2.0
    else:
        laplacian, largest = torch.diag(degree) - adjacency, 2 * degree.max()
    scaled = 2 * laplacian / largest - eye
    terms = [x, scaled @ x]
    for _ in range(layer.rounds - 1):
        terms.append(2 * scaled @ terms[-1] - terms[-2])
    weights = layer.lin.weight.view(len(terms), -1, x.shape[1])
    return sum(t @ w.T for t, w in zip(terms, weights, strict=True)) + layer.bias


def _propagate(layer, x, coo, values):
    coo = coo[:, coo[0] != coo[1]]
    matrix = _normalised(matrix_of(coo, len(x)) + torch.eye(len(x)))
    return 0.9 * matrix @ x + 0.1 * values["x_0"]


CASES = [
    *(
        ConvCase(
            f"graph-{aggr}",
            lambda aggr=aggr: GraphConv(WIDTH, 5, aggr=aggr),
            lambda aggr=aggr: peer.GraphConv(WIDTH, 5, aggr=aggr),
            takes=WEIGHTED,
            names={"lin.weight": "lin_rel.weight", "lin.bias": "lin_rel.bias", "root.weight": "lin_root.weight"},
            pair=(
                lambda aggr=aggr: GraphConv((WIDTH, WIDTH - 2), 5, aggr=aggr),
                lambda aggr=aggr: peer.GraphConv((WIDTH, WIDTH - 2), 5, aggr=aggr),
            ),
        )
        for aggr in ("sum", "max")
    ),
    *(
        ConvCase(
            f"sg-{width}",
            lambda width=width: SGConv(WIDTH, width, hops=2),
            lambda width=width: peer.SGConv(WIDTH, width, K=2),
            takes=WEIGHTED,
        )
        for width in WIDTHS
    ),
    *(
        ConvCase(
            f"ssg-{width}",
            lambda width=width: SSGConv(WIDTH, width, alpha=0.2, hops=3),
            lambda width=width: peer.SSGConv(WIDTH, width, alpha=0.2, K=3),
            takes=WEIGHTED,
        )
        for width in WIDTHS
    ),
    *(
        ConvCase(
            f"tag-{width}",
            lambda width=width: TAGConv(WIDTH, width, hops=3),
            lambda width=width: peer.TAGConv(WIDTH, width, K=3),
            takes=WEIGHTED,
            names={"lin.weight": parts("weight", 4)},
        )
        for width in WIDTHS
    ),
    ConvCase(
        "tag-as-it-is",
        lambda: TAGConv(WIDTH, 4, hops=2, normalize=False, bias=False),
        lambda: peer.TAGConv(WIDTH, 4, K=2, normalize=False, bias=False),
        names={"lin.weight": parts("weight", 3)},
    ),
    *(
        ConvCase(
            f"mixhop-{width}",
            lambda width=width: MixHopConv(WIDTH, width, powers=(2, 0, 3)),
            lambda width=width: peer.MixHopConv(WIDTH, width, powers=[2, 0, 3]),
            takes=WEIGHTED,
            names={"lin.weight": ("lins.3.weight", "lins.2.weight", "lins.0.weight")},
        )
        for width in (2, 7)
    ),
    ConvCase(
        "arma",
        lambda: ARMAConv(WIDTH, 5, stacks=2, hops=3),
        lambda: peer.ARMAConv(WIDTH, 5, num_stacks=2, num_layers=3),
        takes=WEIGHTED,
        names={"first_weight": "init_weight"},
    ),
    ConvCase(
        "arma-shared",
        lambda: ARMAConv(WIDTH, 5, stacks=2, hops=3, shared_weights=True, activation=nn.Tanh()),
        lambda: peer.ARMAConv(WIDTH, 5, num_stacks=2, num_layers=3, shared_weights=True, act=nn.Tanh()),
        takes=WEIGHTED,
        names={"first_weight": "init_weight"},
    ),
    ConvCase(
        "appnp",
        lambda: APPNP(hops=4, alpha=0.1),
        lambda: peer.APPNP(K=4, alpha=0.1),
        takes=WEIGHTED,
    ),
    ConvCase(
        "appnp-as-it-is",
        lambda: APPNP(hops=2, alpha=0.5, normalize=False),
        lambda: peer.APPNP(K=2, alpha=0.5, normalize=False),
        takes=WEIGHTED,
    ),
    ConvCase("propagate", lambda: PropagateConv(alpha=0.1), takes=("x_0",), formula=_propagate),
    ConvCase(
        "gcn2",
        lambda: GCN2Conv(WIDTH, alpha=0.1, theta=0.5, layer=2),
        lambda: peer.GCN2Conv(WIDTH, alpha=0.1, theta=0.5, layer=2),
        takes=("edge_weight", "x_0"),
        names={"weight": "weight1"},
    ),
    ConvCase(
        "gcn2-two-weights",
        lambda: GCN2Conv(WIDTH, alpha=0.3, shared_weights=False),
        lambda: peer.GCN2Conv(WIDTH, alpha=0.3, shared_weights=False),
        takes=("x_0",),
        names={"weight": "weight1", "weight_0": "weight2"},
    ),
    ConvCase("lg", LGConv, peer.LGConv, takes=WEIGHTED),
    *(
        ConvCase(
            f"cheb-{laplacian}-{width}",
            lambda laplacian=laplacian, width=width: ChebConv(WIDTH, width, terms=4, laplacian=laplacian),
            takes=WEIGHTED,
            formula=_cheb,
        )
        for laplacian, width in (("sym", 4), ("sym", 9), ("rw", 4), ("none", 9))
    ),
    *(
        ConvCase(
            f"gated-graph-{aggr}",
            lambda aggr=aggr: GatedGraphConv(WIDTH + 2, hops=2, aggr=aggr),
            lambda aggr=aggr: peer.GatedGraphConv(WIDTH + 2, num_layers=2, aggr=aggr),
            takes=WEIGHTED,
        )
        for aggr in ("sum", "max")
    ),
]

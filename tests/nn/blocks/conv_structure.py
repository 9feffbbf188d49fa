"""Layers that read more of a graph than its edges' weights: direction, sign, degree, hyperedges, colours."""

from functools import partial

import torch
import torch_geometric.nn as peer
from conv_case import EDGE_WIDTH, WIDTH, ConvCase
from conv_propagation import matrix_of
from torch import nn

from gnnctl.nn.conv import (
    AntiSymmetricConv,
    ClusterGCNConv,
    DirGNNConv,
    EGConv,
    FAConv,
    GCNConv,
    HypergraphConv,
    LEConv,
    MFConv,
    PANConv,
    PDNConv,
    SAGEConv,
    SignedConv,
    SimpleConv,
    WLConv,
    WLConvContinuous,
)

WEIGHTED = ("edge_weight",)
KINDS = ("weight", "bias")


class Signed(nn.Module):
    """The peer's layer, given one set of edges."""

    def __init__(self, *args, **options):
        super().__init__()
        self.conv = peer.SignedConv(*args, **options)

    def forward(self, x, edge_index, edge_sign):
        return self.conv(x, edge_index[:, edge_sign > 0], edge_index[:, edge_sign < 0])


class Hypergraph(nn.Module):
    """The peer's layer with our names, and with as many hyperedges as nodes."""

    def __init__(self, *args, **options):
        super().__init__()
        self.conv = peer.HypergraphConv(*args, **options)

    def forward(self, x, edge_index, hyperedge_attr=None):
        return self.conv(x, edge_index, hyperedge_attr=hyperedge_attr, num_edges=len(x))


SIGNED_NAMES = {
    "lin_pos.weight": "conv.lin_pos_l.weight",
    "lin_neg.weight": "conv.lin_neg_l.weight",
    "root_pos.weight": "conv.lin_pos_r.weight",
    "root_pos.bias": "conv.lin_pos_r.bias",
    "root_neg.weight": "conv.lin_neg_r.weight",
    "root_neg.bias": "conv.lin_neg_r.bias",
}
HYPERGRAPH_NAMES = {name: f"conv.{name}" for name in ("lin.weight", "bias", "att")}
LE_NAMES = {
    "lin_src.weight": "lin1.weight",
    "lin_src.bias": "lin1.bias",
    "lin_dst.weight": "lin2.weight",
    "root.weight": "lin3.weight",
    "root.bias": "lin3.bias",
}
MF_NAMES = {
    "weight": tuple(f"lins_l.{d}.weight" for d in range(5)),
    "bias": tuple(f"lins_l.{d}.bias" for d in range(5)),
    "root_weight": tuple(f"lins_r.{d}.weight" for d in range(5)),
}
PDN_NAMES = {f"gate.{i}.{kind}": f"mlp.{i}.{kind}" for i in (0, 2) for kind in KINDS}
EG_NAMES = {"lin.weight": "bases_lin.weight", "combine.weight": "comb_lin.weight", "combine.bias": "comb_lin.bias"}


def _hypergraph(layer, x, coo, values):
    incidence = matrix_of(coo, len(x)).T
    weight = values["hyperedge_weight"]
    size, total = incidence.sum(0), incidence @ weight
    inner = torch.where(size > 0, weight / size.clamp(min=1), 0.0)
    outer = torch.where(total > 0, 1 / total.clamp(min=1e-9), 0.0)
    hidden = x @ layer.lin.weight.T
    return outer[:, None] * (incidence @ (inner[:, None] * (incidence.T @ hidden))) + layer.bias


def _pan(layer, x, coo, values):
    adjacency = matrix_of(coo, len(x), values.get("edge_weight"))
    power, total = torch.eye(len(x)), 0
    for energy in layer.energy:
        total = total + torch.exp(-energy) * power
        power = adjacency @ power
    root = total.sum(1).rsqrt()
    return (root[:, None] * total * root) @ x @ layer.lin.weight.T + layer.lin.bias


_ALL = 2**64 - 1


def _mixed(value):
    value = (value + 0x9E3779B97F4A7C15) & _ALL
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _ALL
    return value ^ (value >> 31)


def _wl(layer, x, coo, values):
    colours = x.argmax(1).tolist()
    sums = [_mixed(c) for c in colours]
    for source, target in coo.T.tolist():
        sums[target] = (sums[target] + _mixed(colours[source] + 0x9E3779B97F4A7C15)) & _ALL
    found = [_mixed(s) for s in sums]
    return torch.tensor([f - 2**64 if f >= 2**63 else f for f in found])


CASES = [
    *(
        ConvCase(
            f"cluster-gcn-{width}",
            lambda width=width: ClusterGCNConv(WIDTH, width, diagonal=0.3),
            lambda width=width: peer.ClusterGCNConv(WIDTH, width, diag_lambda=0.3),
            names={"lin.weight": "lin_out.weight", "lin.bias": "lin_out.bias", "root.weight": "lin_root.weight"},
        )
        for width in (2, 9)
    ),
    ConvCase("simple", SimpleConv, peer.SimpleConv, takes=WEIGHTED, pair=(SimpleConv, peer.SimpleConv)),
    ConvCase(
        "simple-mean-loop",
        lambda: SimpleConv(aggr="mean", own="loop"),
        lambda: peer.SimpleConv(aggr="mean", combine_root="self_loop"),
        takes=WEIGHTED,
        alone=("first",),  # a pair has no loops
    ),
    ConvCase(
        "simple-max-cat",
        lambda: SimpleConv(aggr="max", own="cat"),
        lambda: peer.SimpleConv(aggr="max", combine_root="cat"),
        takes=WEIGHTED,
        pair=(lambda: SimpleConv(aggr="max", own="cat"), lambda: peer.SimpleConv(aggr="max", combine_root="cat")),
    ),
    *(
        ConvCase(
            f"le-{width}",
            lambda width=width: LEConv(WIDTH, width),
            lambda width=width: peer.LEConv(WIDTH, width),
            takes=WEIGHTED,
            names=LE_NAMES,
            pair=(
                lambda width=width: LEConv((WIDTH, WIDTH - 2), width),
                lambda width=width: peer.LEConv((WIDTH, WIDTH - 2), width),
            ),
        )
        for width in (2, 9)
    ),
    ConvCase(
        "pdn",
        lambda: PDNConv(WIDTH, 4, edge_channels=EDGE_WIDTH, hidden_channels=5),
        lambda: peer.PDNConv(WIDTH, 4, EDGE_WIDTH, 5),
        takes=("edge_attr",),
        names=PDN_NAMES,
        alone=(),  # degrees are sums of weights that the layer learns, of the sources' edges too
    ),
    ConvCase(
        "pdn-as-it-is",
        lambda: PDNConv(WIDTH, 9, edge_channels=EDGE_WIDTH, hidden_channels=5, normalize=False, bias=False),
        lambda: peer.PDNConv(WIDTH, 9, EDGE_WIDTH, 5, normalize=False, bias=False),
        takes=("edge_attr",),
        names=PDN_NAMES,
    ),
    *(
        ConvCase(
            f"eg-{aggr}",
            lambda aggr=aggr: EGConv(WIDTH, 8, aggr=aggr, heads=2, bases=3),
            lambda aggr=aggr: peer.EGConv(WIDTH, 8, aggregators=aggr.split(","), num_heads=2, num_bases=3),
            names=EG_NAMES,
            # The peer's variance is a difference of squares, of which little may be left.
            tolerance=1e-4 if "std" in aggr else 1e-5,
        )
        for aggr in ("symnorm", "max,symnorm,sum,min", "symnorm,mean,var", "std,symnorm")
    ),
    ConvCase(
        "eg-without-loops",
        lambda: EGConv(WIDTH, 8, aggr=("mean", "max"), heads=2, bases=3, self_loops=False, bias=False),
        lambda: peer.EGConv(
            WIDTH, 8, aggregators=["mean", "max"], num_heads=2, num_bases=3, add_self_loops=False, bias=False
        ),
        names=EG_NAMES,
    ),
    ConvCase(
        "fa",
        lambda: FAConv(WIDTH, eps=0.3),
        lambda: peer.FAConv(WIDTH, eps=0.3),
        takes=("x_0",),
        names={"att_src.weight": "att_l.weight", "att_dst.weight": "att_r.weight"},
    ),
    ConvCase(
        "fa-as-it-is",
        lambda: FAConv(WIDTH, normalize=False),
        lambda: peer.FAConv(WIDTH, normalize=False),
        takes=("edge_weight", "x_0"),
        names={"att_src.weight": "att_l.weight", "att_dst.weight": "att_r.weight"},
    ),
    ConvCase(
        "mf",
        lambda: MFConv(WIDTH, 5, max_degree=4),
        lambda: peer.MFConv(WIDTH, 5, max_degree=4),
        names=MF_NAMES,
        pair=(
            lambda: MFConv((WIDTH, WIDTH - 2), 5, max_degree=4),
            lambda: peer.MFConv((WIDTH, WIDTH - 2), 5, max_degree=4),
        ),
    ),
    ConvCase("wl", WLConv, formula=_wl, differentiable=False),
    ConvCase("wl-continuous", WLConvContinuous, peer.WLConvContinuous),
    ConvCase("wl-continuous-weighted", WLConvContinuous, peer.WLConvContinuous, takes=WEIGHTED),
    ConvCase(
        "dir-sage",
        lambda: DirGNNConv(WIDTH, 5, partial(SAGEConv, root=False), alpha=0.3),
        lambda: peer.DirGNNConv(peer.SAGEConv(WIDTH, 5, root_weight=False), alpha=0.3),
        names={
            **{
                f"conv_{way}.lin.{kind}": f"conv_{way}.lin_l.{kind}"
                for way in ("in", "out")
                for kind in ("weight", "bias")
            },
            "root.weight": "lin.weight",
            "root.bias": "lin.bias",
        },
        alone=(),  # messages go both ways
    ),
    ConvCase(
        "dir-gcn",
        lambda: DirGNNConv(WIDTH, 5, partial(GCNConv, self_loops=False), root=False),
        lambda: peer.DirGNNConv(peer.GCNConv(WIDTH, 5), root_weight=False),
        alone=(),
    ),
    ConvCase(
        "antisymmetric",
        lambda: AntiSymmetricConv(WIDTH, steps=2),
        lambda: peer.AntiSymmetricConv(WIDTH, num_iters=2),
        takes=WEIGHTED,
        names={"weight": "W", "conv.lin.weight": "phi.lin.weight"},
    ),
    *(
        ConvCase(
            f"signed-{'first' if first else 'later'}",
            lambda first=first: SignedConv(WIDTH if first else WIDTH // 2, 4, first=first),
            lambda first=first: Signed(WIDTH if first else WIDTH // 2, 4, first_aggr=first),
            takes=("edge_sign",),
            names=SIGNED_NAMES,
        )
        for first in (True, False)
    ),
    ConvCase(
        "hypergraph",
        lambda: HypergraphConv(WIDTH, 5),
        lambda: Hypergraph(WIDTH, 5),
        names=HYPERGRAPH_NAMES,
        alone=(),  # its edges lead to hyperedges, and back
    ),
    ConvCase(
        "hypergraph-weighted",
        lambda: HypergraphConv(WIDTH, 5),
        takes=("hyperedge_weight",),
        formula=_hypergraph,
        alone=(),
    ),
    *(
        ConvCase(
            f"hypergraph-{mode}",
            lambda mode=mode, concat=concat: HypergraphConv(WIDTH, 4, mode=mode, heads=2, concat=concat),
            lambda mode=mode, concat=concat: Hypergraph(
                WIDTH, 4, use_attention=True, attention_mode=mode, heads=2, concat=concat
            ),
            takes=("hyperedge_attr",),
            names=HYPERGRAPH_NAMES,
            alone=(),
        )
        for mode, concat in (("node", True), ("edge", False))
    ),
    *(
        ConvCase(
            f"pan-{width}",
            lambda width=width: PANConv(WIDTH, width, hops=3),
            takes=WEIGHTED,
            formula=_pan,
            alone=(),  # the transition matrix is that of the whole graph
        )
        for width in (3, 8)
    ),
]

"""The four layers that the models started with."""

import torch_geometric.nn as peer
from conv_case import EDGE_WIDTH, WIDTH, ConvCase
from torch import nn

from gnnctl.nn.conv import GATConv, GCNConv, GINConv, SAGEConv

SAGE_NAMES = {"lin.weight": "lin_l.weight", "lin.bias": "lin_l.bias", "root.weight": "lin_r.weight"}
GIN_NAMES = {
    "network.weight": "nn.weight",
    "network.bias": "nn.bias",
    "edge_lin.weight": "lin.weight",
    "edge_lin.bias": "lin.bias",
}


def _gin(peer_kind, **options):
    return lambda: peer_kind(nn.Linear(WIDTH, 4), **options)


CASES = [
    *(
        ConvCase(
            f"sage-{aggr}",
            lambda aggr=aggr: SAGEConv(WIDTH, 5, aggr=aggr),
            lambda aggr=aggr: peer.SAGEConv(WIDTH, 5, aggr=aggr),
            names=SAGE_NAMES,
            pair=(
                lambda aggr=aggr: SAGEConv((WIDTH, WIDTH - 2), 5, aggr=aggr),
                lambda aggr=aggr: peer.SAGEConv((WIDTH, WIDTH - 2), 5, aggr=aggr),
            ),
        )
        for aggr in ("mean", "max", "median")
    ),
    ConvCase(
        "sage-multi",
        lambda: SAGEConv(WIDTH, 5, aggr="mean,max,std"),
        lambda: peer.SAGEConv(WIDTH, 5, aggr=["mean", "max", "std"]),
        names=SAGE_NAMES,
    ),
    ConvCase(
        "sage-pool",
        lambda: SAGEConv(WIDTH, 5, aggr="max", project=True, normalize=True),
        lambda: peer.SAGEConv(WIDTH, 5, aggr="max", project=True, normalize=True),
        names=SAGE_NAMES | {f"project.{part}": f"lin.{part}" for part in ("weight", "bias")},
        pair=(
            lambda: SAGEConv((WIDTH, WIDTH - 2), 5, project=True, root=False),
            lambda: peer.SAGEConv((WIDTH, WIDTH - 2), 5, project=True, root_weight=False),
        ),
    ),
    *(
        ConvCase(
            "-".join(["gcn", *theirs]),
            lambda ours=ours: GCNConv(WIDTH, 5, **ours),
            lambda theirs=theirs: peer.GCNConv(WIDTH, 5, **theirs),
            takes=("edge_weight",),
        )
        for ours, theirs in (
            ({}, {}),
            ({"loop_weight": 2.0}, {"improved": True}),
            ({"normalize": False}, {"normalize": False}),
            ({"self_loops": False, "bias": False}, {"add_self_loops": False, "bias": False}),
        )
    ),
    ConvCase(
        "gin",
        lambda: GINConv(nn.Linear(WIDTH, 4), train_eps=True),
        _gin(peer.GINConv, train_eps=True),
        names=GIN_NAMES,
        pair=(lambda: GINConv(nn.Linear(WIDTH, 4), eps=0.3), _gin(peer.GINConv, eps=0.3)),
        pair_width=WIDTH,
    ),
    ConvCase(
        "gin-eps",
        lambda: GINConv(nn.Linear(WIDTH, 4), eps=0.3),
        _gin(peer.GINConv, eps=0.3),
        names=GIN_NAMES,
    ),
    ConvCase(
        "gine",
        lambda: GINConv(nn.Linear(WIDTH, 4), edge_channels=EDGE_WIDTH, in_channels=WIDTH),
        _gin(peer.GINEConv, train_eps=False, edge_dim=EDGE_WIDTH),
        takes=("edge_attr",),
        names=GIN_NAMES,
    ),
    ConvCase(
        "gat",
        lambda: GATConv(WIDTH, 4, heads=2),
        lambda: peer.GATConv(WIDTH, 4, heads=2),
        pair=(
            lambda: GATConv((WIDTH, WIDTH - 2), 4, heads=2, self_loops=False),
            lambda: peer.GATConv((WIDTH, WIDTH - 2), 4, heads=2, add_self_loops=False),
        ),
        pair_names={"lin.weight": "lin_src.weight"},
    ),
    ConvCase(
        "gat-edges-mean-residual",
        lambda: GATConv(WIDTH, 4, heads=2, concat=False, edge_channels=EDGE_WIDTH, residual=True),
        lambda: peer.GATConv(WIDTH, 4, heads=2, concat=False, edge_dim=EDGE_WIDTH, residual=True),
        takes=("edge_attr",),
        names={"edge_lin.weight": "lin_edge.weight"},
    ),
]

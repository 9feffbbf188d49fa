"""Layers that weigh neighbours by attention."""

import torch_geometric.nn as peer
from conv_case import EDGE_WIDTH, WIDTH, ConvCase

from gnnctl.nn.conv import AGNNConv, FeaStConv, GATv2Conv, TransformerConv

GATV2_NAMES = {
    "lin.weight": "lin_l.weight",
    "lin.bias": "lin_l.bias",
    "lin_dst.weight": "lin_r.weight",
    "lin_dst.bias": "lin_r.bias",
    "edge_lin.weight": "lin_edge.weight",
}
TRANSFORMER_NAMES = {
    "lin.weight": "lin_value.weight",
    "lin.bias": "lin_value.bias",
    "root.weight": "lin_skip.weight",
    "root.bias": "lin_skip.bias",
    "edge_lin.weight": "lin_edge.weight",
}
PAIR = WIDTH, WIDTH - 2

CASES = [
    ConvCase(
        "gatv2",
        lambda: GATv2Conv(WIDTH, 4, heads=2, edge_channels=EDGE_WIDTH, residual=True),
        lambda: peer.GATv2Conv(WIDTH, 4, heads=2, edge_dim=EDGE_WIDTH, residual=True),
        takes=("edge_attr",),
        names=GATV2_NAMES,
        loops=False,
        pair=(
            lambda: GATv2Conv(PAIR, 4, heads=2, self_loops=False, edge_channels=EDGE_WIDTH),
            lambda: peer.GATv2Conv(PAIR, 4, heads=2, add_self_loops=False, edge_dim=EDGE_WIDTH),
        ),
    ),
    ConvCase(
        "gatv2-shared-mean",
        lambda: GATv2Conv(WIDTH, 4, heads=2, concat=False, share_weights=True, bias=False),
        lambda: peer.GATv2Conv(WIDTH, 4, heads=2, concat=False, share_weights=True, bias=False),
        names=GATV2_NAMES,
        loops=False,
    ),
    ConvCase(
        "transformer-beta-edges",
        lambda: TransformerConv(WIDTH, 4, heads=2, beta=True, edge_channels=EDGE_WIDTH),
        lambda: peer.TransformerConv(WIDTH, 4, heads=2, beta=True, edge_dim=EDGE_WIDTH),
        takes=("edge_attr",),
        names=TRANSFORMER_NAMES,
        pair=(
            lambda: TransformerConv(PAIR, 4, heads=2, edge_channels=EDGE_WIDTH),
            lambda: peer.TransformerConv(PAIR, 4, heads=2, edge_dim=EDGE_WIDTH),
        ),
    ),
    ConvCase(
        "transformer-mean",
        lambda: TransformerConv(WIDTH, 4, heads=2, concat=False),
        lambda: peer.TransformerConv(WIDTH, 4, heads=2, concat=False),
        names=TRANSFORMER_NAMES,
    ),
    ConvCase("agnn", AGNNConv, peer.AGNNConv, loops=False),
    ConvCase(
        "feast",
        lambda: FeaStConv(WIDTH, 5, heads=3),
        lambda: peer.FeaStConv(WIDTH, 5, heads=3),
        names={"lin_steer.weight": "u.weight", "offset": "c"},
        loops=False,
        pair=(
            lambda: FeaStConv(WIDTH, 5, heads=3, self_loops=False),
            lambda: peer.FeaStConv(WIDTH, 5, heads=3, add_self_loops=False),
        ),
        pair_width=WIDTH,
    ),
]

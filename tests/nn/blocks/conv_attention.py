"""Layers that weigh neighbours by attention."""

import torch_geometric.nn as peer
from conv_case import EDGE_WIDTH, WIDTH, ConvCase
from torch import nn

from gnnctl.nn.conv import AGNNConv, DNAConv, FeaStConv, GATv2Conv, TransformerConv

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
DNA_NAMES = {
    f"layer.{ours}.{part}": f"layer.multi_head.{theirs}.{part}"
    for ours, theirs in {"lin_query": "lin_q", "lin_key": "lin_k", "lin": "lin_v"}.items()
    for part in ("weight", "bias")
}


class OfLayers(nn.Module):
    """A layer over three earlier layers' rows, called with them side by side."""

    inputs = frozenset({"edge_mask", "degree"})

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, edge_index, **values):
        parts = [rows.view(len(rows), 3, WIDTH) for rows in (x if isinstance(x, tuple) else (x,))]
        return self.layer(tuple(parts) if isinstance(x, tuple) else parts[0], edge_index, **values)


def _dna(takes=(), **options):
    renames = {"self_loops": "add_self_loops"}
    return ConvCase(
        "-".join(["dna", *(f"{k}-{v}" for k, v in options.items())]),
        lambda: OfLayers(DNAConv(WIDTH, **options)),
        lambda: OfLayers(peer.DNAConv(WIDTH, **{renames.get(k, k): v for k, v in options.items()})),
        takes=takes,
        names=DNA_NAMES,
        x_width=3 * WIDTH,
    )


CASES = [
    ConvCase(
        "gatv2",
        lambda: GATv2Conv(WIDTH, 4, heads=2, edge_channels=EDGE_WIDTH, residual=True),
        lambda: peer.GATv2Conv(WIDTH, 4, heads=2, edge_dim=EDGE_WIDTH, residual=True),
        takes=("edge_attr",),
        names=GATV2_NAMES,
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
    ConvCase("agnn", AGNNConv, peer.AGNNConv),
    _dna(takes=("edge_weight",), heads=6, groups=2),
    _dna(groups=3, bias=False),
    _dna(heads=2, self_loops=False),
    _dna(takes=("edge_weight",), heads=2, normalize=False),
    ConvCase(
        "feast",
        lambda: FeaStConv(WIDTH, 5, heads=3),
        lambda: peer.FeaStConv(WIDTH, 5, heads=3),
        names={"lin_steer.weight": "u.weight", "offset": "c"},
        pair=(
            lambda: FeaStConv(WIDTH, 5, heads=3, self_loops=False),
            lambda: peer.FeaStConv(WIDTH, 5, heads=3, add_self_loops=False),
        ),
        pair_width=WIDTH,
    ),
]

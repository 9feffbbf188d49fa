"""Convolutions of points and molecules."""

from unittest import mock

import torch
import torch_geometric
import torch_geometric.nn as peer
from conv_case import EDGE_WIDTH, WIDTH, ConvCase
from torch import nn
from torch_geometric.nn.models.attentive_fp import GATEConv as PeerGATEConv
from torch_geometric.nn.models.schnet import CFConv as PeerCFConv

from gnnctl.nn.conv import (
    CFConv,
    DynamicEdgeConv,
    GATEConv,
    GravNetConv,
    PointGNNConv,
    PointNetConv,
    PointTransformerConv,
    PPFConv,
    XConv,
)


def _all_distances(x, y, ptr_x, ptr_y, k, cosine, num_workers):
    graph_x, graph_y = (torch.searchsorted(p, torch.arange(len(v)), right=True) for p, v in ((ptr_x, x), (ptr_y, y)))
    apart = (y[:, None].double() - x[None].double()).square().sum(-1)
    apart[graph_y[:, None] != graph_x[None]] = float("inf")
    near = apart.sort(dim=1, stable=True).indices[:, :k]
    return torch.stack([torch.arange(len(y)).repeat_interleave(k), near.flatten()])


# The search that the peer takes from an extension.
torch.library.define(
    "pyg::knn", "(Tensor x, Tensor y, Tensor? px, Tensor? py, int k, bool cosine, int workers) -> Tensor"
)
torch.library.impl("pyg::knn", "CPU", _all_distances)


class OwnEdges(nn.Module):
    """A layer that finds its edges itself, called like any other."""

    inputs = frozenset()

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, edge_index, batch, **values):
        return self.layer(x, ptr=torch.searchsorted(batch, torch.arange(3)), **values)


class PeersOwnEdges(nn.Module):
    def __init__(self, make):
        super().__init__()
        with mock.patch.object(torch_geometric.typing, "WITH_KNN", True):
            self.layer = make()

    def forward(self, x, edge_index, **values):
        return self.layer(x, **values)


def _cloud_case(name, ours, theirs, names, takes=("batch",), **more):
    return ConvCase(
        name,
        lambda: OwnEdges(ours()),
        lambda: PeersOwnEdges(theirs),
        takes=takes,
        names={f"layer.{a}": f"layer.{b}" for a, b in names.items()},
        alone=(),  # the layer finds the edges among all points
        **more,
    )


def _named(linears):
    return {f"{a}.{p}": f"{b}.{p}" for a, b in linears.items() for p in ("weight", "bias")}


def _batch_norm(mine, other):
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {f"{mine}.{p}": f"{other}.{p}" for p in parts}


X_CONV_NAMES = (
    _named({"lift.0": "mlp1.0", "lift.3": "mlp1.3", "transform.0": "mlp2.0", "transform.4": "mlp2.4"})
    | _named({"transform.8": "mlp2.8", "conv": "conv.0", "lin": "conv.2"})
    | _batch_norm("lift.2", "mlp1.2")
    | _batch_norm("lift.5", "mlp1.5")
    | _batch_norm("transform.2", "mlp2.2")
    | _batch_norm("transform.6", "mlp2.6")
    | _batch_norm("transform.9", "mlp2.9")
)
POINT_NET_NAMES = _named({"local_network": "local_nn", "global_network": "global_nn"})
TRANSFORMER_NAMES = _named({"pos_network": "pos_nn", "attention_network": "attn_nn"}) | {
    "lin_key.weight": "lin_src.weight",
    "lin_query.weight": "lin_dst.weight",
}


def _tie_gate(ours, theirs):
    state = {
        "lin1.weight": torch.cat([ours.lin_node.weight, ours.lin_edge.weight], dim=1),
        "lin2.weight": ours.lin.weight,
        "att_l": ours.att_src[None],
        "att_r": ours.att_dst[None],
        "bias": ours.bias,
    }
    theirs.load_state_dict({n: v.detach() for n, v in state.items()})
    joint, width = theirs.lin1.weight, ours.lin_node.weight.shape[1]
    return [
        (ours.lin_node.weight, joint, lambda g: g[:, :width]),
        (ours.lin_edge.weight, joint, lambda g: g[:, width:]),
        (ours.lin.weight, theirs.lin2.weight),
        (ours.att_src, theirs.att_l),
        (ours.att_dst, theirs.att_r),
        (ours.bias, theirs.bias),
    ]


CASES = [
    *(
        _cloud_case(
            f"dynamic-edge-{aggr}",
            lambda aggr=aggr: DynamicEdgeConv(nn.Linear(2 * WIDTH, 4), 5, aggr=aggr),
            lambda aggr=aggr: peer.DynamicEdgeConv(nn.Linear(2 * WIDTH, 4), 5, aggr=aggr),
            _named({"network": "nn"}),
        )
        for aggr in ("max", "mean")
    ),
    _cloud_case(
        "gravnet",
        lambda: GravNetConv(WIDTH, 5, space_channels=2, propagate_channels=3, k=4),
        lambda: peer.GravNetConv(WIDTH, 5, space_dimensions=2, propagate_dimensions=3, k=4),
        _named({"lin_space": "lin_s", "lin_message": "lin_h", "root": "lin_out1", "lin": "lin_out2"}),
    ),
    _cloud_case(
        "x-conv",
        lambda: XConv(WIDTH, 5, kernel_size=3, hidden_channels=2, dilation=2),
        lambda: peer.XConv(WIDTH, 5, dim=3, kernel_size=3, hidden_channels=2, dilation=2),
        X_CONV_NAMES,
        takes=("batch", "pos"),
        tolerance=5e-5,  # normalised by a batch five times over
    ),
    *(
        ConvCase(
            f"point-net-{loops}",
            lambda loops=loops: PointNetConv(nn.Linear(WIDTH + 3, 4), nn.Linear(4, 5), self_loops=loops),
            lambda loops=loops: peer.PointNetConv(nn.Linear(WIDTH + 3, 4), nn.Linear(4, 5), add_self_loops=loops),
            takes=("pos",),
            names=POINT_NET_NAMES,
            pair=None
            if loops
            else (
                lambda: PointNetConv(nn.Linear(WIDTH + 3, 4), self_loops=False),
                lambda: peer.PointNetConv(nn.Linear(WIDTH + 3, 4), add_self_loops=False),
            ),
        )
        for loops in (True, False)
    ),
    ConvCase(
        "ppf",
        lambda: PPFConv(nn.Linear(WIDTH + 4, 4), nn.Linear(4, 5)),
        lambda: peer.PPFConv(nn.Linear(WIDTH + 4, 4), nn.Linear(4, 5)),
        takes=("pos", "normal"),
        names=POINT_NET_NAMES,
    ),
    ConvCase(
        "point-transformer",
        lambda: PointTransformerConv(WIDTH, 5, attention_network=nn.Linear(5, 5)),
        lambda: peer.PointTransformerConv(WIDTH, 5, attn_nn=nn.Linear(5, 5)),
        takes=("pos",),
        names=TRANSFORMER_NAMES,
        pair=(
            lambda: PointTransformerConv((WIDTH, WIDTH - 2), 5, self_loops=False),
            lambda: peer.PointTransformerConv((WIDTH, WIDTH - 2), 5, add_self_loops=False),
        ),
    ),
    ConvCase(
        "point-gnn",
        lambda: PointGNNConv(nn.Linear(WIDTH, 3), nn.Linear(WIDTH + 3, 4), nn.Linear(4, WIDTH)),
        lambda: peer.PointGNNConv(nn.Linear(WIDTH, 3), nn.Linear(WIDTH + 3, 4), nn.Linear(4, WIDTH)),
        takes=("pos",),
        names=_named({"shift_network": "mlp_h", "edge_network": "mlp_f", "update_network": "mlp_g"}),
    ),
    ConvCase(
        "cf",
        lambda: CFConv(WIDTH, 5, nn.Linear(EDGE_WIDTH, 4), num_filters=4, cutoff=2.0),
        lambda: PeerCFConv(WIDTH, 5, 4, nn.Linear(EDGE_WIDTH, 4), 2.0),
        takes=("edge_length", "edge_attr"),
        renames={"edge_length": "edge_weight"},
        names=_named({"lin_in": "lin1", "lin_out": "lin2", "filter_network": "nn"}),
    ),
    ConvCase(
        "gate",
        lambda: GATEConv(WIDTH, WIDTH, edge_channels=EDGE_WIDTH),
        lambda: PeerGATEConv(WIDTH, WIDTH, EDGE_WIDTH),
        takes=("edge_attr",),
        tie=_tie_gate,
    ),
]

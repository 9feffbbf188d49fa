"""Layers whose messages depend on both ends, or on the features of the edge."""

from functools import partial

import torch
import torch_geometric.nn as peer
from conv_case import EDGE_WIDTH, WIDTH, ConvCase
from torch import nn

from gnnctl.nn.aggr import PowerMeanAggregation, SoftmaxAggregation
from gnnctl.nn.conv import CGConv, EdgeConv, GENConv, GeneralConv, GMMConv, NNConv, PNAConv, ResGatedGraphConv

PAIR = WIDTH, WIDTH - 2
GATED_NAMES = {
    f"{ours}.{part}": f"{theirs}.{part}"
    for ours, theirs in {"lin_dst": "lin_key", "lin_src": "lin_query", "lin": "lin_value", "root": "lin_skip"}.items()
    for part in ("weight", "bias")
}
BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
CG_NAMES = {f"lin_gate.{p}": f"lin_f.{p}" for p in ("weight", "bias")}
CG_NAMES |= {f"lin.{p}": f"lin_s.{p}" for p in ("weight", "bias")}
CG_NAMES |= {f"norm.{p}": f"bn.{p}" for p in BATCH_NORM}
GEN_NAMES = {"edge_lin.weight": "lin_edge.weight", "network.0.weight": "mlp.0.weight"}
GEN_NAMES |= {"network.3.weight": "mlp.4.weight", "network.2.weight": "mlp.3.weight"}
GEN_NAMES |= {f"network.1.{p}": f"mlp.1.{p}" for p in BATCH_NORM}
GEN_NAMES |= {"aggr.t": "aggr_module.t", "aggr.p": "aggr_module.p", "message_norm.scale": "msg_norm.scale"}


def _tie_gmm(ours, theirs):
    pairs = [(ours.mean, theirs.mu), (ours.deviation, theirs.sigma), (ours.bias, theirs.bias)]
    pairs.append((ours.root.weight, theirs.root.weight))
    with torch.no_grad():
        theirs.g.copy_(ours.lin.weight.t())
        for mine, other in pairs:
            other.copy_(mine)
    return [*pairs, (ours.lin.weight, theirs.g, torch.t)]


def _gen(in_channels, learn):
    aggr = PowerMeanAggregation(p=2.0, learn=learn)
    return GENConv(in_channels, WIDTH, aggr=aggr, batch_norm=False, message_norm=True, learn_scale=True)


def _peer_gen(in_channels, learn):
    options = {"norm": None, "msg_norm": True, "learn_msg_scale": True}
    return peer.GENConv(in_channels, WIDTH, aggr="powermean", p=2.0, learn_p=learn, **options)


GEN_POWER_NAMES = GEN_NAMES | {"network.2.weight": "mlp.3.weight"}
DEGREES = torch.tensor([1, 4, 6, 3, 2, 1])


def _network(*widths):
    return nn.Sequential(nn.Linear(widths[0], widths[1]), nn.ReLU(), nn.Linear(widths[1], widths[2]))


def _parts(ours, theirs):
    parts = ("0.weight", "0.bias", "2.weight", "2.bias", "weight", "bias")
    return {f"{ours}.{p}": f"{theirs}.{p}" for p in parts}


NN_NAMES = _parts("network", "nn") | {"root.weight": "lin.weight"}


def _pna_names(towers):
    names = {"edge_lin.weight": "edge_encoder.weight", "edge_lin.bias": "edge_encoder.bias"}
    names |= {"aggr.average": "aggr_module.avg_deg_lin", "aggr.average_log": "aggr_module.avg_deg_log"}
    for t in range(towers):
        names |= _parts(f"pre.{t}", f"pre_nns.{t}") | _parts(f"post.{t}", f"post_nns.{t}")
    return names


AGGRS, SCALERS = ["mean", "min", "max", "std"], ["identity", "amplification", "attenuation", "linear"]

GENERAL_NAMES = {
    f"{ours}.{part}": f"{theirs}.{part}"
    for ours, theirs in {"lin": "lin_msg", "lin_dst": "lin_msg_i", "edge_lin": "lin_edge", "root": "lin_self"}.items()
    for part in ("weight", "bias")
} | {"att": "att_msg"}


def _general(name, *, edges=False, pair=None, **options):
    options |= {"edge_channels": EDGE_WIDTH} if edges else {}
    return ConvCase(
        f"general-{name}",
        lambda: GeneralConv(WIDTH, WIDTH, **options),
        lambda: _peer_general(WIDTH, **options),
        takes=("edge_attr",) if edges else (),
        names=GENERAL_NAMES,
        pair=pair and (lambda: GeneralConv(PAIR, 5, **options), lambda: _peer_general(PAIR, 5, **options)),
    )


def _peer_general(in_channels, out_channels=WIDTH, *, attention="none", **options):
    renames = {"edge_channels": "in_edge_channels", "directed": "directed_msg", "normalize": "l2_normalize"}
    options = {renames.get(k, k): v for k, v in options.items()}
    if attention != "none":
        options |= {"attention": True, "attention_type": attention.replace("-", "_")}
    return peer.GeneralConv(in_channels, out_channels, **options)


CASES = [
    _general("plain", heads=2, skip_linear=True),
    _general("additive", edges=True, heads=2, attention="additive", normalize=True, pair=True),
    _general("dot-product", edges=True, heads=2, attention="dot-product", directed=False, aggr="max"),
    ConvCase(
        "res-gated-edges",
        lambda: ResGatedGraphConv(WIDTH, 5, edge_channels=EDGE_WIDTH),
        lambda: peer.ResGatedGraphConv(WIDTH, 5, edge_dim=EDGE_WIDTH),
        takes=("edge_attr",),
        names=GATED_NAMES,
        pair=(
            lambda: ResGatedGraphConv(PAIR, 5, edge_channels=EDGE_WIDTH),
            lambda: peer.ResGatedGraphConv(PAIR, 5, edge_dim=EDGE_WIDTH),
        ),
    ),
    ConvCase(
        "res-gated",
        lambda: ResGatedGraphConv(WIDTH, 5, root=False, bias=False),
        lambda: peer.ResGatedGraphConv(WIDTH, 5, root_weight=False, bias=False),
        names=GATED_NAMES,
    ),
    ConvCase(
        "cg",
        lambda: CGConv(WIDTH, edge_channels=EDGE_WIDTH, batch_norm=True),
        lambda: peer.CGConv(WIDTH, EDGE_WIDTH, batch_norm=True),
        takes=("edge_attr",),
        names=CG_NAMES,
        pair=(
            lambda: CGConv(PAIR, edge_channels=EDGE_WIDTH),
            lambda: peer.CGConv(PAIR, EDGE_WIDTH),
        ),
    ),
    ConvCase(
        "edge",
        lambda: EdgeConv(_network(2 * WIDTH, 4, 5)),
        lambda: peer.EdgeConv(_network(2 * WIDTH, 4, 5)),
        names=_parts("network", "nn"),
        pair=(lambda: EdgeConv(_network(2 * WIDTH, 4, 5)), lambda: peer.EdgeConv(_network(2 * WIDTH, 4, 5))),
        pair_width=WIDTH,
    ),
    ConvCase(
        "edge-activation-first",
        lambda: EdgeConv(nn.Sequential(nn.Tanh(), nn.Linear(2 * WIDTH, 5)), aggr="mean"),
        lambda: peer.EdgeConv(nn.Sequential(nn.Tanh(), nn.Linear(2 * WIDTH, 5)), aggr="mean"),
        names={"network.1.weight": "nn.1.weight", "network.1.bias": "nn.1.bias"},
        compiles=True,
    ),
    *(
        ConvCase(
            f"nn-{aggr}-{out}",
            lambda aggr=aggr, out=out: NNConv(WIDTH, out, _network(EDGE_WIDTH, 4, WIDTH * out), aggr=aggr),
            lambda aggr=aggr, out=out: peer.NNConv(WIDTH, out, _network(EDGE_WIDTH, 4, WIDTH * out), aggr=aggr),
            takes=("edge_attr",),
            names=NN_NAMES,
            pair=(
                lambda aggr=aggr, out=out: NNConv(PAIR, out, _network(EDGE_WIDTH, 4, WIDTH * out), aggr=aggr),
                lambda aggr=aggr, out=out: peer.NNConv(PAIR, out, _network(EDGE_WIDTH, 4, WIDTH * out), aggr=aggr),
            ),
        )
        for aggr, out in (("sum", 2), ("mean", 40), ("max", 3))
    ),
    ConvCase(
        "pna",
        lambda: PNAConv(WIDTH, 4, aggrs=AGGRS, scalers=SCALERS, degrees=DEGREES, towers=2, pre_layers=2),
        lambda: peer.PNAConv(WIDTH, 4, AGGRS, SCALERS, DEGREES, towers=2, pre_layers=2),
        names=_pna_names(2),
    ),
    ConvCase(
        "pna-edges-divided",
        lambda: PNAConv(
            WIDTH,
            4,
            degrees=DEGREES,
            edge_channels=EDGE_WIDTH,
            towers=2,
            post_layers=2,
            divide_input=True,
            learn_scalers=True,
        ),
        lambda: peer.PNAConv(
            WIDTH,
            4,
            AGGRS,
            SCALERS[:3],
            DEGREES,
            edge_dim=EDGE_WIDTH,
            towers=2,
            post_layers=2,
            divide_input=True,
            train_norm=True,
        ),
        takes=("edge_attr",),
        names=_pna_names(2),
        compiles=True,
    ),
    ConvCase(
        "gmm",
        lambda: GMMConv(WIDTH, 5, edge_channels=EDGE_WIDTH, num_kernels=4),
        lambda: peer.GMMConv(WIDTH, 5, EDGE_WIDTH, 4),
        takes=("edge_attr",),
        tie=_tie_gmm,
        pair=(
            lambda: GMMConv(PAIR, 5, edge_channels=EDGE_WIDTH, num_kernels=4),
            lambda: peer.GMMConv(PAIR, 5, EDGE_WIDTH, 4),
        ),
    ),
    ConvCase(
        "gen-softmax",
        lambda: GENConv(WIDTH, WIDTH, aggr=SoftmaxAggregation(learn=True), edge_channels=EDGE_WIDTH),
        lambda: peer.GENConv(WIDTH, WIDTH, learn_t=True, edge_dim=EDGE_WIDTH),
        takes=("edge_attr",),
        names=GEN_NAMES,
        pair=(
            lambda: GENConv(PAIR, WIDTH + 1, edge_channels=EDGE_WIDTH, num_layers=1),
            lambda: peer.GENConv(PAIR, WIDTH + 1, edge_dim=EDGE_WIDTH, num_layers=1),
        ),
        tolerance=1e-4,  # normalised by a batch
    ),
    *(
        ConvCase(
            f"gen-power-mean-{'learned' if learn else 'fixed'}",
            partial(_gen, WIDTH, learn),
            partial(_peer_gen, WIDTH, learn),
            names=GEN_POWER_NAMES,
            pair=(partial(_gen, PAIR, learn), partial(_peer_gen, PAIR, learn)),
            compiles=learn,
            keeps=("aggr.p",),  # a power near zero has no numbers to compare
        )
        for learn in (False, True)
    ),
]

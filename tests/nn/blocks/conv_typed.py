"""Layers over several relations, and over several types of nodes."""

import torch
import torch_geometric.nn as peer
from conv_case import EDGE_WIDTH, RELATIONS, WIDTH, ConvCase
from torch import nn

from gnnctl.graph import EdgeType
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv import GATConv, HANConv, HEATConv, HeteroConv, HGTConv, RGATConv, RGCNConv, SAGEConv

# -- relations among nodes of one type ---------------------------------------------------------------------------------


class PeerRGCN(nn.Module):
    """The peer's layer, with its own part as a Linear."""

    def __init__(self, in_channels, out_channels, kind=peer.RGCNConv, **options):
        super().__init__()
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.conv = kind(source, out_channels, RELATIONS, root_weight=False, bias=False, **options)
        self.root = nn.Linear(target, out_channels)

    def forward(self, x, edge_index, edge_type):
        return self.conv(x, edge_index, edge_type) + self.root(x[1] if isinstance(x, tuple) else x)


RGCN_NAMES = {"weight": "conv.weight", "comp": "conv.comp", "bias": "root.bias"}


def _rgcn(form, *, kind=peer.RGCNConv, **options):
    return ConvCase(
        "-".join(["rgcn", form, kind.__name__, *(f"{k}-{v}" for k, v in options.items())]),
        lambda: RGCNConv(WIDTH, 4, RELATIONS, form=form, **options),
        lambda: PeerRGCN(WIDTH, 4, kind, **options),
        takes=("edge_type",),
        names=RGCN_NAMES,
        pair=(
            lambda: RGCNConv((WIDTH, WIDTH - 2), 4, RELATIONS, form=form, **options),
            lambda: PeerRGCN((WIDTH, WIDTH - 2), 4, kind, **options),
        ),
    )


class PeerRGAT(peer.RGATConv):
    """The peer's layer without the parameters that its modifier leaves unused."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        if self.mod != "additive":
            del self.w
        if self.mod != "scaled":
            del self.l1, self.b1, self.l2, self.b2


RGAT_NAMES = {
    "comp": "att",
    "edge_lin.weight": "lin_edge.weight",
    "degree_in.weight": "l1",
    "degree_in.bias": "b1",
    "degree_out.bias": "b2",
}
OURS = {"mod": "modifier", "attention_mechanism": "mechanism", "attention_mode": "mode", "edge_dim": "edge_channels"}


def _rgat(**options):
    names = dict(RGAT_NAMES) | ({"weight": "basis"} if "num_bases" in options else {})
    return ConvCase(
        "-".join(["rgat", *(f"{k}-{v}" for k, v in options.items())]),
        lambda: RGATConv(WIDTH, 4, RELATIONS, heads=2, **{OURS.get(k, k): v for k, v in options.items()}),
        lambda: PeerRGAT(WIDTH, 4, RELATIONS, heads=2, **options),
        takes=("edge_type", "edge_attr") if "edge_dim" in options else ("edge_type",),
        names=names,
        tie=_tie_scaled if options.get("mod") == "scaled" else None,
    )


def _tie_scaled(ours, theirs):
    """The peer's second matrix of the degree's network stands transposed."""
    pairs, state = [], dict(theirs.named_parameters())
    for name, value in ours.named_parameters():
        turned = name == "degree_out.weight"
        other = state["l2" if turned else RGAT_NAMES.get(name, name)]
        with torch.no_grad():
            other.copy_(value.T if turned else value.view_as(other))
        pairs.append((value, other, torch.t) if turned else (value, other))
    return pairs


class PeerHEAT(peer.HEATConv):
    """The peer's layer, called as the suite does."""

    def forward(self, x, edge_index, node_type, edge_type, edge_attr):
        return super().forward(x, edge_index, node_type, edge_type, edge_attr)


HEAT_NAMES = {
    "weight": "hetero_lin.weight",
    "bias": "hetero_lin.bias",
    "type_embedding.weight": "edge_type_emb.weight",
    "edge_lin.weight": "edge_attr_emb.weight",
}


def _heat(**options):
    return ConvCase(
        "-".join(["heat", *(f"{k}-{v}" for k, v in options.items())]),
        lambda: HEATConv(WIDTH, 4, 2, RELATIONS, EDGE_WIDTH, type_channels=5, attr_channels=3, heads=2, **options),
        lambda: PeerHEAT(
            WIDTH, 4, 2, RELATIONS, 5, EDGE_WIDTH, 3, heads=2,
            **{{"root": "root_weight"}.get(k, k): v for k, v in options.items()},
        ),
        takes=("node_type", "edge_type", "edge_attr"),
        names=HEAT_NAMES,
    )  # fmt: skip


# -- several types of nodes --------------------------------------------------------------------------------------------

AA, AB, BA = EdgeType("a", "to", "a"), EdgeType("a", "to", "b"), EdgeType("b", "back", "a")
METADATA = ["a", "b"], [AA, AB, BA]


class Typed(nn.Module):
    """A typed layer as one over plain nodes: each is one of type a and, in another light, one of type b."""

    inputs = frozenset({"edge_mask"})

    def __init__(self, layer):
        super().__init__()
        self.wrapped = layer

    def forward(self, x, edge_index, edge_mask=None):
        rows = {"a": x, "b": tuple(part.sin() for part in x) if isinstance(x, tuple) else x.sin()}
        if isinstance(edge_index, torch.Tensor) and isinstance(self.wrapped, HeteroConv | HANConv | HGTConv):
            edge_index, order = EdgeIndex.from_coo(edge_index, x.shape[0])
            edge_mask = None if edge_mask is None else edge_mask[order]
        given = {} if edge_mask is None else {"edge_mask": dict.fromkeys(METADATA[1], edge_mask)}
        out = self.wrapped(rows, dict.fromkeys([AA, AB, BA], edge_index), **given)
        return torch.cat([out["a"], out["b"]], 1)


HAN_NAMES = {
    **{f"wrapped.lins.{t}.{p}": f"wrapped.proj.{t}.{p}" for t in "ab" for p in ("weight", "bias")},
    "wrapped.semantic.weight": "wrapped.k_lin.weight",
    "wrapped.semantic.bias": "wrapped.k_lin.bias",
    "wrapped.query": "wrapped.q",
}


def _tie_han(ours, theirs):
    """The peer keeps vectors by edge type."""
    mine, other, state, pairs = ours.wrapped, theirs.wrapped, dict(theirs.named_parameters()), []
    for name, value in ours.named_parameters():
        partners = (state[HAN_NAMES[name]],) if name in HAN_NAMES else ()
        if value is mine.att_src or value is mine.att_dst:
            by_type = other.lin_src if value is mine.att_src else other.lin_dst
            partners = tuple(by_type[t.key] for t in METADATA[1])
        with torch.no_grad():
            for partner, part in zip(partners, value if len(partners) > 1 else (value,), strict=True):
                partner.copy_(part.view_as(partner))
        pairs.append((value, partners))
    return pairs


def _tie_hgt(ours, theirs):
    """The peer keeps keys, queries and values in one matrix, and relations within heads."""
    mine, other, pairs = ours.wrapped, theirs.wrapped, []
    with torch.no_grad():
        for name in "ab":
            last = mine.outputs[name]
            for kind in ("weight", "bias"):
                key_value, query = getattr(mine.keys[name], kind), getattr(mine.queries[name], kind)
                key, value = key_value.chunk(2)
                joint = getattr(other.kqv_lin.lins[name], kind)
                joint.copy_(torch.cat([key, query, value]))
                pairs.append((key_value, joint, lambda g: torch.cat([g.chunk(3)[0], g.chunk(3)[2]])))
                pairs.append((query, joint, lambda g: g.chunk(3)[1]))
                getattr(other.out_lin.lins[name], kind).copy_(getattr(last, kind))
                pairs.append((getattr(last, kind), getattr(other.out_lin.lins[name], kind)))
            other.skip[name].copy_(mine.gates[name])
            pairs.append((mine.gates[name], other.skip[name]))
        for number, t in enumerate(METADATA[1]):
            other.p_rel[t.key].copy_(mine.prior[number][None])
        pairs.append((mine.prior, tuple(other.p_rel[t.key] for t in METADATA[1])))
        for value, weight in ((mine.key_relation, other.k_rel.weight), (mine.value_relation, other.v_rel.weight)):
            shape = value.transpose(0, 1).shape
            weight.copy_(value.transpose(0, 1).flatten(0, 1))
            pairs.append((value, weight, lambda g, shape=shape: g.view(shape).transpose(0, 1)))
    return pairs


def _hetero(package, aggr, made=Typed):
    ours = package is not peer
    pair = {"self_loops": False} if ours else {"add_self_loops": False}
    convs = {
        AA: package.SAGEConv(WIDTH, 4),
        AB: package.GATConv((WIDTH, WIDTH), 4, **pair),
        BA: package.SAGEConv(WIDTH, 4, aggr="max"),
    }
    return made(package.HeteroConv(convs, aggr=None if aggr == "stack" and not ours else aggr))


class OurPackage:
    SAGEConv, GATConv, HeteroConv = SAGEConv, GATConv, HeteroConv


def _tie_hetero(ours, theirs):
    pairs = []
    renames = {"lin": "lin_l", "root": "lin_r"}
    for t, mine in zip(ours.wrapped.edge_types, ours.wrapped.convs, strict=True):
        other = theirs.wrapped.convs[tuple(t)]
        if isinstance(mine, GATConv):
            renames = {"lin": "lin_src"}
        state = dict(other.named_parameters())
        for name, value in mine.named_parameters():
            head, _, rest = name.partition(".")
            match = state[".".join(filter(None, [renames.get(head, head), rest]))]
            with torch.no_grad():
                match.copy_(value.view_as(match))
            pairs.append((value, match))
        renames = {"lin": "lin_l", "root": "lin_r"}
    return pairs


CASES = [
    *(_rgcn(form) for form in ("auto", "loop", "stacked", "grouped")),
    *(_rgcn(form, num_blocks=2) for form in ("loop", "stacked", "grouped")),
    _rgcn("auto", num_bases=3),
    _rgcn("grouped", aggr="max"),
    _rgcn("stacked", aggr="sum"),
    _rgcn("auto", kind=peer.FastRGCNConv, num_bases=2, aggr="sum"),
    _rgat(),
    _rgat(mod="additive", num_bases=3),
    _rgat(mod="scaled", num_blocks=2),
    _rgat(mod="f-additive", attention_mechanism="within-relation"),
    _rgat(mod="f-scaled", edge_dim=EDGE_WIDTH, concat=False),
    _rgat(attention_mode="multiplicative-self-attention", dim=3, edge_dim=EDGE_WIDTH),
    _heat(),
    _heat(concat=False, root=False, bias=False),
    ConvCase(
        "han",
        lambda: Typed(HANConv(WIDTH, 4, METADATA, heads=2)),
        lambda: Typed(peer.HANConv(WIDTH, 4, METADATA, heads=2)),
        tie=_tie_han,
        alone=(),  # relations are weighed by means over all nodes
    ),
    *(
        ConvCase(
            f"hgt-{width}",
            lambda width=width: Typed(HGTConv(WIDTH, width, METADATA, heads=2)),
            lambda width=width: Typed(peer.HGTConv(WIDTH, width, METADATA, heads=2)),
            tie=_tie_hgt,
            alone=("pair",),  # one tensor of a type would not say how many of it are destinations
        )
        for width in (4, WIDTH)
    ),
    *(
        ConvCase(
            f"hetero-{aggr}",
            lambda aggr=aggr: _hetero(OurPackage, aggr),
            lambda aggr=aggr: _hetero(peer, aggr),
            tie=_tie_hetero,
            alone=("pair",),
        )
        for aggr in ("sum", "mean", "min", "max", "cat", "stack")
    ),
]

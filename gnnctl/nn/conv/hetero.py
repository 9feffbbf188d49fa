"""A convolution of its own for each edge type."""

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType
from gnnctl.nn.message_passing import MessagePassing, Pair
from gnnctl.nn.typed import EdgeTypeLike, edge_type_of, source_of, target_of

Group = Literal["sum", "mean", "min", "max", "mul", "cat", "stack"]


def group(outs: list[Tensor], aggr: Group) -> Tensor:
    """One tensor of a destination type's results, one from each relation; ``stack`` keeps them apart, (D, R, ...)."""
    if aggr == "stack":
        return torch.stack(outs, dim=1)
    if len(outs) == 1:
        return outs[0]
    if aggr == "cat":
        return torch.cat(outs, dim=-1)
    out = outs[0]
    for other in outs[1:]:
        if aggr in ("sum", "mean"):
            out = out + other
        elif aggr == "mul":
            out = out * other
        else:
            out = torch.minimum(out, other) if aggr == "min" else torch.maximum(out, other)
    return out / len(outs) if aggr == "mean" else out


class HeteroConv(nn.Module):
    r"""A convolution per edge type, their results grouped at each destination type.

    .. math:: h_i = \bigoplus_{(s, r, d): d = \tau(i)} \mathrm{conv}_{srd}(x_s, x_d)_i

    As in "Modeling Relational Data with Graph Convolutional Networks" (Schlichtkrull et al., 2018), for any layers.

    Args:
        convs: by edge type, a triple or ``"src rel dst"``; a layer for different ends must not add self-loops.
        aggr: sum, mean, min, max, mul, cat, or stack for (D, relations, ...).

    Raises:
        ValueError: no layers, an unknown ``aggr``, or self-loops between different node types.
    """

    def __init__(self, convs: Mapping[EdgeTypeLike, nn.Module], aggr: Group = "sum") -> None:
        super().__init__()
        if aggr not in get_args(Group):
            raise ValueError(f"aggr must be one of {', '.join(get_args(Group))}, got {aggr!r}")
        if not convs:
            raise ValueError("convs names no edge type")
        self.aggr: Group = aggr
        self.edge_types = [edge_type_of(t) for t in convs]
        for t, conv in zip(self.edge_types, convs.values(), strict=True):
            if t.src != t.dst and getattr(conv, "self_loops", False):
                raise ValueError(f"{type(conv).__name__} for '{t}' adds self-loops: pass self_loops=False")
        self.convs = nn.ModuleList(convs.values())

    def reset_parameters(self) -> None:
        """Draw the weights of every layer anew."""
        for conv in self.convs:
            cast(Any, conv).reset_parameters()

    def forward(
        self,
        x: Mapping[str, Pair],
        edge_index: Mapping[EdgeType, EdgeIndex] | Mapping[EdgeTypeLike, EdgeIndex | Tensor],
        **values: Mapping[Any, Any],
    ) -> dict[str, Tensor]:
        """By node type (D, ...), of those that some edge type with edges here leads to.

        Args:
            x: by node type rows, or (source rows, destination rows).
            edge_index: by edge type; those missing, or without rows at an end, take no part.
            values: more arguments of the layers, by edge type: ``edge_weight``, ``edge_attr``, ``edge_mask``...
        """
        by_type = {edge_type_of(t): edges for t, edges in edge_index.items()}
        more = {name: {edge_type_of(t): v for t, v in found.items()} for name, found in values.items()}
        outs: dict[str, list[Tensor]] = {}
        for t, conv in zip(self.edge_types, self.convs, strict=True):
            if t not in by_type or t.src not in x or t.dst not in x:
                continue
            rows: Pair = source_of(x, t.src), target_of(x, t.dst)
            if t.src == t.dst and isinstance(x[t.src], Tensor):
                rows = x[t.src]  # the same nodes: a layer may treat them as such
            given = {name: found[t] for name, found in more.items() if found.get(t) is not None}
            if isinstance(conv, MessagePassing):
                given = {name: value for name, value in given.items() if name in conv.inputs}
            outs.setdefault(t.dst, []).append(conv(rows, edge_index=by_type[t], **given))
        return {name: group(found, self.aggr) for name, found in outs.items()}

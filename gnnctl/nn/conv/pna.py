"""Principal neighbourhood aggregation."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import AggregationLike, DegreeScalerAggregation, MultiAggregation
from gnnctl.nn.aggr.degree_scaler import Scaler
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src


class PNAConv(MessagePassing):
    r"""The layer of "Principal Neighbourhood Aggregation for Graph Nets" (Corso et al., 2020).

    .. math::
        h_i = W \, \Vert_t \, U_t \left[ x_i, \; \mathrm{scalers}(n_i) \otimes
            \mathrm{aggrs}_{j \to i} \, M_t [x_i, x_j, W_e e_{ji}] \right]

    with towers t side by side, each with perceptrons M and U of its own. The first layer of M is applied to nodes and
    to edges by themselves; all aggregations of a message are made in one pass.

    Shapes: x (S, in) or ((S, in), (D, in)); edge_attr (E, edge_channels); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        aggrs: the aggregations; see :func:`gnnctl.nn.aggr.aggregation`.
        scalers: see :class:`~gnnctl.nn.aggr.DegreeScalerAggregation`.
        degrees: (K,) integers, how many destinations of the training graph have 0, 1, ... K - 1 in-edges.
        edge_channels: width of edge features that take part; 0 for none.
        towers: number of towers; divides ``out_channels``.
        pre_layers: linear layers of M.
        post_layers: linear layers of U.
        divide_input: whether each tower sees its own part of x; ``towers`` then divides ``in_channels`` too.
        learn_scalers: whether the average degrees are parameters.

    Raises:
        ValueError: towers that do not divide the widths, no layers, or edge features that are missing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        aggrs: Sequence[AggregationLike] = ("mean", "min", "max", "std"),
        scalers: Sequence[Scaler] = ("identity", "amplification", "attenuation"),
        degrees: Tensor,
        edge_channels: int = 0,
        towers: int = 1,
        pre_layers: int = 1,
        post_layers: int = 1,
        divide_input: bool = False,
        learn_scalers: bool = False,
    ) -> None:
        scaled = DegreeScalerAggregation(MultiAggregation(aggrs), scalers, degrees, learn=learn_scalers)
        super().__init__(scaled)
        if out_channels % towers or (divide_input and in_channels % towers):
            raise ValueError(f"{towers} towers do not divide widths {in_channels} and {out_channels}")
        if pre_layers < 1 or post_layers < 1:
            raise ValueError(f"pre_layers and post_layers must be at least 1, got {pre_layers} and {post_layers}")
        self.towers, self.divide_input, self.edge_channels = towers, divide_input, edge_channels
        self.width = width = in_channels // towers if divide_input else in_channels
        self.edge_lin = nn.Linear(edge_channels, width) if edge_channels else None
        parts = 3 if edge_channels else 2
        seen = scaled.channels(width) + width
        self.pre = nn.ModuleList(_perceptron(parts * width, width, pre_layers) for _ in range(towers))
        self.post = nn.ModuleList(_perceptron(seen, out_channels // towers, post_layers) for _ in range(towers))
        self.lin = nn.Linear(out_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.aggr.reset_parameters()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()

    def forward(
        self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None, edge_attr: Tensor | None = None
    ) -> Tensor:
        """(D, out_channels)."""
        source, target = (self._of_towers(end) for end in ends(x, edge_index.num_dst))
        firsts = [cast(nn.Linear, cast(nn.Sequential, tower)[0]) for tower in self.pre]
        weight = torch.stack([first.weight for first in firsts])
        own = torch.einsum("ntf,tof->nto", target, weight[..., : self.width])
        own = own + torch.stack([first.bias for first in firsts])
        other = torch.einsum("ntf,tof->nto", source, weight[..., self.width : 2 * self.width])
        messages = gather_dst(edge_index, own) + gather_src(edge_index, other)
        if self.edge_lin is not None:
            if edge_attr is None:
                raise ValueError(f"edge_attr is missing: the layer was made for {self.edge_channels} edge features")
            messages = messages + torch.einsum("ef,tof->eto", self.edge_lin(edge_attr), weight[..., 2 * self.width :])
        rest = [cast(nn.Sequential, cast(nn.Sequential, tower)[1:]) for tower in self.pre]
        if len(rest[0]):
            messages = torch.stack([tower(messages[:, t]) for t, tower in enumerate(rest)], dim=1)
        messages = messages if edge_mask is None else messages * edge_mask[:, None, None]
        seen = torch.cat([target, self.aggregate(messages, edge_index)], dim=-1)
        out: Tensor = self.lin(torch.cat([tower(seen[:, t]) for t, tower in enumerate(self.post)], dim=-1))
        return out

    def _of_towers(self, x: Tensor) -> Tensor:
        if self.divide_input:
            return x.view(-1, self.towers, self.width)
        return x[:, None].expand(-1, self.towers, -1)


def _perceptron(in_channels: int, out_channels: int, layers: int) -> nn.Sequential:
    modules: list[nn.Module] = [nn.Linear(in_channels, out_channels)]
    for _ in range(layers - 1):
        modules += [nn.ReLU(), nn.Linear(out_channels, out_channels)]
    return nn.Sequential(*modules)

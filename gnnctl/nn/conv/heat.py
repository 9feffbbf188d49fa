"""Heterogeneous edge-enhanced attention."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.dropout import dropout
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import attention, segment_matmul, segment_reduce, spmm

NodeTypes = Tensor | tuple[Tensor, Tensor]


class HEATConv(MessagePassing):
    r"""The layer of "Heterogeneous Edge-Enhanced Graph Attention Network For Multi-Agent Trajectory Prediction"
    (Mo et al., 2021).

    .. math::
        \alpha_{ji} = \mathrm{softmax}_{j \to i} \, \mathrm{LeakyReLU} \left(
            a^\top [h_i, h_j, \sigma(t_{ji}), \sigma(U e_{ji})] \right), \quad
        h'_i = h_i + \sum_{j \to i} \alpha_{ji} (V [h_j, \sigma(U e_{ji})] + b), \quad h_i = W_{\tau(i)} x_i

    with :math:`t` an embedding of the edge's type, :math:`\tau` the node's type and :math:`\sigma` a leaky ReLU.

    Shapes: x (S, in) or ((S, in), (D, in)); node_type (S,) integers, or a pair of those; edge_type (E,) integers;
    edge_attr (E, edge_channels); result (D, heads * out), or (D, out) where heads are averaged.

    Args:
        in_channels: width of x.
        out_channels: width of the result, of each head.
        num_node_types: how many there are.
        num_relations: types of edges.
        edge_channels: width of edge features.
        type_channels: width of the embedding of an edge's type.
        attr_channels: width of the projected edge features.
        heads: of the attention.
        concat: heads side by side, or their average.
        negative_slope: of the leaky ReLUs.
        dropout: of the coefficients, in training.
        root: whether the destination's own features are added.
        bias: whether there are biases.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_node_types: int,
        num_relations: int,
        edge_channels: int,
        *,
        type_channels: int = 16,
        attr_channels: int = 16,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        root: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        self.num_node_types, self.out_channels = num_node_types, out_channels
        self.heads, self.concat, self.root = heads, concat, root
        self.negative_slope, self.dropout = negative_slope, dropout
        self.weight = nn.Parameter(torch.empty(num_node_types, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(num_node_types, out_channels)) if bias else None
        self.type_embedding = nn.Embedding(num_relations, type_channels)
        self.edge_lin = nn.Linear(edge_channels, attr_channels, bias=False)
        self.att = nn.Linear(2 * out_channels + type_channels + attr_channels, heads, bias=False)
        self.lin = nn.Linear(out_channels + attr_channels, out_channels, bias=bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        glorot_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        for module in (self.type_embedding, self.edge_lin, self.att, self.lin):
            module.reset_parameters()

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        node_type: NodeTypes,
        edge_type: Tensor,
        edge_attr: Tensor,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
    ) -> Tensor:
        """(D, heads * out_channels), or (D, out_channels). Edge weights scale the messages."""
        if isinstance(x, tuple):
            types = node_type if isinstance(node_type, tuple) else (node_type, node_type[: edge_index.num_dst])
            source, target = self._projected(x[0], types[0]), self._projected(x[1], types[1])
        else:
            if isinstance(node_type, tuple):
                node_type = node_type[0]
            source, target = ends(self._projected(x, node_type), edge_index.num_dst)
        slope = self.negative_slope
        attr = nn.functional.leaky_relu(self.edge_lin(edge_attr), slope)
        kinds = nn.functional.leaky_relu(self.type_embedding.weight, slope)
        widths = [self.out_channels, self.out_channels, kinds.shape[1], attr.shape[1]]
        at_dst, at_src, at_type, at_edge = torch.split(self.att.weight, widths, dim=1)
        score = nn.functional.linear(attr, at_edge) + nn.functional.linear(kinds, at_type)[edge_type]
        linear = nn.functional.linear
        alpha = attention(edge_index, linear(source, at_src), linear(target, at_dst), score, slope)
        alpha = dropout(alpha, self.dropout, self.training)
        for factor in (edge_weight, edge_mask):
            alpha = alpha if factor is None else alpha * factor[:, None]
        # The coefficients are summed with either part of the message before their product with V.
        of_src, of_edge = torch.split(self.lin.weight, widths[::3], dim=1)
        rows = linear(source, of_src, self.lin.bias)
        alpha = alpha.to(rows.dtype)
        out = spmm(edge_index, rows[:, None].expand(-1, self.heads, -1).contiguous(), alpha)
        summed = segment_reduce(edge_index.colptr, alpha[:, :, None] * attr[:, None], "sum")
        out = out + linear(summed, of_edge)
        if self.root:
            out = out + target[:, None]
        return out.flatten(1) if self.concat else out.mean(1)

    def _projected(self, x: Tensor, node_type: Tensor) -> Tensor:
        """Each row times the matrix of its type."""
        count = x.shape[0]
        places = torch.stack([torch.arange(count, device=x.device), node_type.long()])
        by_type, order = EdgeIndex.from_coo(places, count, self.num_node_types)
        rows = segment_matmul(x[order], by_type.colptr, self.weight, self.bias)
        return torch.empty_like(rows).index_copy(0, order, rows)

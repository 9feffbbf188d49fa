"""Attention over bonds."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.dropout import dropout
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import edge_softmax, gather_dst, gather_src, spmm


class GATEConv(MessagePassing):
    r"""The first layer of "Pushing the Boundaries of Molecular Representation for Drug Discovery with the Graph
    Attention Mechanism" (Xiong et al., 2020): attention whose coefficients see the edge features.

    .. math::
        h_i = \sum_{j \to i} \alpha_{ji} V x_j + b, \quad \alpha_{ji} = \mathrm{softmax}_{j \to i} \,
            \mathrm{LeakyReLU} \left( a^\top \mathrm{LeakyReLU}(W [x_j, e_{ji}]) + c^\top x_i \right)

    Shapes: x (S, in) or ((S, in), (D, in)); edge_attr (E, edge_channels); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result.
        edge_channels: width of the edge features.
        dropout: of the coefficients, in training.
    """

    def __init__(self, in_channels: int, out_channels: int, *, edge_channels: int, dropout: float = 0.0) -> None:
        super().__init__("sum")
        self.dropout = dropout
        self.lin_node = nn.Linear(in_channels, out_channels, bias=False)
        self.lin_edge = nn.Linear(edge_channels, out_channels, bias=False)
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.att_src = nn.Parameter(torch.empty(out_channels))
        self.att_dst = nn.Parameter(torch.empty(in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot; W as one matrix)."""
        rows, nodes = self.lin_node.weight.shape
        bound = (6.0 / (rows + nodes + self.lin_edge.in_features)) ** 0.5
        for linear in (self.lin_node, self.lin_edge):
            nn.init.uniform_(linear.weight, -bound, bound)
        nn.init.xavier_uniform_(self.lin.weight)
        for vector in (self.att_src, self.att_dst):
            nn.init.xavier_uniform_(vector[None])
        nn.init.zeros_(self.bias)

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_attr: Tensor, edge_mask: Tensor | None = None) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        hidden = gather_src(edge_index, self.lin_node(source)) + self.lin_edge(edge_attr)
        score = nn.functional.leaky_relu(hidden) @ self.att_src
        score = score + gather_dst(edge_index, (target @ self.att_dst)[:, None])[:, 0]
        alpha = edge_softmax(edge_index, nn.functional.leaky_relu(score))
        alpha = dropout(alpha, self.dropout, self.training)
        alpha = alpha if edge_mask is None else alpha * edge_mask
        return spmm(edge_index, self.lin(source), alpha.to(source.dtype)) + self.bias

"""Attention by cosine similarity."""

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.loops import looped
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import edge_softmax, sddmm, spmm


class AGNNConv(MessagePassing):
    r"""The propagation of "Attention-based Graph Neural Network for Semi-supervised Learning" (Thekumparampil et al.,
    2018).

    .. math:: h_i = \sum_{j \to i} \alpha_{ji} x_j, \quad \alpha_{ji} = \mathrm{softmax}_{j \to i} \beta \cos(x_i, x_j)

    Shapes: x (S, F) or ((S, F), (D, F)); result (D, F).

    Args:
        learn: whether beta is learned, from 1; else it stays 1.
        self_loops: whether a node attends to itself too (sources and destinations being the same nodes). The loop
            replaces those that the graph has.
    """

    def __init__(self, *, learn: bool = True, self_loops: bool = True) -> None:
        super().__init__("sum")
        self.self_loops = self.adds_loops = self_loops
        self.beta = nn.Parameter(torch.ones(1)) if learn else None

    def reset_parameters(self) -> None:
        """Back to beta 1."""
        if self.beta is not None:
            nn.init.ones_(self.beta)

    def forward(self, x: Pair, edge_index: EdgeIndex, edge_mask: Tensor | None = None) -> Tensor:
        """(D, F)."""
        source, target = ends(x, edge_index.num_dst)
        loops = looped(edge_index) if self.self_loops else None
        if loops is not None:
            edge_index, edge_mask = loops.edge_index, loops.values(edge_mask)
        unit = nn.functional.normalize(source, dim=-1)
        own = nn.functional.normalize(target, dim=-1) if isinstance(x, tuple) else unit[: edge_index.num_dst]
        score = sddmm(edge_index, own, unit)
        score = score if self.beta is None else score * self.beta
        alpha = edge_softmax(edge_index, score if loops is None else loops.scores(score))
        alpha = alpha if edge_mask is None else alpha * edge_mask
        return spmm(edge_index, source, alpha.to(source.dtype))

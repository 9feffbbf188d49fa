"""PairNorm."""

import torch
from torch import Tensor, nn

from gnnctl.nn.norm.graphs import graph_mean, to_nodes


class PairNorm(nn.Module):
    r"""The layer of "PairNorm: Tackling Oversmoothing in GNNs" (Zhao and Akoglu, 2020).

    .. math:: s \, \frac{y_i}{\sqrt{\epsilon + \frac{1}{n} \sum_j \|y_j\|^2}}, \quad y = x - \mathrm{E}[x]

    in each graph of n nodes; ``individually``, each node by its own length: :math:`s \, y_i / (\epsilon + \|y_i\|)`.

    Shapes: x (N, F); ptr (B + 1,); result (N, F).

    Args:
        scale: s.
        individually: see above.
        eps: added to what divides.
    """

    def __init__(self, scale: float = 1.0, individually: bool = False, eps: float = 1e-5) -> None:
        super().__init__()
        self.scale, self.individually, self.eps = scale, individually, eps

    def forward(self, x: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(N, F) of nodes of graphs ``ptr[b]:ptr[b + 1]``, or of one graph."""
        centred = x - to_nodes(graph_mean(x, ptr), ptr, x.shape[0])
        if self.individually:
            lengths: Tensor = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
            return self.scale * centred / (self.eps + lengths)
        spread = graph_mean(centred.square().sum(1, keepdim=True), ptr)
        return self.scale * centred * to_nodes((self.eps + spread).rsqrt(), ptr, x.shape[0])

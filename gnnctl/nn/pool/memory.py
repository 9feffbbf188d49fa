"""Memory based pooling."""

import torch
from torch import Tensor, nn


class MemPooling(nn.Module):
    r"""The pooling of "Memory-Based Graph Networks" (Khasahmadi et al., 2020).

    .. math::
        C^{(h)}_{ik} \propto \left( 1 + \|x_i - q^{(h)}_k\|^2 / \tau \right)^{-(\tau + 1) / 2}, \quad
        S = \mathrm{softmax} \left( \sum_h \gamma_h C^{(h)} \right), \quad X' = S^\top X W

    Args:
        in_channels: F, width of x.
        out_channels: width of the result.
        heads: H, of the memory keys q.
        num_clusters: K.
        tau: of Student's t distribution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, heads: int, num_clusters: int, tau: float = 1.0) -> None:
        super().__init__()
        self.tau = tau
        self.keys = nn.Parameter(torch.empty(heads, num_clusters, in_channels))
        self.mix = nn.Parameter(torch.empty(heads))
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the keys and how the heads are mixed anew."""
        nn.init.uniform_(self.keys, -1.0, 1.0)
        bound = self.mix.shape[0] ** -0.5
        nn.init.uniform_(self.mix, -bound, bound)
        self.lin.reset_parameters()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Pool x (B, N, F), of which ``mask`` (B, N) bool says what is there.

        Returns:
            (B, K, out_channels), and the assignment (B, N, K).
        """
        heads, clusters, _ = self.keys.shape
        apart = torch.cdist(x, self.keys.flatten(0, 1)).square()  # (B, N, H * K)
        apart = apart.view(*x.shape[:2], heads, clusters).transpose(1, 2)
        near = (1.0 + apart / self.tau) ** (-(self.tau + 1.0) / 2.0)
        near = near / near.sum(-1, keepdim=True)
        assignment = torch.einsum("bhnk,h->bnk", near, self.mix).softmax(-1)
        if mask is not None:
            assignment = assignment * mask[:, :, None].to(x.dtype)
        out: Tensor = self.lin(assignment.transpose(1, 2) @ x)
        return out, assignment

    @staticmethod
    def clustering_loss(assignment: Tensor) -> Tensor:
        """The divergence of the assignment (B, N, K) from its own squares, which are surer: unsupervised training.

        :math:`\\sum P \\ln(P / S) / B`, P the squares divided by the cluster's size and then by the node's sum.
        """
        target = assignment.square() / assignment.sum(1, keepdim=True)
        total = target.sum(2, keepdim=True)
        missing = assignment.sum(2, keepdim=True) == 0
        target = target / torch.where(missing, torch.ones_like(total), total)
        return nn.functional.kl_div(assignment.clamp(1e-15).log(), target.clamp(1e-15), reduction="batchmean")

"""A decoder that learns how the two ends fit together."""

from torch import Tensor, nn

from gnnctl.nn.decoders.base import Decoder


class MLPDecoder(Decoder):
    r""":math:`w^\top \mathrm{relu}(W_s s + W_d d + b) + c`; edge types are not told apart.

    Args:
        hidden: width of the layer between; ``channels`` where it is None.
    """

    def __init__(self, channels: int, *, hidden: int | None = None) -> None:
        super().__init__(channels)
        width = channels if hidden is None else hidden
        if width < 1:
            raise ValueError(f"hidden must be at least 1, got {hidden}")
        self.src = nn.Linear(channels, width)
        self.dst = nn.Linear(channels, width, bias=False)
        self.out = nn.Linear(width, 1)
        self.scratch = 2 * width + 1

    def forward(self, src: Tensor, dst: Tensor, relation: Tensor | None = None) -> Tensor:
        """(n,)."""
        scores: Tensor = self.out((self.src(src) + self.dst(dst)).relu())
        return scores.squeeze(-1)

    def against_all(
        self, ends: Tensor, candidates: Tensor, relation: Tensor | None = None, *, candidate_is_src: bool = False
    ) -> Tensor:
        """(n, m); takes memory for n x m x hidden numbers."""
        mine, theirs = (self.dst, self.src) if candidate_is_src else (self.src, self.dst)
        scores: Tensor = self.out((mine(ends)[:, None] + theirs(candidates)[None]).relu())
        return scores.squeeze(-1)

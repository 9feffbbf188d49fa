"""Efficient graph convolution."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import adjacency, times
from gnnctl.nn.message_passing import MessagePassing, Pair, ends, masked
from gnnctl.nn.ops import Reduce, multi_aggregate

_NAMES = ("symnorm", "sum", "mean", "min", "max", "var", "std")
# What is computed along the edges for each, before the node's own row joins.
_NEEDED: dict[str, tuple[Reduce, ...]] = {
    "symnorm": (),
    "sum": ("sum",),
    "mean": ("mean",),
    "min": ("min",),
    "max": ("max",),
    "var": ("mean", "var"),
    "std": ("mean", "var"),
}


class EGConv(MessagePassing):
    r"""The layer of "Do We Need Anisotropic Graph Neural Networks?" (Tailor et al., 2022), EGC.

    .. math::
        h_i = \Big\Vert_{k=1}^{H} \sum_{\oplus \in A} \sum_{b=1}^B c_{i,k,\oplus,b}
        \bigoplus_{j \in N(i) \cup \{i\}} W_b x_j, \quad c_i = C x_i + c

    Every node weighs the aggregated bases by itself; all aggregations of all bases are one pass over the edges (and
    one for symnorm, GCN's). The node's own row joins the aggregated ones afterwards, so that no loop is made of it; a
    node that the graph gives a loop keeps that one. std is the root of the variance, of at least 1e-5.

    Shapes: x (S, in) or ((S, in), (D, in)); edge_weight (E,); result (D, out).

    Args:
        in_channels: width of x.
        out_channels: width of the result, a multiple of heads.
        aggr: names among symnorm, sum, mean, min, max, var and std, with commas between, or a sequence of them.
        heads: H.
        bases: B.
        self_loops: whether a node takes part in its own aggregation.
        bias: whether there is a bias.

    Raises:
        ValueError: an unknown or repeated aggregation, or out_channels is no multiple of heads.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        aggr: str | Sequence[str] = "symnorm",
        heads: int = 8,
        bases: int = 4,
        self_loops: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__("sum")
        names = [name.strip() for name in aggr.split(",")] if isinstance(aggr, str) else list(aggr)
        if out_channels % heads:
            raise ValueError(f"out_channels must be a multiple of the {heads} heads, got {out_channels}")
        if not names or len(set(names)) < len(names) or set(names) - set(_NAMES):
            raise ValueError(f"aggr must be different ones of {', '.join(_NAMES)}, got {', '.join(names)}")
        self.names, self.heads, self.bases, self.self_loops = names, heads, bases, self_loops
        self.width = out_channels // heads
        self.reduces: tuple[Reduce, ...] = tuple(dict.fromkeys(r for name in names for r in _NEEDED[name]))
        self.lin = nn.Linear(in_channels, bases * self.width, bias=False)
        self.combine = nn.Linear(in_channels, heads * len(names) * bases)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot; the coefficients' as torch.nn.Linear does)."""
        nn.init.xavier_uniform_(self.lin.weight)
        self.combine.reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
    ) -> Tensor:
        """(D, out_channels); ``degree`` None takes the edges for the whole graph."""
        source, target = ends(x, edge_index.num_dst)
        bases = self.lin(source)
        own = self.lin(target) if isinstance(x, tuple) else bases[: edge_index.num_dst]
        found: dict[str, Tensor] = {}
        if self.reduces:
            together = multi_aggregate(edge_index, bases, masked(edge_weight, edge_mask), self.reduces)
            found = dict(zip(self.reduces, together.unbind(1), strict=True))
            if self.self_loops:
                added = self._added(x, edge_index, degree)
                found = _joined(found, own.to(together.dtype), edge_index.in_degree(), added)
        if "symnorm" in self.names:
            matrix = adjacency(x, edge_index, edge_weight, edge_mask, degree, self_loops=self.self_loops)
            found["symnorm"] = times(matrix, bases, own)
        if "std" in self.names:
            found["std"] = found["var"].clamp(min=1e-5).sqrt()
        rows = torch.cat([found[name] for name in self.names], 1)
        rows = rows.view(rows.shape[0], len(self.names) * self.bases, self.width)
        weights = self.combine(target).view(rows.shape[0], self.heads, rows.shape[1])
        out = torch.bmm(weights.to(rows.dtype), rows).flatten(1)
        return out if self.bias is None else out + self.bias

    def _added(self, x: Pair, edge_index: EdgeIndex, degree: Degrees | None) -> Tensor | None:
        """(D,) 1 where the node's own row joins; None for everywhere."""
        flags = None
        if degree is not None:
            flags = degree.dst_loop
        elif not isinstance(x, tuple):
            flags = edge_index.loop_flags()
        return None if flags is None else 1 - flags


def _joined(found: dict[str, Tensor], own: Tensor, count: Tensor, added: Tensor | None) -> dict[str, Tensor]:
    """The reductions of ``count`` rows, and of one row more where ``added`` is 1."""
    n = count.to(own.dtype)[:, None]
    more = torch.ones_like(n) if added is None else added.to(own.dtype)[:, None]
    total = (n + more).clamp(min=1)
    out: dict[str, Tensor] = {}
    for name, rows in found.items():
        if name == "sum":
            out[name] = rows + more * own
        elif name == "mean":
            out[name] = rows + (own - rows) * (more / total)
        elif name == "var":
            # Squared differences from the common mean, from those from the mean of the n rows (Chan et al., 1979).
            out[name] = (n * rows + (own - found["mean"]).square() * (n * more / total)) / total
        else:
            nearest = torch.minimum(rows, own) if name == "min" else torch.maximum(rows, own)
            out[name] = torch.where(more > 0, torch.where(n > 0, nearest, own), rows)
    return out

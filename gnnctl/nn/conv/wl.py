"""Weisfeiler-Lehman refinement of colours."""

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.message_passing import MessagePassing, Pair

# Odd constants of splitmix64 (Steele et al., 2014), as signed numbers.
_STEP, _FIRST, _SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


class WLConv(MessagePassing):
    r"""One round of "A Reduction of a Graph to a Canonical Form and an Algebra Arising During this Reduction"
    (Weisfeiler and Lehman, 1968): a node's new colour stands for its colour and the multiset of its neighbours'.

    .. math:: c'_i = \mathrm{mix} \left( \mathrm{mix}(c_i) + \sum_{j \to i} \mathrm{mix}(c_j + s) \right)

    Colours are 64-bit numbers: mix is a bijection of them, and sums wrap round. The same neighbourhood has the same
    colour in every graph, batch and process; different ones meet by chance, among n colours with a probability of about
    :math:`n^2 / 2^{65}`. (torch-geometric numbers colours as they come, which is the same up to their names.)

    Shapes: x (S,) integers, or (S, F) of which the largest column is the colour (one-hot rows), or a pair of either;
    result (D,) int64.
    """

    def __init__(self) -> None:
        super().__init__("sum")

    @torch.no_grad()
    def forward(self, x: Pair, edge_index: EdgeIndex) -> Tensor:
        """(D,) int64 colours."""
        source, target = (_colours(part) for part in (x if isinstance(x, tuple) else (x, x[: edge_index.num_dst])))
        messages = _mixed(source + _STEP).index_select(0, edge_index.row)
        own = _mixed(target)
        return _mixed(own.index_add(0, edge_index.col(), messages))


def colour_counts(colours: Tensor, ptr: Tensor, *, norm: bool = False) -> Tensor:
    """How often each graph has each colour: the features of the Weisfeiler-Lehman kernel.

    Args:
        colours: (N,) integers, of the nodes of G graphs.
        ptr: (G + 1,) int64; graph g has the nodes ``ptr[g]:ptr[g + 1]``.
        norm: divide each graph's row by its Euclidean length, in float32.

    Returns:
        (G, C) int64, or float32 with ``norm``, for the C different colours in ascending order.
    """
    names, index = torch.unique(colours, return_inverse=True)
    graphs = torch.repeat_interleave(torch.arange(ptr.shape[0] - 1, device=ptr.device), torch.diff(ptr))
    counts = torch.zeros(ptr.shape[0] - 1, names.shape[0], dtype=torch.int64, device=colours.device)
    counts = counts.index_put((graphs, index), torch.ones_like(index), accumulate=True)
    return torch.nn.functional.normalize(counts.to(torch.float32)) if norm else counts


def _colours(x: Tensor) -> Tensor:
    return x.argmax(-1) if x.dim() == 2 else x.to(torch.int64)


def _mixed(value: Tensor) -> Tensor:
    """The finalizer of splitmix64; shifts are logical."""
    value = value + _STEP
    value = (value ^ _shifted(value, 30)) * _FIRST
    value = (value ^ _shifted(value, 27)) * _SECOND
    return value ^ _shifted(value, 31)


def _shifted(value: Tensor, bits: int) -> Tensor:
    return (value >> bits) & ((1 << (64 - bits)) - 1)

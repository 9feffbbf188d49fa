"""The base of layers that pass messages along edges."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import Reduce, gather_dst, gather_src, segment_reduce, spmm

# What layers take as node features: one tensor where sources and destinations are the same nodes, else both.
Pair = Tensor | tuple[Tensor, Tensor]


class MessagePassing(nn.Module):
    """Computes ``update(aggregate(message(...)))`` for every destination.

    A layer overrides :meth:`message`; its parameters say what it is given, looked at once, at construction. A name
    ending in ``_j`` is the source's row, one in ``_i`` the destination's; any other is passed as it is (a tensor over
    edges, usually). A layer that keeps this class's message (``x_j``, times the edge's weight where there is one)
    takes the fused path: no message is ever materialised.

    Args:
        aggr: how the messages of a destination become one.
    """

    def __init__(self, aggr: Reduce = "sum") -> None:
        super().__init__()
        if aggr not in ("sum", "mean", "max", "min"):
            raise ValueError(f"aggr must be sum, mean, max or min, got {aggr!r}")
        self.aggr: Reduce = aggr
        self.fused = type(self).message is MessagePassing.message and type(self).aggregate is MessagePassing.aggregate
        self._message_names = [] if self.fused else list(inspect.signature(self.message).parameters)
        self._update_names = list(inspect.signature(self.update).parameters)[1:]

    def propagate(
        self,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        **values: Any,
    ) -> Tensor:
        """Pass messages along all edges.

        Args:
            edge_index: E edges from S sources to D destinations.
            edge_weight: (E,) given to the message.
            edge_mask: (E,) multiplies every message (explanations).
            values: by name what the message and the update ask for; node values as a tensor or a (source, destination)
                pair of tensors.

        Returns:
            (D, ...).
        """
        if self.fused:
            x = _end(values["x"], 0)
            out = spmm(edge_index, x, masked(edge_weight, edge_mask), self.aggr)
        else:
            given = {"edge_weight": edge_weight, **values}
            messages = self.message(**{n: _lift(n, given, edge_index) for n in self._message_names})
            if edge_mask is not None:
                messages = messages * edge_mask.view(-1, *[1] * (messages.dim() - 1))
            out = self.aggregate(messages, edge_index)
        return self.update(out, **{n: _lift(n, values, edge_index) for n in self._update_names})

    def message(self, x_j: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """What travels along each edge, (E, ...)."""
        return x_j if edge_weight is None else x_j * edge_weight.view(-1, *[1] * (x_j.dim() - 1))

    def aggregate(self, messages: Tensor, edge_index: EdgeIndex) -> Tensor:
        """(D, ...) from (E, ...) messages."""
        return segment_reduce(edge_index.colptr, messages, self.aggr)

    def update(self, out: Tensor) -> Tensor:
        """What the layer returns of its aggregated messages."""
        return out


def masked(edge_weight: Tensor | None, edge_mask: Tensor | None) -> Tensor | None:
    """Weight times mask, where either may be missing."""
    if edge_weight is None or edge_mask is None:
        return edge_weight if edge_mask is None else edge_mask
    return edge_weight * edge_mask


def ends(x: Pair, num_dst: int) -> tuple[Tensor, Tensor]:
    """(source rows, destination rows); destinations are the first of the sources where one tensor is given."""
    return x if isinstance(x, tuple) else (x, x[:num_dst])


def project_first(edge_index: EdgeIndex, x: Tensor, out_channels: int) -> bool:
    """Whether to multiply by the weights before a linear aggregation, or after it: whichever costs less.

    Counts multiply-adds, an element that is aggregated as four (it is bound by memory), the backward pass included.
    """
    in_channels = x.shape[-1]
    if torch.compiler.is_compiling():  # sizes must not decide: every change of mind would compile anew
        return out_channels < in_channels
    product = in_channels * out_channels
    passes = 2 if x.requires_grad and torch.is_grad_enabled() else 1
    after = edge_index.num_dst * product + 4 * edge_index.num_edges * in_channels * passes
    before = edge_index.num_src * product + 8 * edge_index.num_edges * out_channels
    return before < after


def _end(value: Pair | None, side: int) -> Tensor:
    if value is None:
        raise ValueError("a message asks for node values that were not given")
    return value[side] if isinstance(value, tuple) else value


def _lift(name: str, values: dict[str, Any], edge_index: EdgeIndex) -> Any:
    if name.endswith("_j"):
        return gather_src(edge_index, _end(values.get(name[:-2]), 0))
    if name.endswith("_i"):
        value = values.get(name[:-2])
        if not isinstance(value, tuple) and value is not None:
            value = value[: edge_index.num_dst]
        return gather_dst(edge_index, _end(value, 1))
    if name not in values:
        raise ValueError(f"a message asks for {name!r}, which was not given")
    return values[name]

"""The base of layers that pass messages along edges."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr import Aggregation, AggregationLike, aggregation
from gnnctl.nn.lazy import LazyLayer
from gnnctl.nn.ops import gather_dst, gather_src

# What layers take as node features: one tensor where sources and destinations are the same nodes, else both.
Pair = Tensor | tuple[Tensor, Tensor]


class MessagePassing(nn.Module, metaclass=LazyLayer):
    """Computes ``update(aggregate(message(...)))`` for every destination.

    A layer overrides :meth:`message`; its parameters say what it is given, looked at once, at construction. A name
    ending in ``_j`` is the source's row, one in ``_i`` the destination's; any other is passed as it is (a tensor over
    edges, usually). A layer that keeps this class's message (``x_j``, times the edge's weight where there is one)
    takes the fused path: no message is ever materialised, and the numbers are the same.

    Its ``forward`` takes the node features first, or whatever has a row for each node, then ``edge_index``, then what
    it needs, by the names of :class:`~gnnctl.nn.models.layer.LayerEdges`: ``edge_weight`` (E,), ``edge_attr`` (E, F),
    ``edge_mask`` (E,) that multiplies every message (explanations), ``degree``. A plain (2, E) tensor of sources over
    destinations may stand for the :class:`~gnnctl.graph.edge_index.EdgeIndex`: it is sorted at each call, and with it
    every argument called ``edge_...``, which must be in its order.

    An ``in_channels`` of -1 is taken from the first call; see :class:`~gnnctl.nn.lazy.LazyLayer`.

    Args:
        aggr: how the messages of a destination become one; see :func:`gnnctl.nn.aggr.aggregation`.

    Attributes:
        inputs: names of what ``forward`` takes beside its first argument and ``edge_index``.
        adds_loops: whether it runs over ``edge_index.with_self_loops()``, which a loader may then prepare.
    """

    adds_loops: bool = False

    def __init__(self, aggr: AggregationLike = "sum") -> None:
        super().__init__()
        self.aggr: Aggregation = aggregation(aggr)
        kind = type(self)
        self.fused = kind.message is MessagePassing.message and kind.aggregate is MessagePassing.aggregate
        self._message_names = [] if self.fused else list(inspect.signature(self.message).parameters)
        self._update_names = list(inspect.signature(self.update).parameters)[1:]
        parameters = list(inspect.signature(self.forward).parameters)
        self._place = parameters.index("edge_index") if "edge_index" in parameters else -1
        self._parameters_in_order = parameters
        self.inputs = frozenset(parameters[1:]) - {"edge_index"}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward``, after sorting the edges where they come as a plain tensor."""
        given = kwargs.get("edge_index", args[self._place] if 0 <= self._place < len(args) else None)
        if isinstance(given, Tensor):
            args, kwargs = self._sorted(given, args, kwargs)
        return super().__call__(*args, **kwargs)

    def _sorted(
        self, coo: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        values = dict(zip(self._parameters_in_order, args, strict=False)) | kwargs
        nodes = next((values[n] for n in self._parameters_in_order[: self._place] if values.get(n) is not None), None)
        if nodes is None:
            raise ValueError("edge_index: a plain tensor of edges needs node values before it")
        num_src, num_dst = (n.shape[0] for n in (nodes if isinstance(nodes, tuple) else (nodes, nodes)))
        edges, order = EdgeIndex.from_coo(coo, num_src, num_dst)
        for name, value in values.items():
            if name.startswith("edge_") and name != "edge_index" and isinstance(value, Tensor):
                values[name] = value.index_select(0, order)
        values["edge_index"] = edges
        return (), values

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
                pair of tensors, or None.

        Returns:
            (D, ...).
        """
        if self.fused:
            x = _end(values["x"], 0)
            out = self.aggr.along(edge_index, x, masked(edge_weight, edge_mask))
        else:
            given = {"edge_weight": edge_weight, "edge_index": edge_index, **values}
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
        out: Tensor = self.aggr(messages, edge_index.colptr)
        return out

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


def _end(value: Pair, side: int) -> Tensor:
    return value[side] if isinstance(value, tuple) else value


def _lift(name: str, values: dict[str, Any], edge_index: EdgeIndex) -> Any:
    lifted = name.endswith(("_i", "_j"))
    key = name[:-2] if lifted else name
    if key not in values:
        raise ValueError(f"a message asks for {key!r}, which was not given")
    value = values[key]
    if value is None or not lifted:
        return value
    if name.endswith("_j"):
        return gather_src(edge_index, _end(value, 0))
    return gather_dst(edge_index, value[1] if isinstance(value, tuple) else value[: edge_index.num_dst])

"""Aggregations scaled by how many rows there were."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.resolve import AggregationLike, aggregation

Scaler = Literal["identity", "amplification", "attenuation", "linear", "inverse_linear"]


class DegreeScalerAggregation(Aggregation):
    r"""Of "Principal Neighbourhood Aggregation for Graph Nets" (Corso et al., 2020): scaled results side by side.

    Of n rows, with :math:`\bar n` and :math:`\delta` the averages of n and of log(n + 1) over the training graph:
    identity 1, amplification :math:`\log(n + 1) / \delta`, attenuation :math:`\delta / \log(n + 1)`, linear
    :math:`n / \bar n`, inverse_linear :math:`\bar n / n`; where n divides, it is at least 1.

    Shapes: values (E, ...); result (D, ..., scalers * channels), the aggregations of each scaler together.

    Args:
        aggr: what is scaled; see :func:`gnnctl.nn.aggr.aggregation`.
        scalers: in which ways.
        degrees: (K,) integers, how many destinations of the training graph have 0, 1, ... K - 1 rows.
        learn: whether the averages are parameters that start there.

    Raises:
        ValueError: no or an unknown scaler, or a histogram of nothing.
    """

    average: Tensor
    average_log: Tensor

    def __init__(
        self, aggr: AggregationLike, scalers: Sequence[Scaler], degrees: Tensor, *, learn: bool = False
    ) -> None:
        super().__init__()
        if not scalers or any(name not in _SCALES for name in scalers):
            raise ValueError(f"scalers must be among {', '.join(get_args(Scaler))}, got {list(scalers)}")
        self.aggr, self.scalers = aggregation(aggr), tuple(scalers)
        self.initial = _averages(degrees)
        for name in ("average", "average_log"):
            if learn:
                self.register_parameter(name, nn.Parameter(torch.empty(1)))
            else:
                self.register_buffer(name, torch.empty(1))
        self._set_averages()

    def forward(self, values: Tensor, ptr: Tensor) -> Tensor:
        """(D, ..., channels(F)) of (E, ..., F) rows."""
        return self._scaled(self.aggr(values, ptr), ptr)

    def along(self, edge_index: EdgeIndex, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """As :meth:`Aggregation.along`, in the way of the aggregation that is scaled."""
        return self._scaled(self.aggr.along(edge_index, x, weight), edge_index.colptr)

    def _scaled(self, out: Tensor, ptr: Tensor) -> Tensor:
        count = torch.diff(ptr).to(out.dtype).view(-1, *[1] * (out.dim() - 1))
        average, average_log = self.average.to(out.dtype), self.average_log.to(out.dtype)
        return torch.cat([_SCALES[name](out, count, average, average_log) for name in self.scalers], dim=-1)

    def fit(self, degrees: Tensor) -> None:
        """Take the averages of another graph.

        Args:
            degrees: (K,) integers, how many destinations have 0, 1, ... K - 1 rows.

        Raises:
            ValueError: a histogram of nothing.
        """
        self.initial = _averages(degrees)
        self._set_averages()

    def _set_averages(self) -> None:
        with torch.no_grad():
            self.average.fill_(self.initial[0])
            self.average_log.fill_(self.initial[1])

    def channels(self, in_channels: int) -> int:
        """The aggregation's width, times the scalers."""
        return self.aggr.channels(in_channels) * len(self.scalers)

    def reset_parameters(self) -> None:
        """Back to the graph's averages; the aggregation's weights are drawn anew."""
        self._set_averages()
        self.aggr.reset_parameters()


def _averages(degrees: Tensor) -> tuple[float, float]:
    """Of the number of rows n, and of log(n + 1)."""
    total = float(degrees.sum())
    if total <= 0:
        raise ValueError("degrees counts no destination")
    bins = torch.arange(degrees.numel(), dtype=torch.float64)
    counts = degrees.to(torch.float64)
    return float(bins @ counts) / total, float((bins + 1).log() @ counts) / total


# (out, number of rows, average number, average logarithm) -> scaled
_SCALES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "identity": lambda out, count, average, average_log: out,
    "amplification": lambda out, count, average, average_log: out * ((count + 1).log() / average_log),
    "attenuation": lambda out, count, average, average_log: out * (average_log / (count.clamp(min=1) + 1).log()),
    "linear": lambda out, count, average, average_log: out * (count / average),
    "inverse_linear": lambda out, count, average, average_log: out * (average / count.clamp(min=1)),
}

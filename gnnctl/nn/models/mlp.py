"""The baseline that looks at a node's own features only."""

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.linear import Linear
from gnnctl.nn.models.encoder import RowNorm, activation_of
from gnnctl.nn.models.options import ModelOptions


class MLP(nn.Module):
    """A multilayer perceptron over the target type's features; of its ``layers`` all but the last are hidden.

    Raises:
        UsageError: the target type is unknown, or has no features.
    """

    exact_layers = True
    needs_degree = False
    num_layers = 0

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__()
        if node_type not in schema.nodes:
            raise UsageError(f"the graph has no node type '{node_type}'", fix=f"it has {', '.join(schema.nodes)}")
        features = schema.nodes[node_type].features
        if not features:
            raise UsageError(f"an mlp needs features, {node_type} has none", fix="choose another model")
        self.node_type = node_type
        self.out_channels = out_channels
        self.options = options
        widths = [features, *[options.hidden] * (options.layers - 1)]
        parts: list[nn.Module] = [Dropout(options.input_dropout or 0.0)]
        for before, after in pairwise(widths):
            parts += [
                Linear(before, after),
                RowNorm(options.norm, after),
                activation_of(options.activation or "relu"),
            ]
            parts.append(Dropout(options.dropout))
        self.hidden = nn.Sequential(*parts)
        self.output = Linear(widths[-1], out_channels)

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the first Linear."""
        first = "hidden.1." if self.options.layers > 1 else "output."
        return [name for name, _ in self.named_parameters() if name.startswith(first)]

    def prepare(self, batch: Batch) -> Batch:
        """Nothing to prepare; returns the batch."""
        return batch

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, out_channels) logits; edges play no part."""
        return self.head(batch.seeds_of(self.encode(batch.x, batch.node_id)[self.node_type]))

    def encode(self, x: Mapping[str, Tensor | None], node_id: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(n, hidden) of the target type's features."""
        features = x.get(self.node_type)
        return {} if features is None else {self.node_type: self.hidden(features)}

    def head(self, h: Tensor) -> Tensor:
        """(n, out_channels) logits."""
        out: Tensor = self.output(h)
        return out

"""A model of one's own: each message is let through by a gate that looks at both ends of the edge.

gnnctl train run/split -o run/gated --model gated:Gated --hidden 64 --layers 2 --num-neighbors 10,5
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Batch
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn import MessagePassing


class GatedConv(MessagePassing):
    """sum over edges j -> i of sigmoid(a . h_i + b . h_j) * W h_j; result (D, channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__("sum")
        self.value = nn.Linear(channels, channels, bias=False)
        self.gate_target = nn.Linear(channels, 1)
        self.gate_source = nn.Linear(channels, 1, bias=False)

    def forward(self, source: Tensor, target: Tensor, edge_index: EdgeIndex, mask: Tensor | None) -> Tensor:
        """source (S, channels), target (D, channels), mask (E,) or None."""
        gates = (self.gate_source(source), self.gate_target(target))
        return self.propagate(edge_index, edge_mask=mask, value=(self.value(source), target), gate=gates)

    # What a message is given follows from its parameters, so every layer's differ from the base class's.
    def message(self, value_j: Tensor, gate_j: Tensor, gate_i: Tensor) -> Tensor:  # type: ignore[override]
        """(E, channels): what reaches the destination along each edge."""
        return torch.sigmoid(gate_i + gate_j) * value_j


class Gated(nn.Module):
    """What `--model gated:Gated` builds: gnnctl passes the four arguments by name."""

    def __init__(self, *, schema: GraphSchema, node_type: str, out_channels: int, options: Any) -> None:
        super().__init__()
        self.node_type = node_type
        self.num_layers = options.layers  # how many hops prediction and explanation need
        self.schema = schema
        self.first = nn.ModuleDict(
            {
                name: nn.Linear(node.features, options.hidden)
                if node.features
                else nn.Embedding(node.num_nodes, options.hidden)
                for name, node in schema.nodes.items()
            }
        )
        self.rounds = nn.ModuleDict(
            {f"{i}:{t.key}": GatedConv(options.hidden) for i in range(options.layers) for t in schema.edges}
        )
        self.norms = nn.ModuleList(nn.LayerNorm(options.hidden) for _ in range(options.layers))
        self.dropout = nn.Dropout(options.dropout)
        self.last = nn.Linear(options.hidden, out_channels)

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, out_channels) logits; `edge_mask` multiplies the messages, which is how explanations work."""
        mask = edge_mask or {}
        h = {}
        for name, layer in self.first.items():
            given = batch.x[name] if self.schema.nodes[name].features else batch.node_id[name]
            assert given is not None
            h[name] = torch.relu(layer(given))
        for i, norm in enumerate(self.norms):
            arrived = dict(h)
            for t, edges in batch.edge_index.items():
                conv = self.rounds[f"{i}:{t.key}"]
                arrived[t.dst] = arrived[t.dst] + conv(h[t.src], h[t.dst], edges, mask.get(t))
            h = {name: self.dropout(torch.relu(norm(value))) for name, value in arrived.items()}
        logits: Tensor = self.last(batch.seeds_of(h[self.node_type]))
        return logits

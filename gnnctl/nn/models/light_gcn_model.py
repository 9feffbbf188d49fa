"""LightGCN over a graph of users, items and whatever else."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.spreading import Spreading
from gnnctl.nn.typed import module_name


class LightGCNModel(nn.Module):
    r"""The encoder of :class:`~gnnctl.nn.models.LightGCN`, over nodes and edges of all types.

    .. math:: z = \frac{1}{L + 1} \sum_{l=0}^L (D^{-1/2} A D^{-1/2})^l E

    Features play no part. A node that the graph did not have begins from zeros: what it gets is its neighbours'.

    Args:
        options: ``layers`` is L; ``hidden`` is not used, the vectors are ``out_channels`` wide.
        schema: whose edges between two node types lead both ways.
        node_type: whose nodes get vectors.
        out_channels: width of the vectors.
        towards: all node types whose vectors are wanted, where those are several.

    Raises:
        UsageError: edges of one direction, along which nothing would come back.
    """

    whole_graph = True
    needs_degree = False

    def __init__(
        self,
        options: ModelOptions,
        schema: GraphSchema,
        node_type: str,
        out_channels: int,
        towards: Sequence[str] = (),
    ) -> None:
        super().__init__()
        for t in schema.edges:
            if t.src != t.dst and not any((back.src, back.dst) == (t.dst, t.src) for back in schema.edges):
                problem = f"--model lightgcn: no edges lead back from {t.dst} to {t.src}"
                raise UsageError(problem, fix=f"ingest '{t}' with reverse = true")
        self.node_type, self.out_channels, self.num_layers = node_type, out_channels, options.layers
        self.towards = list(towards or [node_type])
        self.own = nn.ModuleDict(
            {module_name(name): nn.Embedding(node.num_nodes, out_channels) for name, node in schema.nodes.items()}
        )
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)

    def first_parameters(self) -> list[str]:
        """Names of all vectors."""
        return [name for name, _ in self.named_parameters()]

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, out_channels); ``edge_mask`` by edge type (E,) multiplies what an edge carries."""
        return batch.seeds_of(self.representations(batch, edge_mask)[self.node_type])

    def representations(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> dict[str, Tensor]:
        """By node type of ``towards`` (N, out_channels) of all nodes of a whole graph."""
        spread = Spreading(batch.edge_index, batch.edge_weight, edge_mask)
        h = {name: self._rows(name, ids) for name, ids in batch.node_id.items()}
        total = {name: h[name] for name in self.towards}
        for _ in range(self.num_layers):
            h = spread(h)
            total = {name: values + h[name] for name, values in total.items()}
        return {name: values / (self.num_layers + 1) for name, values in total.items()}

    def _rows(self, node_type: str, node_id: Tensor) -> Tensor:
        table = cast(nn.Embedding, self.own[module_name(node_type)]).weight
        known = (node_id >= 0) & (node_id < len(table))
        return table.index_select(0, torch.where(known, node_id, 0)) * known[:, None].to(table.dtype)

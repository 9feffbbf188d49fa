"""Label propagation as a model: it remembers the labels of the training part, and has no weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.spreading import Spreading
from gnnctl.parameters import Value

UNKNOWN = -1
_LEAST = 1e-30  # a share whose logarithm is still a number


class LabelPropagationModel(nn.Module):
    r"""Classes of nodes from the labels around them ("Learning with Local and Global Consistency", Zhou et al., 2004).

    .. math:: Y^{(t+1)} = \alpha D^{-1/2} A D^{-1/2} Y^{(t)} + (1 - \alpha) Y^{(0)}

    As :class:`~gnnctl.nn.models.LabelPropagation`, over the edges of all types between nodes of the target's. Outputs
    are the logarithms of the rows' shares; a node that no label reaches gets the shares of the classes in training.
    Training nodes see their own labels, so that metrics of the training part say nothing.

    Args:
        options: ``layers`` rounds; parameter ``alpha``, share of a round's result that comes from the neighbours.
        schema: edges of some type connect nodes of the target's type.
        node_type: whose nodes get outputs.
        out_channels: number of classes.

    Raises:
        UsageError: no edges to spread labels along, or alpha out of range.
    """

    whole_graph = True
    learns = False
    needs_degree = False
    labels: Tensor

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__()
        self.node_type, self.out_channels, self.num_layers = node_type, out_channels, options.layers
        self.alpha = float(options.parameters.get("alpha", PARAMETERS["alpha"]))
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"--model label-propagation: alpha {self.alpha} is outside [0, 1]", fix="pass alpha=0.9")
        self.edge_types = [t for t in schema.edges if t.src == t.dst == node_type]
        if not self.edge_types:
            problem = f"--model label-propagation: no edges connect {node_type} with {node_type}"
            raise UsageError(problem, fix="choose another model")
        self.register_buffer("labels", torch.full((schema.nodes[node_type].num_nodes,), UNKNOWN))

    def fit_labels(self, rows: Tensor, labels: Tensor) -> None:
        """Take the labels (n,) int64 of the training nodes ``rows`` (n,) int64, and no others."""
        self.labels.fill_(UNKNOWN)
        self.labels[rows] = labels

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, out_channels) logarithms of shares.

        Args:
            batch: a whole graph.
            edge_mask: by edge type (E,), multiplies what an edge carries.
        """
        ids = batch.node_id[self.node_type]
        known = (ids >= 0) & (ids < len(self.labels))
        label = torch.where(known, self.labels[torch.where(known, ids, 0)], UNKNOWN)
        start = nn.functional.one_hot(label + 1, self.out_channels + 1)[:, 1:].float()
        edges = {t: batch.edge_index[t] for t in self.edge_types}
        spread = Spreading(edges, batch.edge_weight, edge_mask)
        out = start
        for _ in range(self.num_layers):
            out = (self.alpha * spread({self.node_type: out})[self.node_type] + (1 - self.alpha) * start).clamp(0, 1)
        counts = torch.bincount(self.labels + 1, minlength=self.out_channels + 1)[1:].float()
        total = out.sum(1, keepdim=True)
        share = torch.where(total > 0, out / total.clamp(min=_LEAST), counts / counts.sum().clamp(min=1))
        return batch.seeds_of(share.clamp(min=_LEAST).log())


PARAMETERS: dict[str, Value] = {"alpha": 0.9}

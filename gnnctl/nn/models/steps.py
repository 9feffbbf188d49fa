"""A model's forward, layer by layer over the part of a batch that each layer needs."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from gnnctl.graph.batch import Batch
from gnnctl.graph.types import EdgeType
from gnnctl.nn.models.layer import LayerEdges


class Layered(Protocol):
    """A model of layers, each of which can be computed for any nodes whose in-neighbours are there.

    ``encode`` gives what enters the first layer, ``layer`` what enters the next one, of the destinations it is given.
    """

    num_layers: int
    needs_degree: bool

    def encode(self, x: Mapping[str, Tensor | None], node_id: Mapping[str, Tensor]) -> dict[str, Tensor]: ...

    def layer(
        self, index: int, h_src: dict[str, Tensor], h_dst: dict[str, Tensor], edges: LayerEdges
    ) -> dict[str, Tensor]: ...


class Headed(Layered, Protocol):
    """A model of layers with outputs of one node type, which ``head`` makes of what the last layer gives."""

    node_type: str

    def head(self, h: Tensor) -> Tensor: ...


class LayeredModel(nn.Module):
    """What is the same in every :class:`Headed` model."""

    def prepare(self: Headed, batch: Batch) -> Batch:
        """Compute ahead what this model's forward and backward need of the batch's structure."""
        return batch.prepare(self.num_layers)

    def forward(self: Headed, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(num_seeds, out_channels) logits.

        Args:
            batch: a whole graph or a sampled part.
            edge_mask: by edge type (E,), multiplies every message on the edge in all layers.
        """
        return self.head(batch.seeds_of(run_layers(self, batch, edge_mask)[self.node_type]))


def run_layers(model: Layered, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> dict[str, Tensor]:
    """What the last layer gives, by node type; of a sampled batch, only rows that a later layer uses are computed.

    Args:
        model: whose layers are run.
        batch: a whole graph or a sampled part.
        edge_mask: by edge type (E,), multiplies every message on the edge in all layers.

    Raises:
        ValueError: the model needs degrees in the whole graph, which a sampled batch does not have.
    """
    if model.needs_degree and batch.degree is None and batch.node_counts is not None:
        raise ValueError("the model needs degrees in the whole graph: Batch.from_subgraph(degrees=True)")
    last, sampled = model.num_layers, batch.node_counts is not None
    within = batch.within(last)
    x = {t: v[: within[t]] if sampled and v is not None else v for t, v in batch.x.items()}
    ids = {t: v[: within[t]] if sampled else v for t, v in batch.node_id.items()}
    h = model.encode(x, ids)
    for i in range(last):
        kept = batch.within(last - 1 - i)
        h_dst = {t: v[: kept[t]] if sampled else v for t, v in h.items()}
        h = model.layer(i, h, h_dst, layer_edges(batch, i, last, edge_mask or {}, degrees=model.needs_degree))
    return h


def layer_edges(
    batch: Batch, layer: int, num_layers: int, edge_mask: Mapping[EdgeType, Tensor], *, degrees: bool
) -> LayerEdges:
    """The edges that a layer needs, with what they carry."""
    index = batch.trimmed(layer, num_layers)
    whole = batch.node_counts is None

    def first(values: Mapping[EdgeType, Tensor | None]) -> dict[EdgeType, Tensor]:
        return {t: v if whole else v[: index[t].num_edges] for t, v in values.items() if v is not None and t in index}

    degree = batch.degree or {}
    return LayerEdges(
        edge_index=index,
        edge_weight=first(batch.edge_weight),
        edge_attr=first(batch.edge_attr),
        degree={t: d.first(index[t].num_src, index[t].num_dst) for t, d in degree.items()} if degrees else {},
        edge_mask=first(edge_mask),
        pairs=batch.pairs.get(layer),
    )

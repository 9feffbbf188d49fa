"""Shallow embeddings, learned from random walks; a batch is of nodes that walks start at."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.models.metapath2vec import MetaPath2Vec
from gnnctl.nn.models.node2vec import Node2Vec
from gnnctl.sampling.keys import absorb
from gnnctl.sampling.walks import Walker


@dataclass(frozen=True)
class WalkBatch:
    """Windows of walks from some starts: (P, context) that belong together, and (M, context) that do not."""

    positive: Tensor
    negative: Tensor
    num_seeds: int
    counted: bool = True

    def to(self, device: torch.device | str) -> "WalkBatch":
        """The batch on another device."""
        return WalkBatch(self.positive.to(device), self.negative.to(device), self.num_seeds)


class WalkModel(nn.Module):
    """Node2vec or metapath2vec over batches of starts; ``forward(batch)`` is the loss.

    Args:
        embedded: the embeddings and how their walks go.
        node_type: whose nodes get embeddings.
        channels: their width.
    """

    def __init__(self, embedded: Node2Vec | MetaPath2Vec, node_type: str, channels: int) -> None:
        super().__init__()
        self.embedded, self.node_type, self.channels = embedded, node_type, channels

    def forward(self, batch: WalkBatch) -> Tensor:
        """The loss."""
        return self.embedded.loss(batch.positive, batch.negative)

    def embeddings(self, rows: Tensor) -> Tensor:
        """(n, channels) of nodes (n,) of the type."""
        if isinstance(self.embedded, MetaPath2Vec):
            return cast(Tensor, self.embedded(self.node_type, rows))
        return cast(Tensor, self.embedded(rows))

    def walker(self, graph: Graph) -> Walker:
        """Walks over a graph as this model wants them."""
        return Walker(graph, "in" if isinstance(self.embedded, Node2Vec) else self.embedded.direction)

    def batch(self, walker: Walker, starts: Tensor, *, seed: int, epoch: int) -> WalkBatch:
        """Windows of walks from ``starts`` (s,) int64; a function of the seed, the epoch and the starts."""
        key = absorb(absorb(absorb(0, seed), epoch), int(starts[0]))
        draw = torch.Generator().manual_seed(key >> 1)
        found = self.embedded.sample(walker, starts, seed=seed, epoch=epoch, generator=draw)
        return WalkBatch(*found, len(starts))


def node2vec(
    schema: GraphSchema,
    node_type: str,
    channels: int,
    *,
    length: int = 20,
    context: int = 10,
    walks: int = 4,
    negatives: int = 1,
    p: float = 1.0,
    q: float = 1.0,
) -> WalkModel:
    """Node2vec over a graph of one edge type.

    Raises:
        UsageError: a graph of several types, or parameters that do not fit.
    """
    if not schema.is_homogeneous:
        raise UsageError("node2vec walks over one edge type", fix="use metapath2vec:path=...")
    nodes = schema.nodes[node_type].num_nodes
    given: dict[str, Any] = {"length": length, "context": context, "walks": walks, "negatives": negatives}
    return _made(lambda: WalkModel(Node2Vec(nodes, channels, **given, p=p, q=q), node_type, channels))


def metapath2vec(
    schema: GraphSchema,
    node_type: str,
    channels: int,
    *,
    path: str,
    length: int = 20,
    context: int = 7,
    walks: int = 4,
    negatives: int = 1,
) -> WalkModel:
    """Metapath2vec; ``path`` names edge types, ``"a writes b+b rev_writes a"``, walked along their edges.

    Raises:
        UsageError: an unknown edge type, a path that does not start at the node type, or parameters that do not fit.
    """
    known = {str(t): t for t in schema.edges}
    types: list[EdgeType] = []
    for name in path.split("+"):
        if name.strip() not in known:
            problem = f"metapath2vec: the graph has no edge type '{name.strip()}'"
            raise UsageError(problem, fix=f"it has {', '.join(known)}")
        types.append(known[name.strip()])
    if types[0].src != node_type:
        raise UsageError(f"metapath2vec: the path starts at {types[0].src}, not {node_type}", fix="begin it there")
    given: dict[str, Any] = {"length": length, "context": context, "walks": walks, "negatives": negatives}
    return _made(lambda: WalkModel(MetaPath2Vec(schema, types, channels, **given), node_type, channels))


def _made(make: Any) -> WalkModel:
    try:
        found: WalkModel = make()
    except ValueError as problem:
        raise UsageError(f"--objective: {problem}", fix="check its parameters") from None
    return found

"""Embeddings of the nodes of several types, learned from walks along a metapath."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.models.walk_embedding import skip_gram_loss, windows
from gnnctl.sampling.adjacency import Direction
from gnnctl.sampling.walks import DEAD_END, Walker


class MetaPath2Vec(nn.Module):
    """The model of "metapath2vec: Scalable Representation Learning for Heterogeneous Networks" (Dong et al., 2017).

    A walk takes the edge types of the metapath in turn, from the first again after the last. A random node is of the
    type that the walk has at its place (metapath2vec++ of the paper), uniformly.

    Args:
        schema: of the graph.
        metapath: edge types, each from where the one before leads to.
        channels: width of the embeddings.
        length: steps of a walk.
        context: nodes of a window; its first node is paired with the others.
        walks: from each start.
        negatives: random sequences for each walk.
        direction: of the walker: ``"out"`` takes an edge type from its source, ``"in"`` from its destination.

    Attributes:
        start_type: node type that walks start at.

    Raises:
        ValueError: edge types that do not follow each other, or a context that does not fit into a walk.
    """

    def __init__(
        self,
        schema: GraphSchema,
        metapath: Sequence[EdgeType],
        channels: int,
        *,
        length: int,
        context: int,
        walks: int = 1,
        negatives: int = 1,
        direction: Direction = "out",
    ) -> None:
        super().__init__()
        if not 2 <= context <= length + 1:
            raise ValueError(f"context must be from 2 to the {length + 1} nodes of a walk, got {context}")
        if not metapath:
            raise ValueError("metapath: expected at least one edge type")
        self.metapath, self.direction, self.context = list(metapath), direction, context
        self.length, self.walks, self.negatives = length, walks, negatives
        steps = [(t.src, t.dst) if direction == "out" else (t.dst, t.src) for t in self.metapath]
        taken = [steps[i % len(steps)] for i in range(max(length, len(steps)))]
        for (_, end), (start, _) in pairwise(taken):
            if start != end:
                raise ValueError(f"metapath: a step that ends at '{end}' is followed by one that starts at '{start}'")
        self.start_type = taken[0][0]
        self._types = [self.start_type] + [end for _, end in taken[:length]]
        self._counts = {t: schema.nodes[t].num_nodes for t in schema.nodes if t in {self.start_type, *self._types}}
        self._first: dict[str, int] = {}
        for t, count in self._counts.items():
            self._first[t] = sum(self._counts[other] for other in self._first)
            if count == 0:
                raise ValueError(f"metapath: there are no nodes of type '{t}'")
        self.embedding = nn.Embedding(sum(self._counts.values()), channels)

    def forward(self, node_type: str, nodes: Tensor | None = None) -> Tensor:
        """(n, channels): embeddings of the nodes (n,) of a type, or of all of it."""
        first = self._first[node_type]
        weight = self.embedding.weight[first : first + self._counts[node_type]]
        return weight if nodes is None else weight.index_select(0, nodes)

    def sample(
        self, walker: Walker, starts: Tensor, *, seed: int, epoch: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Windows to learn from, as rows of the embeddings of all types.

        Args:
            walker: over the graph, in this model's direction.
            starts: (s,) int64 nodes of ``start_type`` on the CPU.
            seed: of the walks.
            epoch: of the walks.
            generator: of the random sequences.

        Returns:
            (P, context) positive, with -1 after a dead end, and (P * negatives, context) negative.

        Raises:
            ValueError: a walker of the other direction.
        """
        if walker.direction != self.direction:
            raise ValueError(f"walker: walks {walker.direction!r}, the metapath was read as {self.direction!r}")
        found = torch.from_numpy(
            walker.walk(
                starts.numpy(), self.length, seed=seed, epoch=epoch, walks=self.walks, metapath=self.metapath
            )
        )  # fmt: skip
        first = torch.tensor([self._first[t] for t in self._types])
        positive = torch.where(found == DEAD_END, DEAD_END, found + first)
        drawn = [starts.repeat_interleave(self.walks * self.negatives)]
        drawn += [torch.randint(self._counts[t], drawn[0].shape, generator=generator) for t in self._types[1:]]
        return windows(positive, self.context), windows(torch.stack(drawn, 1) + first, self.context)

    def loss(self, positive: Tensor, negative: Tensor) -> Tensor:
        """See :func:`~gnnctl.nn.models.walk_embedding.skip_gram_loss`."""
        return skip_gram_loss(self.embedding.weight, positive, negative)

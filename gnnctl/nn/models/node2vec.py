"""Embeddings of the nodes of one type, learned from random walks."""

import torch
from torch import Tensor, nn

from gnnctl.nn.models.walk_embedding import skip_gram_loss, windows
from gnnctl.sampling.walks import Walker


class Node2Vec(nn.Module):
    """The model of "node2vec: Scalable Feature Learning for Networks" (Grover and Leskovec, 2016).

    Nodes that follow each other in walks are drawn together, nodes drawn at random pushed apart; with p and q of one
    the walks are those of DeepWalk (Perozzi et al., 2014). Learn with ``loss(*model.sample(...))``, batch by batch.

    Args:
        num_nodes: N.
        channels: width of the embeddings.
        length: steps of a walk, one fewer than its nodes.
        context: nodes of a window; its first node is paired with the others.
        walks: from each start.
        negatives: random sequences for each walk.
        p: return parameter: large, and walks seldom go back to where they came from.
        q: in-out parameter: large, and walks stay near.

    Raises:
        ValueError: a context that does not fit into a walk.
    """

    def __init__(
        self,
        num_nodes: int,
        channels: int,
        *,
        length: int = 20,
        context: int = 10,
        walks: int = 1,
        negatives: int = 1,
        p: float = 1.0,
        q: float = 1.0,
    ) -> None:
        super().__init__()
        if not 2 <= context <= length + 1:
            raise ValueError(f"context must be from 2 to the {length + 1} nodes of a walk, got {context}")
        self.length, self.context, self.walks, self.negatives, self.p, self.q = length, context, walks, negatives, p, q
        self.embedding = nn.Embedding(num_nodes, channels)
        nn.init.normal_(self.embedding.weight, std=channels**-0.5)

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        """(n, channels): embeddings of the nodes (n,), or of all."""
        return self.embedding.weight if nodes is None else self.embedding.weight.index_select(0, nodes)

    def sample(
        self, walker: Walker, starts: Tensor, *, seed: int, epoch: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Windows to learn from.

        Args:
            walker: over a graph of one edge type; walks over edges of both directions want an undirected graph.
            starts: (s,) int64 nodes on the CPU.
            seed: of the walks.
            epoch: of the walks.
            generator: of the random sequences.

        Returns:
            (P, context) positive, with -1 after a dead end, and (P * negatives, context) negative.
        """
        chosen = starts.numpy()
        if self.p == self.q == 1:
            found = walker.walk(chosen, self.length, seed=seed, epoch=epoch, walks=self.walks)
        else:
            found = walker.node2vec(
                chosen, self.length, p=self.p, q=self.q, seed=seed, epoch=epoch, walks=self.walks
            )  # fmt: skip
        first = starts.repeat_interleave(self.walks * self.negatives)[:, None]
        shape = (first.shape[0], self.length)
        random = torch.randint(self.embedding.num_embeddings, shape, generator=generator)
        return windows(torch.from_numpy(found), self.context), windows(torch.cat([first, random], 1), self.context)

    def loss(self, positive: Tensor, negative: Tensor) -> Tensor:
        """See :func:`~gnnctl.nn.models.walk_embedding.skip_gram_loss`."""
        return skip_gram_loss(self.embedding.weight, positive, negative)

"""Collaborative filtering by embeddings that are averaged over the graph."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import normalized, times


class LightGCN(nn.Module):
    r"""The model of "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation" (He et al.,
    2020).

    .. math:: z = \sum_{l=0}^L a_l (D^{-1/2} A D^{-1/2})^l E, \quad y_{uv} = z_u \cdot z_v

    E is learned, one row for each node. Users and items are nodes of one graph, with the edges of both directions.

    Args:
        num_nodes: N.
        channels: width of the embeddings.
        layers: L.
        share: the L + 1 factors a; None: 1 / (L + 1) each.

    Raises:
        ValueError: another number of factors.
    """

    share: Tensor

    def __init__(self, num_nodes: int, channels: int, layers: int, *, share: Sequence[float] | None = None) -> None:
        super().__init__()
        factors = [1 / (layers + 1)] * (layers + 1) if share is None else list(share)
        if len(factors) != layers + 1:
            raise ValueError(f"share: {layers} layers take {layers + 1} factors, not {len(factors)}")
        self.layers = layers
        self.register_buffer("share", torch.tensor(factors))
        self.embedding = nn.Embedding(num_nodes, channels)
        nn.init.xavier_uniform_(self.embedding.weight)

    def forward(self, edge_index: EdgeIndex, edge_weight: Tensor | None = None) -> Tensor:
        """(N, channels): z."""
        x = self.embedding.weight
        matrix = normalized(edge_index, edge_weight, self_loops=False, dtype=x.dtype)
        out = x * self.share[0]
        for layer in range(self.layers):
            x = times(matrix, x, x)
            out = out + x * self.share[layer + 1]
        return out

    @staticmethod
    def score(z: Tensor, pairs: Tensor) -> Tensor:
        """(P,) of pairs (2, P) of nodes."""
        return (z.index_select(0, pairs[0]) * z.index_select(0, pairs[1])).sum(-1)

    def ranking_loss(
        self, positive: Tensor, negative: Tensor, nodes: Tensor | None = None, *, penalty: float = 1e-4
    ) -> Tensor:
        r"""The loss of "BPR: Bayesian Personalized Ranking from Implicit Feedback" (Rendle et al., 2009).

        .. math:: -\frac{1}{P} \sum_p \log \sigma(y^+_p - y^-_p) + \frac{\lambda}{P} \sum_{i} \|E_i\|^2

        Args:
            positive: (P,) scores of pairs that are edges.
            negative: (P,) scores of pairs that are none, each with the user of the positive one at its place.
            nodes: (n,) whose learned rows are held small; None: all.
            penalty: lambda.
        """
        rows = self.embedding.weight if nodes is None else self.embedding.weight.index_select(0, nodes)
        return -logsigmoid(positive - negative).mean() + penalty / positive.shape[0] * rows.square().sum()

    @staticmethod
    @torch.no_grad()
    def recommend(
        z: Tensor,
        users: Tensor,
        items: Tensor,
        k: int,
        *,
        known: EdgeIndex | None = None,
        batch_size: int = 4096,
    ) -> tuple[Tensor, Tensor]:
        """The items that score highest with each user.

        Args:
            z: (N, channels), of :meth:`forward`.
            users: (u,) int64 nodes.
            items: (m,) int64 different nodes to choose from.
            k: how many for each user.
            known: edges from items to users that are not to be recommended again.
            batch_size: users whose scores are in memory at a time.

        Returns:
            (u, k) int64 nodes, the best first; -1 where all other items are known. And (u, k) their scores; -inf there.

        Raises:
            ValueError: more asked for than there are items.
        """
        if not 1 <= k <= items.shape[0]:
            raise ValueError(f"k must be from 1 to the {items.shape[0]} items, got {k}")
        place = torch.full((z.shape[0],), -1, device=z.device)
        place[items] = torch.arange(items.shape[0], device=z.device)
        candidates, nodes, scores = z.index_select(0, items).t(), [], []
        for some in torch.split(users, batch_size):
            score = z.index_select(0, some) @ candidates
            if known is not None:
                lists, _ = known.destinations(some)
                columns, rows = place[lists.row.long()], lists.col().long()
                score[rows[columns >= 0], columns[columns >= 0]] = -torch.inf
            best, at = score.topk(k, dim=1)
            nodes.append(items[at].masked_fill(best == -torch.inf, -1))
            scores.append(best)
        empty = users.new_empty(0, k)
        return torch.cat([empty, *nodes]), torch.cat([empty.to(z.dtype), *scores])

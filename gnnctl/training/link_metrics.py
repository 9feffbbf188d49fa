"""How well links are told from what is no link: filtered ranks among all candidates, and fixed negatives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gnnctl.graph.batch import LinkSeeds
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.nn.models.link_model import LinkModel, Representations
from gnnctl.splits.link import Links
from gnnctl.splits.link_groups import ends_among
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.ranking import batch_rows, filtered_ranks, known_candidates, ranking_metrics

End = Literal["dst", "src"]
# From node rows and a relation's number to (b, candidates) scores.
Score = Callable[[int, End, Tensor], Tensor]
RANKED = ("mrr", "hits@1", "hits@3", "hits@10", "recall@10", "ndcg@10")
JUDGED = ("auroc", "average_precision")
AMONG_NEGATIVES = ("sampled_mrr", "sampled_hits@1", "sampled_hits@3", "sampled_hits@10")
TOP = 10
MEMORY = 256 << 20  # bytes of scores at a time
PAIRS = 1 << 16  # scored at a time


class Ranks(NamedTuple):
    """Of n links (n,) float64 the filtered ranks of either end, and the mean cross-entropy among all candidates."""

    dst: Tensor
    src: Tensor
    loss: float | None


@dataclass(frozen=True)
class Ranking:
    """The questions (source, type, ?) and (?, type, destination) of links; candidates are all nodes of the end's type.

    Attributes:
        graph: whose nodes are candidates, and none of whose links of the types counts against another.
        edge_types: of the links, in the order of their numbers.
        links: that are asked for.
        memory: bytes of scores at a time.
    """

    graph: Graph
    edge_types: list[EdgeType]
    links: Links
    memory: int = MEMORY
    _filters: dict[tuple[int, str, int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    @torch.no_grad()
    def ranks(
        self, score: Score, *, scratch: int = 1, cross_entropy: bool = False, processes: Processes = ALONE
    ) -> Ranks:
        """Ranks by a way of scoring.

        Args:
            score: of (relation number, the end that is asked for, (b,) rows of the links' other ends).
            scratch: numbers of memory that a score takes.
            cross_entropy: whether the loss is wanted.
            processes: each of which ranks an equal part; all get all.
        """
        n = len(self.links.relation)
        found = {"dst": torch.zeros(n, dtype=torch.float64), "src": torch.zeros(n, dtype=torch.float64)}
        total = 0.0
        for number, edge_type in enumerate(self.edge_types):
            rows = np.flatnonzero(self.links.relation == number)
            rows = rows[slice(*processes.share.bounds(len(rows)))]
            if not len(rows):
                continue
            src, dst = torch.from_numpy(self.links.src[rows]), torch.from_numpy(self.links.dst[rows])
            for end, ends, targets, candidate in (("dst", src, dst, edge_type.dst), ("src", dst, src, edge_type.src)):
                size = batch_rows(self.graph.num_nodes(candidate) * scratch, self.memory)

                def ask(chosen: Tensor, end: Any = end, ends: Tensor = ends, targets: Tensor = targets) -> Tensor:
                    nonlocal total
                    scores = score(number, end, ends[chosen]).float()  # noqa: B023  # called before the next number
                    if cross_entropy:
                        wanted = targets[chosen].to(scores.device)
                        total += float(torch.nn.functional.cross_entropy(scores, wanted, reduction="sum"))
                    return scores

                known = self._known(number, edge_type, end, rows, processes)
                found[end][torch.from_numpy(rows)] = filtered_ranks(ask, targets, known, batch_size=size)
        if processes.share.among > 1:
            *both, losses = processes.total(torch.stack([*found.values(), torch.full((n,), total).double()]))
            found, total = dict(zip(found, both, strict=True)), float(losses[0]) if n else 0.0
        return Ranks(found["dst"], found["src"], total / (2 * n) if cross_entropy and n else None)

    def _known(
        self, number: int, edge_type: EdgeType, end: str, rows: np.ndarray, processes: Processes
    ) -> tuple[np.ndarray, np.ndarray]:
        key = (number, end, processes.share.rank, processes.share.among)
        if key not in self._filters:
            queries = (self.links.src if end == "dst" else self.links.dst)[rows]
            src, dst = ends_among(self.graph, edge_type, "src" if end == "dst" else "dst", queries)
            keys, values = (src, dst) if end == "dst" else (dst, src)
            self._filters[key] = known_candidates(queries, keys, values)
        return self._filters[key]

    def metrics(self, ranks: Ranks) -> dict[str, float | None]:
        """Those of RANKED: ``mrr`` and ``hits`` over both questions, ``recall`` and ``ndcg`` over (source, type, ?)."""
        found = ranking_metrics(torch.cat([ranks.dst, ranks.src]))
        return {**found, **_retrieval(self.links, ranks.dst.numpy(), TOP)}


def score_by(model: LinkModel, represented: Representations) -> Score:
    """How a model scores the candidates of a question."""

    def score(number: int, end: End, ends: Tensor) -> Tensor:
        edge_type = model.edge_types[number]
        asked, given = (edge_type.dst, edge_type.src) if end == "dst" else (edge_type.src, edge_type.dst)
        h = represented[given]
        relation = torch.full((len(ends),), number, device=h.device)
        rows = h.index_select(0, ends.to(h.device))
        return model.against_all(rows, represented[asked], relation, candidate_is_src=end == "src")

    return score


def popularity(graph: Graph, edge_types: list[EdgeType], train: Links) -> Score:
    """The plain baseline: a candidate's score is how many training links of the type it ends."""
    counts = {}
    for number, edge_type in enumerate(edge_types):
        chosen = train.relation == number
        for end, rows, candidate in (("dst", train.dst, edge_type.dst), ("src", train.src, edge_type.src)):
            counted = np.bincount(rows[chosen], minlength=graph.num_nodes(candidate))
            counts[number, end] = torch.from_numpy(counted.astype(np.float32))
    return lambda number, end, ends: counts[number, end].expand(len(ends), -1)


@torch.no_grad()
def pair_scores(model: Any, represented: Representations, links: Links, attr: np.ndarray | None = None) -> Tensor:
    """What a model gives of links, on the CPU: (n,) scores, or (n, num_outputs) of one of edges; float32.

    Args:
        model: a :class:`gnnctl.nn.models.PairModel`.
        attr: (n, F) float32 features of the links, for a model of edges.
    """
    device = next(iter(represented.values())).device
    found = []
    for start in range(0, max(1, len(links.relation)), PAIRS):
        part = slice(start, start + PAIRS)
        relation, src, dst = (
            torch.from_numpy(np.ascontiguousarray(v[part])).to(device) for v in (links.relation, links.src, links.dst)
        )
        own = None if attr is None else torch.from_numpy(attr[part]).to(device)
        found.append(model.score(represented, LinkSeeds(relation, src, dst, len(relation), attr=own)).float().cpu())
    return torch.cat(found)


def judged(positive: Tensor, negative: Tensor) -> dict[str, float | None]:
    """``auroc`` and ``average_precision`` of scored positives and negatives; None where either is missing."""
    if not len(positive) or not len(negative):
        return dict.fromkeys(JUDGED)
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    # Not as scores but as ranks: torchmetrics squeezes numbers outside 0..1, where large ones would become ties.
    scores = torch.cat([positive, negative]).double()
    order = torch.unique(scores, return_inverse=True)[1].double()
    squeezed = order / max(1.0, float(order.max()))
    truth = torch.cat([torch.ones(len(positive)), torch.zeros(len(negative))]).long()
    values = (binary_auroc(squeezed, truth), binary_average_precision(squeezed, truth))
    return {name: float(value) for name, value in zip(JUDGED, values, strict=True)}


def among_negatives(positive: Tensor, negative: Tensor) -> dict[str, float | None]:
    """Those of AMONG_NEGATIVES: of the rank of each link among its own negatives alone, ties counted half.

    Args:
        positive: (n,) scores of the links; negative: (n, K) those of the negatives of each.
    """
    if not negative.numel():
        return dict.fromkeys(AMONG_NEGATIVES)
    own = positive[:, None]
    ranks = 1 + (negative > own).double().sum(1) + (negative == own).double().sum(1) / 2
    return {f"sampled_{name}": value for name, value in ranking_metrics(ranks).items()}


def _retrieval(links: Links, ranks: np.ndarray, k: int) -> dict[str, float | None]:
    """``recall@k`` and ``ndcg@k`` (gain 1), means over the questions (source, type, ?).

    A list shows every candidate but what is known otherwise, so an answer's place is its filtered rank and one more for
    each better answer.
    """
    if not len(ranks):
        return {f"recall@{k}": None, f"ndcg@{k}": None}
    order = np.lexsort((ranks, links.src, links.relation))
    relation, src = links.relation[order], links.src[order]
    new = np.concatenate([[True], (relation[1:] != relation[:-1]) | (src[1:] != src[:-1])])
    question = np.cumsum(new) - 1
    before = np.arange(len(order)) - np.flatnonzero(new)[question]
    place = ranks[order] + before
    shown = place <= k
    count = np.bincount(question)
    gains = np.bincount(question, np.where(shown, 1 / np.log2(place + 1), 0.0))
    best = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(k) + 2))])[np.minimum(count, k)]
    recall = float((np.bincount(question, shown) / count).mean())
    ndcg = float((gains / best).mean())
    return {f"recall@{k}": recall, f"ndcg@{k}": ndcg}

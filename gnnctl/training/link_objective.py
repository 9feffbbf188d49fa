"""What learning from links minimises, and how its validation judges an epoch."""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gnnctl.errors import UsageError
from gnnctl.nn.models.link_model import Answer, LinkModel, Question, links_of
from gnnctl.splits.link import LinkSplit
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.link_loss import hardest, pair_loss
from gnnctl.training.link_metrics import JUDGED, RANKED, Ranking, Ranks, judged, pair_scores, score_by
from gnnctl.training.link_options import HARD_POOL, LinkOptions
from gnnctl.training.objective import Forward
from gnnctl.training.represent import represent_all

if TYPE_CHECKING:
    from gnnctl.graph.batch import Batch


class LinkObjective:
    """Links told from what is no link.

    Args:
        split: whose validation links judge.
        options: the loss.
        device: where ranks are computed.
    """

    def __init__(self, split: LinkSplit, options: LinkOptions, device: torch.device | None = None) -> None:
        self.split, self.options = split, options
        self.device = device or torch.device("cpu")
        self.asked = spread(len(split.part("val").relation), options.eval_links)

    @cached_property
    def ranking(self) -> Ranking:
        """Of the validation links that are asked, among all candidates."""
        return Ranking(self.split.graph, self.split.target.edge_types, self.split.part("val").take(self.asked))

    def monitor(self, asked: str | None) -> str:
        """The metric ``asked`` for, or ``mrr``; UsageError where there is none such."""
        choices = ("loss", *RANKED, *JUDGED)
        if asked is not None and asked not in choices:
            raise UsageError(f"--monitor {asked} is no metric of links", fix=f"pass {', '.join(choices)}")
        negatives = self.split.negatives.get("val")
        if asked in JUDGED and (negatives is None or not len(negatives.relation)):
            raise UsageError(
                f"--monitor {asked}: the split has no evaluation negatives", fix="split with --eval-negatives 1"
            )
        return asked or "mrr"

    def to(self, device: torch.device) -> "LinkObjective":
        """The same objective on ``device``."""
        return LinkObjective(self.split, self.options, device)

    def loss(self, forward: Forward, batch: "Batch") -> Tensor:
        """Mean loss of the batch's positive links, with the penalty."""
        options = self.options
        wanted = Question(options.loss == "all", self._drawn(batch), options.n3 > 0)
        answer = cast(Answer, forward(batch, question=wanted))
        total = self._among(answer) if wanted.candidates else self._pairs(answer.scores, batch)
        return total if answer.penalty is None else total + options.n3 * answer.penalty

    def _drawn(self, batch: "Batch") -> dict[str, Tensor] | None:
        """By node type the candidates that all links of a batch share."""
        count = self.options.negatives
        if self.options.loss != "all" or not count:
            return None
        types = sorted({end for t in self.split.target.edge_types for end in (t.src, t.dst)})
        return {t: torch.randint(batch.num_nodes(t), (count,), device=batch.node_id[t].device) for t in types}

    def _among(self, answer: Answer) -> Tensor:
        """The mean cross-entropy over both ends of all links."""
        losses = [functional.cross_entropy(s.float(), at, reduction="sum") for s, at in answer.among]
        return torch.stack(losses).sum() / max(1, sum(len(at) for _, at in answer.among))

    def _pairs(self, scores: Tensor, batch: "Batch") -> Tensor:
        options, links = self.options, links_of(batch)
        positive, negative = scores[: links.num_positives], scores[links.num_positives :]
        of = links.negative_of
        if of is None:
            raise ValueError("the batch has no negatives")
        if options.negative_method == "hard":
            kept = hardest(negative.detach(), of, len(positive), 1 / HARD_POOL)
            negative, of = negative[kept], of[kept]
        assert options.loss != "all"
        return pair_loss(options.loss, positive, negative, of, margin=options.margin, adversarial=options.adversarial)

    def weight(self, batch: "Batch") -> float:
        """The batch's positive links."""
        return float(batch.num_seeds)

    def validate(
        self, model: nn.Module, batches: "Iterable[Batch]", processes: Processes = ALONE
    ) -> dict[str, float | None]:
        """Metrics of the validation links (of so many as the options say), over the validation view; exact.

        Processes represent the nodes together, and each ranks its part of the links.
        """
        assert isinstance(model, LinkModel)
        represented = represent_all(model, self.split.view("val"), self.device, processes=processes)
        asked = (self.split, "val", self.ranking, self.asked)
        return link_scores(model, represented, *asked, self.options, processes).metrics(self.ranking)


class LinkScores(NamedTuple):
    """What a model makes of n links of a part.

    Attributes:
        ranks: among all candidates.
        positive: (n,) scores of the links; negative: (n * K,) those of their fixed negatives. Both are empty where the
            part has none.
        loss: that of training, among all candidates or with the fixed negatives; None where it has none.
    """

    ranks: Ranks
    positive: Tensor
    negative: Tensor
    loss: float | None

    def metrics(self, ranking: Ranking) -> dict[str, float | None]:
        """All metrics, ``loss`` first."""
        return {"loss": self.loss, **ranking.metrics(self.ranks), **judged(self.positive, self.negative)}


def link_scores(
    model: LinkModel,
    represented: dict[str, Tensor],
    split: LinkSplit,
    part: str,
    ranking: Ranking,
    asked: np.ndarray,
    options: LinkOptions,
    processes: Processes = ALONE,
) -> LinkScores:
    """Ranks and scores of some links of a part.

    Args:
        represented: exact, in the part's view.
        ranking: of the links.
        asked: (n,) their numbers in the part.
        processes: that rank them together.
    """
    scratch, entropy = model.decoder.scratch, options.loss == "all"
    ranks = ranking.ranks(score_by(model, represented), scratch=scratch, cross_entropy=entropy, processes=processes)
    fixed = split.negatives.get(part)
    if fixed is None or not len(fixed.relation):
        return LinkScores(ranks, torch.zeros(0), torch.zeros(0), ranks.loss)
    each = len(fixed.relation) // len(split.part(part).relation)
    rows = (asked[:, None] * each + np.arange(each)).reshape(-1)
    positive = pair_scores(model, represented, ranking.links)
    negative = pair_scores(model, represented, fixed.take(rows))
    loss = ranks.loss
    if options.loss != "all":
        of = torch.arange(len(asked)).repeat_interleave(each)
        loss = float(
            pair_loss(options.loss, positive, negative, of, margin=options.margin, adversarial=options.adversarial)
        )
    return LinkScores(ranks, positive, negative, loss)


def spread(count: int, most: int) -> np.ndarray:
    """Ascending numbers out of ``count``, ``most`` of them in even steps; all where ``most`` is 0."""
    if not most or most >= count:
        return np.arange(count)
    return np.arange(most) * count // most

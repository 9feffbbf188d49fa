"""Training on links from records that carry their features: what is read of the graph is its structure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError, UsageError
from gnnctl.nn.models.link_model import links_of
from gnnctl.page import Card
from gnnctl.sampling.links import LinkLoader
from gnnctl.sampling.loader import Records
from gnnctl.sampling.methods import Spec
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.job import PARTS, Job
from gnnctl.training.link_job import EdgeJob, LinkJob, check_finite
from gnnctl.training.link_loss import pair_loss
from gnnctl.training.link_metrics import AMONG_NEGATIVES, JUDGED, among_negatives, judged
from gnnctl.training.link_objective import LinkObjective
from gnnctl.training.link_options import LinkOptions
from gnnctl.training.metrics import baseline, evaluate
from gnnctl.training.objective import labels_of
from gnnctl.training.options import TrainOptions
from gnnctl.training.report.links import told_card
from gnnctl.training.report.quality import quality_cards
from gnnctl.training.tasks import Task

if TYPE_CHECKING:
    from gnnctl.graph.batch import Batch

HELD = ("val", "test")
RECORDED = (
    "sampled_ metrics are of a link's rank among its own fixed negatives alone, not "
    "among all candidates; the baseline goes by how many training links a pair's ends have."
)
RECORDED_EDGES = "Of the train part by the neighbourhoods of the first epoch."


class RecordedLinks:
    """The batches of a part's records, for scores at the end.

    Args:
        split: that they were sampled from.
        records: with packed features.
        batch_size: links a batch.
    """

    def __init__(self, split: LinkSplit, records: SubgraphRecords, batch_size: int) -> None:
        self._split, self._records, self._batch_size = split, records, batch_size

    def batches(
        self, part: str, model: nn.Module, device: torch.device, progress: Progress = no_progress
    ) -> "Iterator[Batch]":
        """Of a part, the training part in its first epoch."""
        loader = LinkLoader(
            self._records,
            self._split.view(part),
            self._split.part(part),
            self._split.target.edge_types,
            batch_size=self._batch_size,
            epoch=1 if part == "train" else 0,
            part=part,
            device=device,
            degrees=bool(getattr(model, "needs_degree", False)),
        )
        with progress(loader, total=len(loader), desc=part, unit="batch") as batches:
            yield from batches


class RecordedLinkObjective(LinkObjective):
    """Links told from what is no link; an epoch is judged by the recorded validation links and their negatives."""

    def monitor(self, asked: str | None) -> str:
        """The metric ``asked`` for, or ``sampled_mrr``; UsageError where there is none such."""
        choices = ("loss", *AMONG_NEGATIVES, *JUDGED)
        if asked is not None and asked not in choices:
            problem = f"--monitor {asked} is no metric of links with packed features"
            raise UsageError(problem, fix=f"pass {', '.join(choices)}")
        return asked or AMONG_NEGATIVES[0]

    def to(self, device: torch.device) -> "RecordedLinkObjective":
        """The same objective on ``device``."""
        return RecordedLinkObjective(self.split, self.options, device)

    def validate(
        self, model: nn.Module, batches: "Iterable[Batch]", processes: Processes = ALONE
    ) -> dict[str, float | None]:
        """Metrics of all validation links among their own fixed negatives, scored in the batches."""
        scores = processes.gather([link_table(model, batch) for batch in batches])
        return fixed_metrics(scores.cpu(), self.options)


def link_table(model: nn.Module, batch: "Batch") -> Tensor:
    """(n, 1 + K) float32 scores of a batch's positive links, each before those of its negatives.

    Raises:
        DataError: the links have not as many negatives each.
    """
    links = links_of(batch)
    scores, n = model(batch).float(), links.num_positives
    of = links.negative_of
    each = 0 if of is None else len(of) // max(1, n)
    if of is None or not torch.equal(of, torch.arange(n, device=of.device).repeat_interleave(each)):
        raise DataError("a recorded link does not have as many negatives as another", fix="sample the split again")
    return torch.cat([scores[:n, None], scores[n:].reshape(n, each)], 1)


def fixed_metrics(scores: Tensor, options: LinkOptions) -> dict[str, float | None]:
    """``loss`` and the metrics of links among their fixed negatives, from (n, 1 + K) scores."""
    positive, negative = scores[:, 0], scores[:, 1:]
    loss = None
    assert options.loss != "all"
    if negative.numel():
        of = torch.arange(len(positive)).repeat_interleave(negative.shape[1])
        flat = negative.reshape(-1)
        loss = float(
            pair_loss(options.loss, positive, flat, of, margin=options.margin, adversarial=options.adversarial)
        )
    return {"loss": loss, **among_negatives(positive, negative), **judged(positive, negative.reshape(-1))}


class PackedLinkJob(LinkJob):
    """Links told from what is no link, from records with packed features.

    A rank among all candidates would need every node's features; so val and test are judged by their recorded links
    among their own fixed negatives. The train part, which has none, is not judged.

    Args:
        split: links, views and evaluation negatives.
        links: decoder and loss.
        records: sampled from it, with packed features.
        batch_size: links a batch.

    Raises:
        UsageError: links of val or test have no fixed negatives.
    """

    def __init__(self, split: LinkSplit, links: LinkOptions | None, records: SubgraphRecords, batch_size: int) -> None:
        super().__init__(split, replace(links or LinkOptions(), eval_links=0))
        self._recorded = RecordedLinks(split, records, batch_size)
        for name in HELD:
            fixed = split.negatives.get(name)
            if len(split.part(name).relation) and (fixed is None or not len(fixed.relation)):
                problem = f"links of {name} have no fixed negatives, and packed features are not of all candidates"
                raise UsageError(problem, fix="split with --eval-negatives 100, and sample again")

    def objective(self, options: TrainOptions) -> RecordedLinkObjective:
        """See :class:`gnnctl.training.job.Job`."""
        super().objective(options)
        return RecordedLinkObjective(self.split, self.links)

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """See :class:`gnnctl.training.job.Job`; by the recorded neighbourhoods."""
        if processes.share.rank:
            return Evaluation({})  # records are read through once, by the first process
        model.eval()
        found: dict[str, Any] = {}
        cards: list[Card] = []
        popular = _popularity(self.split)
        for name in PARTS:
            links, scores = self.split.part(name), torch.zeros(0, 1)
            n = len(links.relation)
            plain: dict[str, float | None] = {}
            if n and name in HELD:
                with torch.no_grad():
                    batches = self._recorded.batches(name, model, device, progress)
                    scores = torch.cat([link_table(model, batch).cpu() for batch in batches])
                check_finite({"scores": scores})
                fixed = self.split.negatives[name]
                table = torch.cat([popular(links)[:, None], popular(fixed).reshape(n, -1)], 1)
                plain = fixed_metrics(table, self.links)
                del plain["loss"]  # counts are no scores of a loss
                cards = [told_card(scores[:, 0], scores[:, 1:].reshape(-1), name, self.links)]
            found[name] = {"seeds": n, **fixed_metrics(scores, self.links), "baseline": plain}
        return Evaluation(found, cards, RECORDED, exact=False)


class PackedEdgeJob(EdgeJob):
    """Labels of edges, from records with packed features.

    Args:
        split: edges with their labels, and views.
        records: sampled from it, with packed features.
        batch_size: edges a batch.
    """

    def __init__(self, split: LinkSplit, records: SubgraphRecords, batch_size: int) -> None:
        super().__init__(split)
        self._recorded = RecordedLinks(split, records, batch_size)

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """See :class:`gnnctl.training.job.Job`; by the recorded neighbourhoods, and the constant prediction."""
        if processes.share.rank:
            return Evaluation({})  # records are read through once, by the first process
        model.eval()
        found: dict[str, Any] = {}
        cards: list[Card] = []
        names = [str(value) for value in self.split.target.classes or ()]
        train = self.split.part("train").label
        assert train is not None
        task = Task.of(self.split.target, train)
        for name in PARTS:
            label = self.split.part(name).label
            assert label is not None
            logits, y = torch.zeros((0, self.split.target.num_outputs)), torch.from_numpy(label.copy())
            if len(label):
                outputs, expected = [], []
                with torch.no_grad():
                    for batch in self._recorded.batches(name, model, device, progress):
                        outputs.append(model(batch).float().cpu())
                        expected.append(labels_of(batch).cpu())
                logits, y = torch.cat(outputs), torch.cat(expected)
            check_finite({"logits": logits})
            found[name] = {"seeds": len(label), **evaluate(task, logits, y), "baseline": baseline(task, train, label)}
            if len(label):  # of the last part that has links
                cards = quality_cards(task, logits.numpy(), y.numpy(), names, name)
        return Evaluation(found, cards, RECORDED_EDGES, exact=False)


def pair_job(split: LinkSplit, links: LinkOptions | None, records: Records | None, batch_size: int) -> Job:
    """The job of a split of links or of labelled edges.

    Args:
        records: that training reads; None where it samples, or sees the whole graph.

    Raises:
        UsageError: as :class:`PackedLinkJob`.
    """
    if isinstance(records, SubgraphRecords) and records.packed:
        if split.target.task == "edge":
            return PackedEdgeJob(split, records, batch_size)
        return PackedLinkJob(split, links, records, batch_size)
    return EdgeJob(split) if split.target.task == "edge" else LinkJob(split, links)


def _popularity(split: LinkSplit) -> Callable[[Links], Tensor]:
    """The plain baseline: (n,) float32, how many training links of its type a pair's ends have together."""
    types, train = split.target.edge_types, split.part("train")
    counts = []
    for number, t in enumerate(types):
        own = train.relation == number
        sizes = (split.graph.num_nodes(t.src), split.graph.num_nodes(t.dst))
        ends = zip((train.src[own], train.dst[own]), sizes, strict=True)
        counts.append([np.bincount(rows, minlength=size) for rows, size in ends])

    def score(links: Links) -> Tensor:
        found = np.zeros(len(links.relation), np.float32)
        for number, (src, dst) in enumerate(counts):
            own = links.relation == number
            found[own] = src[links.src[own]] + dst[links.dst[own]]
        return torch.from_numpy(found)

    return score

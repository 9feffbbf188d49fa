"""Training on links: told from what is no link (task ``link``), or labelled (task ``edge``)."""

from typing import Any

import numpy as np
import torch
from torch import nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError, UsageError
from gnnctl.graph.batch import link_features
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.link_model import EdgeModel, LinkModel, PairModel
from gnnctl.page import Card
from gnnctl.sampling.methods import Spec
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.link_target import LinkTarget
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.job import PARTS
from gnnctl.training.link_metrics import Ranking, pair_scores, popularity
from gnnctl.training.link_objective import LinkObjective, link_scores, spread
from gnnctl.training.link_options import LinkOptions
from gnnctl.training.loop import seed_torch
from gnnctl.training.metrics import baseline, evaluate
from gnnctl.training.objective import Supervised
from gnnctl.training.options import TrainOptions
from gnnctl.training.report.links import edge_cards, link_cards
from gnnctl.training.report.quality import quality_cards
from gnnctl.training.represent import represent_all
from gnnctl.training.tasks import Task, check_seeds

TRAIN_LINKS = 5000  # of the train part so many are ranked at the end

WHOLE_VIEW = "--time was for training: every link is scored in the whole view of its part, whatever its own time is."


def pair_model(target: LinkTarget, options: ModelOptions, links: LinkOptions | None, schema: GraphSchema) -> PairModel:
    """The model of a target of links, its weights drawn from torch's generator.

    Raises:
        UsageError: options that fit neither the graph nor the task.
    """
    if target.task == "edge":
        return EdgeModel(options, schema, target.edge_types, target.num_outputs)
    return LinkModel(options, schema, target.edge_types, (links or LinkOptions()).decoder)


class _PairJob:
    """What both jobs share."""

    def __init__(self, split: LinkSplit, links: LinkOptions | None) -> None:
        self.split, self.links = split, links

    @property
    def recorded(self) -> dict[str, Any]:
        """See :class:`gnnctl.training.job.Job`."""
        return {} if self.links is None else {"links": self.links.to_json()}

    def initial_model(self, options: ModelOptions, seed: int) -> nn.Module:
        """See :class:`gnnctl.training.job.Job`."""
        seed_torch(seed, 0)
        view = self.split.view("train")
        model = pair_model(self.split.target, options, self.links, view.schema)
        if model.fit_degrees is not None:
            model.fit_degrees(lambda t: torch.from_numpy(np.bincount(np.diff(view.edges[t].colptr))))
        return model


class LinkJob(_PairJob):
    """Links told from what is no link.

    Args:
        split: links, views and evaluation negatives.
        links: decoder and loss.
    """

    links: LinkOptions

    def __init__(self, split: LinkSplit, links: LinkOptions | None = None) -> None:
        super().__init__(split, links or LinkOptions())

    def objective(self, options: TrainOptions) -> LinkObjective:
        """See :class:`gnnctl.training.job.Job`."""
        check_seeds("train", self.split.part("train").relation)
        for flag, used in (
            ("--class-weights", options.class_weights != "none"),
            ("--label-smoothing", options.label_smoothing != 0),
            ("--focal", options.focal != 0),
        ):
            if used:
                raise UsageError(f"{flag} is for classes, and links to be found have none", fix="leave it out")
        return LinkObjective(self.split, self.links)

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """See :class:`gnnctl.training.job.Job`; the baseline ranks candidates by their training links.

        Of the train part at most :data:`TRAIN_LINKS` links are ``ranked``, in even steps.
        """
        assert isinstance(model, LinkModel)
        model.eval()
        split = self.split
        found: dict[str, Any] = {}
        cards: list[Card] = []
        plain = popularity(split.graph, split.target.edge_types, split.part("train"))
        for name in PARTS:
            part = split.part(name)
            asked = spread(len(part.relation), TRAIN_LINKS if name == "train" else 0)
            ranking = Ranking(split.graph, split.target.edge_types, part.take(asked))
            represented = represent_all(model, split.view(name), device, progress=progress, processes=processes)
            check_finite(represented)
            scores = link_scores(model, represented, split, name, ranking, asked, self.links, processes)
            constant = ranking.ranks(plain, processes=processes)
            found[name] = {
                "seeds": len(part.relation),
                **({"ranked": len(asked)} if len(asked) < len(part.relation) else {}),
                **scores.metrics(ranking),
                "baseline": ranking.metrics(constant) if len(asked) else {},
            }
            if len(asked) and not processes.share.rank:  # of the last part that has links
                cards = link_cards(split, name, ranking.links, scores, constant, self.links)
        return Evaluation(found, cards, WHOLE_VIEW if spec is not None else "")


class EdgeJob(_PairJob):
    """Labels of edges.

    Args:
        split: edges with their labels, and views.
    """

    def __init__(self, split: LinkSplit) -> None:
        super().__init__(split, None)

    def objective(self, options: TrainOptions) -> Supervised:
        """See :class:`gnnctl.training.job.Job`."""
        links = self.split.part("train")
        check_seeds("train", links.relation)
        assert links.label is not None
        return Supervised(
            Task.of(self.split.target, links.label, options.class_weights, options.label_smoothing, options.focal)
        )

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """See :class:`gnnctl.training.job.Job`; the baseline is the constant prediction."""
        assert isinstance(model, EdgeModel)
        model.eval()
        split = self.split
        found: dict[str, Any] = {}
        cards: list[Card] = []
        names = [str(value) for value in split.target.classes or ()]
        train = split.part("train").label
        assert train is not None
        task = Task.of(split.target, train)
        for name in PARTS:
            part = split.part(name)
            assert part.label is not None
            represented = represent_all(model, split.view(name), device, progress=progress, processes=processes)
            attr = link_features(split.graph, split.target.edge_types, part.relation, part.pos)
            logits = pair_scores(model, represented, part, attr)
            check_finite({"logits": logits})
            found[name] = {
                "seeds": len(part.relation),
                **evaluate(task, logits, torch.from_numpy(part.label)),
                "baseline": baseline(task, train, part.label),
            }
            if len(part.label) and not processes.share.rank:  # of the last part that has links
                cards = [
                    *quality_cards(task, logits.numpy(), part.label, names, name),
                    *edge_cards(task, split, part, logits),
                ]
        return Evaluation(found, cards, WHOLE_VIEW if spec is not None else "")


def check_finite(values: dict[str, torch.Tensor]) -> None:
    """DataError where a trained model gives something that is no number."""
    if not all(bool(torch.isfinite(v).all()) for v in values.values()):
        problem = "the trained model gives scores that are no numbers"
        raise DataError(problem, fix="lower --lr or pass --clip-grad 1")

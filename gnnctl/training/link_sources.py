"""Batches of links over a whole view of the graph."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch, LinkSeeds, link_features
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.methods import Spec
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.training.link_options import HARD_POOL, LinkOptions
from gnnctl.training.loop import BatchSource


class FullLinkBatches:
    """Every batch is the part's whole view, with some of its links.

    Args:
        split: the links and their views.
        batch_size: links a batch; None: all of them.
        device: where the view goes, once.
        negatives: draws those of each batch; None: batches have none.
        seed: of the links' order, which is another each epoch.
        degrees: the model asks for degrees.
    """

    def __init__(
        self,
        split: LinkSplit,
        batch_size: int | None,
        device: torch.device,
        *,
        negatives: LinkNegatives | None = None,
        seed: int = 0,
        degrees: bool = False,
    ) -> None:
        self._split, self._device, self._degrees = split, device, degrees
        self._negatives, self._seed = negatives, seed
        count = len(split.part("train").relation)
        self._batch_size = batch_size or max(1, count)
        self.steps = -(-count // self._batch_size)
        self.has_validation = len(split.part("val").relation) > 0
        self._views: dict[str, Batch] = {}

    def train(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        links, size = self._split.part("train"), self._batch_size
        order = np.random.default_rng([self._seed, epoch]).permutation(len(links.relation))
        for start in range(0, len(order), size):
            chosen = links.take(order[start : start + size] if self.steps > 1 else np.sort(order))
            yield self._batch("train", chosen, epoch)

    def validation(self) -> Iterable[Batch]:
        """One batch of the validation links, without negatives."""
        yield self._batch("val", self._split.part("val"), None)

    def _batch(self, part: str, links: Links, epoch: int | None) -> Batch:
        if part not in self._views:
            node_type = self._split.target.edge_types[0].src
            self._views[part] = Batch.full(self._split.view(part), node_type, degrees=self._degrees).to(self._device)
        n, of = len(links.relation), None
        relation, src, dst = links.relation, links.src, links.dst
        if self._negatives is not None and epoch is not None:
            drawn = self._negatives.draw(links.relation, links.src, links.dst, epoch)
            relation = np.concatenate([links.relation, links.relation[drawn.positive]])
            src, dst = np.concatenate([links.src, drawn.src]), np.concatenate([links.dst, drawn.dst])
            of = self._moved(drawn.positive)
        attr = None
        if self._split.target.task == "edge":
            attr = link_features(self._split.graph, self._split.target.edge_types, links.relation, links.pos)
        return replace(
            self._views[part],
            num_seeds=n,
            links=LinkSeeds(
                relation=self._moved(relation),
                src=self._moved(src),
                dst=self._moved(dst),
                num_positives=n,
                negative_of=of,
                attr=None if attr is None else self._moved(attr),
            ),
            y=None if links.label is None else self._moved(links.label),
        )

    def _moved(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(values)).to(self._device)


def negatives_of(split: LinkSplit, links: LinkOptions, seed: int) -> LinkNegatives | None:
    """What draws the negatives of training; None where the loss has no use for them.

    Left out are the links that training knows, and not those of val and test: which pairs are never drawn would
    tell of them.

    Raises:
        UsageError: options that do not go together.
    """
    if links.loss == "all":
        return None
    hard = links.negative_method == "hard"
    known = split.view("val")
    try:
        return LinkNegatives(
            known,
            split.target.edge_types,
            per_positive=links.negatives * (HARD_POOL if hard else 1),
            method="uniform" if links.negative_method == "hard" else links.negative_method,
            corrupt=links.corrupt,
            exclude=not links.keep_known,
            seed=seed,
        )
    except ValueError as problem:
        raise UsageError(f"negatives: {problem}", fix="change --negative-method or --corrupt") from None


def link_batches(
    split: LinkSplit,
    links: LinkOptions | None,
    spec: Spec | None,
    batch_size: int | None,
    device: torch.device,
    *,
    seed: int,
    degrees: bool,
) -> BatchSource:
    """The batches of a split of links, over the full graph or sampled.

    Args:
        links: of the task ``link``; None: batches have no negatives.
        spec: fan-outs; None: the full graph.
        batch_size: links a batch; None: all of them.
        seed: of the negatives, and of the order over the full graph.
        degrees: the model asks for degrees.

    Raises:
        UsageError: options that do not go together.
    """
    negatives = None if links is None else negatives_of(split, links, seed)
    return FullLinkBatches(split, batch_size, device, negatives=negatives, seed=seed, degrees=degrees)

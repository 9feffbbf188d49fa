"""Where batches of links come from: a whole view of the graph, sampling on the fly, or records."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch, LinkSeeds, link_features
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.link_sampler import opposites_of
from gnnctl.sampling.links import LinkLoader
from gnnctl.sampling.loader import Records
from gnnctl.sampling.methods import Spec, open_method
from gnnctl.sampling.share import WHOLE, Share
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.stream import StreamRecords
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.training.link_options import HARD_POOL, LinkOptions, check_sampled
from gnnctl.training.loop import BatchSource
from gnnctl.training.partitions import share_of
from gnnctl.training.sources import reading


class FullLinkBatches:
    """Every batch is the part's whole view, with some of its links.

    Args:
        split: the links and their views.
        batch_size: links a batch; None: all of them.
        device: where the view goes, once.
        negatives: draws those of each batch; None: batches have none.
        seed: of the links' order, which is another each epoch.
        degrees: the model asks for degrees.
        prepare: called with each part's view, once.
        share: of every batch.
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
        prepare: Callable[[Batch], Any] | None = None,
        share: Share = WHOLE,
    ) -> None:
        self._split, self._device, self._degrees, self._prepare = split, device, degrees, prepare
        self._negatives, self._seed, self._share = negatives, seed, share
        count = len(split.part("train").relation)
        self._batch_size = batch_size or max(1, count)
        self.steps = -(-count // self._batch_size)
        self.has_validation = len(split.part("val").relation) > 0
        self._views: dict[str, Batch] = {}

    def train(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        links, size = self._split.part("train"), self._batch_size
        order = np.random.default_rng([self._seed, epoch]).permutation(len(links.relation))
        cut = (order[start : start + size] for start in range(0, len(order), size))
        for chosen, counted in self._share.of(cut if self.steps > 1 else [np.sort(order)], filled=True):
            yield replace(self._batch("train", links.take(chosen), epoch), counted=counted)

    def validation(self) -> Iterable[Batch]:
        """One batch of the validation links, without negatives."""
        links = self._split.part("val")
        for chosen, _ in self._share.of([np.arange(len(links.relation))], filled=False):
            yield self._batch("val", links.take(chosen), None)

    def _batch(self, part: str, links: Links, epoch: int | None) -> Batch:
        if part not in self._views:
            node_type = self._split.target.edge_types[0].src
            view = Batch.full(self._split.view(part), node_type, degrees=self._degrees)
            if self._prepare is not None:
                self._prepare(view)
            self._views[part] = view.to(self._device)
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
    """
    if links.loss == "all":
        return None
    method = links.negative_method
    return LinkNegatives.of(
        split,
        links.negatives * (HARD_POOL if method == "hard" else 1),
        method="uniform" if method == "hard" else method,
        corrupt=links.corrupt,
        keep_known=links.keep_known,
        seed=seed,
    )


class SampledLinkBatches:
    """Batches around the ends of training links and their negatives, sampled in the train view or read from records.

    Validation of labelled edges is sampled at epoch 0; that of links to be found needs no batches. With packed features
    all batches are read, those of the validation too.

    Args:
        split: the links and their views.
        spec: fan-outs.
        batch_size: links a batch.
        device: where batches go.
        negatives: draws those of each batch; None: batches have none. Records have their own.
        records: where training batches are read; None samples them. An artifact with fewer epochs begins again, in
            another order.
        prepare: called with each batch in its loading thread.
        degrees: the model asks for degrees.
        num_threads: that load ahead.
        balanced: training batches have an equal part of each class.
        share: of every batch.

    Raises:
        UsageError: balanced, and no classes; records of edges with features, which they do not hold.
    """

    def __init__(
        self,
        split: LinkSplit,
        spec: Spec,
        batch_size: int,
        device: torch.device,
        *,
        negatives: LinkNegatives | None = None,
        records: Records | None = None,
        prepare: Callable[[Batch], Any] | None = None,
        degrees: bool = False,
        num_threads: int = 2,
        balanced: bool = False,
        share: Share = WHOLE,
    ) -> None:
        if balanced and split.target.problem != "multiclass":
            raise UsageError(f"--balanced: a {split.target.problem} has no classes to balance", fix="leave it out")
        self._balanced = balanced
        self._split, self._spec, self._device, self._records = split, spec, device, records
        self._batch_size, self._negatives = batch_size, negatives
        self._prepare, self._degrees, self._num_threads = prepare, degrees, num_threads
        self._share, self._types = share, split.target.edge_types
        self._labelled = split.target.task == "edge"
        self._attr = {
            name: link_features(split.graph, self._types, links.relation, links.pos)
            for name, links in split.parts.items()
            if self._labelled
        }
        if records is not None and self._attr.get("train") is not None:
            raise UsageError("the subgraphs do not hold the features of the edges", fix="train on the split itself")
        opposite = opposites_of(split)
        self._sampled = partial(LinkLoader, edge_types=self._types, opposite=opposite, batch_size=batch_size)
        count = len(split.part("train").relation)
        self.steps = -(-count // batch_size)
        self.has_validation = len(split.part("val").relation) > 0

    def train(self, epoch: int) -> Iterable[Batch]:
        """The batches of an epoch, loaded ahead."""
        if self._records is None:
            return self._loader("train", epoch, self._negatives, shuffle_seed=self._spec.seed)
        if isinstance(self._records, StreamRecords):
            return self._loader("train", epoch, None, source=self._records)
        at, order = reading(self._records, self._spec.seed, epoch)
        return self._loader("train", at, None, source=self._records, order=order)

    def validation(self) -> Iterable[Batch]:
        """The batches of the validation part, where its edges are labelled or its records carry their features."""
        if isinstance(self._records, SubgraphRecords) and self._records.packed:
            return self._loader("val", 0, None, source=self._records)
        return self._loader("val", 0, None) if self._labelled else []

    def _loader(
        self,
        part: str,
        epoch: int,
        negatives: LinkNegatives | None,
        *,
        source: Records | None = None,
        shuffle_seed: int | None = None,
        order: int | None = None,
    ) -> Iterator[Batch]:
        view, links = self._split.view(part), self._split.part(part)
        numbered = self._attr.get(part) is not None
        # Where an edge's features are wanted, its number in the part travels in the place of its label.
        named = links._replace(label=np.arange(len(links.relation))) if numbered else links
        batches = self._sampled(
            source or open_method(view, self._spec, features=True),
            view,
            named,
            negatives=negatives,
            balanced=self._balanced and part == "train" and source is None,
            classes=links.label,
            shuffle_seed=shuffle_seed,
            epoch=epoch,
            part=part,
            order=order,
            num_threads=self._num_threads,
            device=self._device,
            degrees=self._degrees,
            prepare=self._prepare if part == "train" else None,
            share=share_of(self._split, part, self._share),
        )
        return (self._with_features(batch, part) for batch in batches) if numbered else iter(batches)

    def _with_features(self, batch: Batch, part: str) -> Batch:
        attr, label = self._attr[part], self._split.part(part).label
        assert batch.y is not None
        assert batch.links is not None
        assert attr is not None
        assert label is not None
        numbers = batch.y.cpu().numpy()
        own = torch.from_numpy(attr[numbers]).to(self._device)
        y = torch.from_numpy(label[numbers]).to(self._device)
        return replace(batch, y=y, links=replace(batch.links, attr=own))


def link_batches(
    split: LinkSplit,
    links: LinkOptions | None,
    spec: Spec | None,
    batch_size: int | None,
    device: torch.device,
    *,
    records: Records | None,
    seed: int,
    prepare: Callable[[Batch], Any] | None,
    degrees: bool,
    num_threads: int,
    balanced: bool = False,
    whole: bool = False,
    share: Share = WHOLE,
) -> BatchSource:
    """The batches of a split of links, over the full graph or sampled.

    Args:
        links: of the task ``link``; None: batches have no negatives.
        spec: fan-outs; None: the full graph.
        batch_size: links a batch; None: all of them.
        seed: of the negatives, and of the order over the full graph.
        records, prepare, degrees, num_threads, balanced, share: see :class:`SampledLinkBatches`.
        whole: the model sees a graph at once: ``prepare`` is for the full graph too.

    Raises:
        UsageError: as :class:`SampledLinkBatches`; a loss that samples do not go with.
    """
    if spec is not None and links is not None:
        check_sampled(links)
    if spec is None or batch_size is None:
        negatives = None if links is None else negatives_of(split, links, seed)
        return FullLinkBatches(
            split,
            batch_size,
            device,
            negatives=negatives,
            seed=seed,
            degrees=degrees,
            prepare=prepare if whole else None,
            share=share,
        )
    return SampledLinkBatches(
        split,
        spec,
        batch_size,
        device,
        negatives=None if links is None or records is not None else negatives_of(split, links, spec.seed),
        records=records,
        prepare=prepare,
        degrees=degrees,
        num_threads=num_threads,
        balanced=balanced,
        share=share,
    )

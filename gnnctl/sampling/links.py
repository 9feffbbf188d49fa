"""Batches of links: positive ones, their negatives, and the sampled neighbourhood of all their ends."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.link_sampler import LinkSampler
from gnnctl.sampling.loader import Loader, Records, Source
from gnnctl.sampling.share import WHOLE, Share
from gnnctl.splits.link import Links


class LinkLoader(Loader):
    """The batches of links of one part and epoch, as :class:`Loader` makes those of nodes.

    ``batch.links`` names the links in local nodes, positive ones first: in triplets a negative shares an end with the
    positive it is of (``negative_of``), in binary form each is a row with or without a link. ``num_seeds`` counts the
    positive ones, and ``y`` has their labels, if they have any.

    Shuffled links are in ascending order of (key(run seed, epoch, name("shuffle"), number in the part), number).

    Args:
        source: a way of sampling the part's view, or records of it.
        graph: the part's view, where the features are.
        links: of the part.
        edge_types: their relations.
        negatives: how they are drawn, or fixed ones; see :class:`LinkSampler`. Records have their own.
        opposite: as for :class:`LinkSampler`.
        batch_size: links a batch, not counting negatives.
        balanced, classes, shuffle_seed, epoch, part, order, num_threads, ahead, device, degrees, prepare, share: as
            for :class:`Loader`.

    Raises:
        UsageError, DataError, ValueError: as :class:`LinkSampler` and :class:`Loader`.
    """

    def __init__(
        self,
        source: Source,
        graph: Graph,
        links: Links,
        edge_types: Sequence[EdgeType],
        negatives: LinkNegatives | Links | None = None,
        *,
        opposite: Mapping[EdgeType, Sequence[EdgeType]] | None = None,
        batch_size: int = 1024,
        balanced: bool = False,
        classes: np.ndarray | None = None,
        shuffle_seed: int | None = None,
        epoch: int = 0,
        part: str = "train",
        order: int | None = None,
        num_threads: int = 1,
        ahead: int | None = None,
        device: torch.device | str = "cpu",
        degrees: bool = False,
        prepare: Callable[[Batch], Any] | None = None,
        share: Share = WHOLE,
    ) -> None:
        stored = isinstance(source, Records)
        if not isinstance(source, Records):
            source = LinkSampler(source, links, edge_types, negatives, opposite=opposite)
        super().__init__(
            source,
            graph,
            edge_types[0].src,
            np.arange(len(links.src)),
            None if stored else links.label,
            batch_size=batch_size,
            balanced=balanced,
            classes=classes,
            shuffle_seed=shuffle_seed,
            epoch=epoch,
            part=part,
            order=order,
            num_threads=num_threads,
            ahead=ahead,
            device=device,
            degrees=degrees,
            prepare=prepare,
            share=share,
        )

"""Where the batches of a training run come from: the full graph, sampling on the fly, records, or a stream of them."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.nn.models.unsupervised import WalkBatch, WalkModel
from gnnctl.sampling.loader import Loader, Records, Source
from gnnctl.sampling.methods import Spec, open_method
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.reorder import reading_key
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.share import WHOLE, Share
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.stream import StreamRecords
from gnnctl.splits import NodeSplit
from gnnctl.training.partitions import share_of


class FullBatches:
    """The whole graph as one batch an epoch; validation sees the same graph, so it is exact.

    Args:
        split: seeds and labels.
        device: where the graph goes, once.
        degrees: the model asks for degrees.
        prepare: called with the batch, once.
    """

    steps = 1

    def __init__(
        self,
        split: NodeSplit,
        device: torch.device,
        *,
        degrees: bool,
        prepare: Callable[[Batch], Any] | None = None,
    ) -> None:
        rows, labels = split.part("train")
        batch = Batch.full(split.graph, split.target.node_type, rows, labels, degrees=degrees)
        if prepare is not None:
            prepare(batch)
        self._train = batch.to(device)
        rows, labels = split.part("val")
        self.has_validation = len(rows) > 0
        self._validation = replace(
            self._train,
            num_seeds=len(rows),
            seed_rows=torch.from_numpy(np.array(rows)).to(device),
            y=torch.from_numpy(np.array(labels)).to(device),
        )

    def train(self, epoch: int) -> Iterable[Batch]:
        """The one batch."""
        return [self._train]

    def validation(self) -> Iterable[Batch]:
        """The one batch, with the validation seeds."""
        return [self._validation]


class WalkBatches:
    """Windows of random walks from the seeds; validation walks from its own seeds at epoch 0.

    Args:
        split: seeds, of one of the types that the model embeds.
        model: whose walks they are.
        batch_size: starts a batch.
        device: where batches go.
        seed: of the walks and of their order.
        num_threads: that walk ahead.
    """

    def __init__(
        self, split: NodeSplit, model: WalkModel, batch_size: int, device: torch.device, *, seed: int, num_threads: int
    ) -> None:
        self._split, self._model, self._walker = split, model, model.walker(split.graph)
        self._batch_size, self._device, self._seed, self._num_threads = batch_size, device, seed, num_threads
        self.steps = -(-len(split.part("train")[0]) // batch_size)
        self.has_validation = len(split.part("val")[0]) > 0

    def train(self, epoch: int) -> Iterable[WalkBatch]:
        """The batches of an epoch."""
        return self._walked("train", epoch)

    def validation(self) -> Iterable[WalkBatch]:
        """The batches of the validation part."""
        return self._walked("val", 0)

    def _walked(self, part: str, epoch: int) -> Iterable[WalkBatch]:
        rows, _ = self._split.part(part)
        order = batches(rows, self._batch_size, shuffle=epoch > 0, seed=self._seed, epoch=epoch)

        def walk(starts: np.ndarray) -> WalkBatch:
            return self._model.batch(self._walker, torch.from_numpy(starts), seed=self._seed, epoch=epoch)

        return (batch.to(self._device) for batch in ordered_map(walk, order, self._num_threads))


class SampledBatches:
    """Batches around the training seeds, sampled on the fly or read from records; validation is sampled at epoch 0.

    Whatever the source, the batches are the same: sampling is a function of the spec, the epoch and the seeds.

    Args:
        split: seeds and labels.
        spec: fan-outs.
        batch_size: seeds a batch.
        device: where batches go, copied ahead by the loading threads.
        records: where training batches are read; None samples them. An artifact with fewer epochs begins again, in
            another order. With packed features all batches are read, those of the validation too.
        prepare: called with each batch in its loading thread.
        degrees: the model asks for degrees.
        num_threads: that load ahead; 0 loads between the steps.
        balanced: training batches have an equal part of each class.
        share: of every batch.

    Raises:
        UsageError: a model or target that the way of sampling does not go with.
    """

    def __init__(
        self,
        split: NodeSplit,
        spec: Spec,
        batch_size: int,
        device: torch.device,
        *,
        records: Records | None = None,
        prepare: Callable[[Batch], Any] | None = None,
        degrees: bool = False,
        num_threads: int = 2,
        balanced: bool = False,
        share: Share = WHOLE,
    ) -> None:
        self._split, self._spec, self._device = split, spec, device
        self._batch_size, self._records = batch_size, records
        self._prepare, self._degrees, self._num_threads = prepare, degrees, num_threads
        self._balanced, self._share = balanced, share
        if degrees and spec.time is None and spec.whole() is not None:
            why = "not those of the sampler"
            raise UsageError(f"this model counts a node's edges in the whole graph, {why}", fix="use sage or gat")
        if balanced and split.target.problem != "multiclass":
            raise UsageError(f"--balanced: a {split.target.problem} has no classes to balance", fix="leave it out")
        self._held_out: Source
        if isinstance(records, SubgraphRecords) and records.packed:
            self._held_out = records
        else:
            self._held_out = open_method(split.graph, spec, features=True)
        self.steps = -(-len(split.part("train")[0]) // batch_size)
        self.has_validation = len(split.part("val")[0]) > 0

    def train(self, epoch: int) -> Iterable[Batch]:
        """The batches of an epoch, loaded ahead."""
        if self._records is None:
            return self._loader(self._held_out, "train", epoch, self._spec.seed)
        if isinstance(self._records, StreamRecords):
            return self._loader(self._records, "train", epoch, None)
        at, order = reading(self._records, self._spec.seed, epoch)
        return self._loader(self._records, "train", at, None, order)

    def validation(self) -> Iterable[Batch]:
        """The batches of the validation part."""
        return self._loader(self._held_out, "val", 0, None)

    def _loader(
        self, source: Source, part: str, epoch: int, shuffle_seed: int | None, order: int | None = None
    ) -> Loader:
        rows, labels = self._split.part(part)
        return Loader(
            source,
            self._split.graph,
            self._split.target.node_type,
            rows,
            labels,
            batch_size=self._batch_size,
            balanced=self._balanced and part == "train" and self._records is None,
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


def reading(records: SubgraphRecords, seed: int, epoch: int) -> tuple[int, int | None]:
    """Which epoch of stored records a training epoch reads, and by what number it shuffles them; None: as they are."""
    held = records.description.epochs
    # Records come in their epoch's keyed order, which is as random as another; only a second reading needs one.
    again = epoch > held or not records.keyed
    return (epoch - 1) % held + 1, reading_key(seed, epoch) if again else None

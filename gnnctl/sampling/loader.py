"""Batches for a model, made by background threads: sampled or read, features gathered, copied to the device."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch, LinkSeeds
from gnnctl.graph.graph import Graph
from gnnctl.sampling.concatenate import concatenate
from gnnctl.sampling.link_batch import LinkBatch
from gnnctl.sampling.merge import check_mergeable, merge_columns
from gnnctl.sampling.method import Method
from gnnctl.sampling.methods import MethodSpec
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.packs import Pack, PackedFeatures
from gnnctl.sampling.records import Block
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.share import WHOLE, Share
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.stream import StreamRecords
from gnnctl.sampling.subgraph import Subgraph

Records = SubgraphRecords | StreamRecords
Source = Method | Records
_BLOCKS_AHEAD = 2  # of stored records, megabytes each


class _Work(NamedTuple):
    """One batch to be made."""

    structure: Callable[[], Subgraph]
    labels: np.ndarray | None
    packs: tuple[Pack, ...] = ()
    counted: bool = True


class Loader:
    """The batches of one part and epoch, in a fixed order; may be iterated several times (a stream only once).

    The native code of the threads releases the GIL, so that they work while the model trains. The same batches come
    from any source of the same recipe and with any number of threads. Memory: ``ahead`` batches.

    Args:
        source: a way of sampling (on the fly), stored records, or a stream of them.
        graph: where the features are.
        node_type: of the seeds.
        seeds: (n,) int64 distinct rows. Records hold their own: then only ``labels`` refers to these.
        labels: of ``seeds``; None takes those that records hold.
        batch_size: seeds a batch. Records of single seeds are merged to this size; those of batches keep theirs.
        balanced: every batch has an equal part of each class; order is keyed.
        classes: (n,) of ``seeds``, to balance by; None: ``labels``.
        shuffle_seed: keyed order from this seed; None keeps the order of ``seeds``. Records are in order already.
        epoch: 1.. for training, 0 for evaluation.
        part: of the records: train, val or test.
        order: shuffles stored records by this number; None reads them in their own order.
        num_threads: 0 works in the calling thread.
        ahead: batches ready or under way; default two a thread.
        device: where batches go; to a GPU from page-locked memory, on a stream of its own.
        degrees: also gather degrees (models with ``needs_degree``).
        prepare: called with each batch in its thread, for example to build transposed views ahead.
        share: of every batch, where processes share them; of the part train each has at least one seed to compute with.

    Raises:
        UsageError: records of single seeds that do not merge; records of batches, or a stream, to be shared.
    """

    def __init__(
        self,
        source: Source,
        graph: Graph,
        node_type: str,
        seeds: np.ndarray,
        labels: np.ndarray | None = None,
        *,
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
        self._source = source
        self._graph = graph
        self._node_type = node_type
        self._seeds = seeds
        self._labels = labels
        self._batch_size = batch_size
        self._balanced = balanced
        self._classes = labels if classes is None else classes
        self._shuffle_seed = shuffle_seed
        self._epoch = epoch
        self._part = part
        self._order = order
        self._num_threads = num_threads
        self._ahead = ahead
        self._device = torch.device(device)
        self._degrees = degrees
        self._prepare = prepare
        self._share = share
        if share.among > 1 and isinstance(source, Records):
            check_shared(source)
        if isinstance(source, Records) and source.description.unit == "seed":
            check_mergeable(source.description.spec)

    def __len__(self) -> int:
        """Number of batches."""
        if not isinstance(self._source, Records):
            return -(-len(self._seeds) // self._batch_size)
        records = self._source.description.segment(self._part, self._epoch, "the source").records
        return records if self._source.description.unit == "batch" else -(-records // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if self._device.type != "cuda":
            made = ordered_map(self._make, self._work(), self._num_threads, self._ahead)
            return made if self._device.type == "cpu" else (batch.to(self._device) for batch in made)
        return self._on_gpu()

    def _work(self) -> Iterator[_Work]:
        source = self._source
        if not isinstance(source, Records):
            lookup = _Lookup(self._seeds, self._labels)
            order = batches(
                self._seeds,
                self._batch_size,
                shuffle=self._shuffle_seed is not None,
                seed=self._shuffle_seed or 0,
                epoch=self._epoch,
                groups=None if self._balanced else source.groups(self._seeds, self._node_type),
                classes=self._classes if self._balanced else None,
            )
            for seeds, counted in self._share.of(order, filled=self._part == "train"):
                structure = partial(source.sample, seeds, self._node_type, self._epoch)
                yield _Work(structure, lookup.of(seeds), counted=counted)
            return
        if isinstance(source, SubgraphRecords):
            blocks = source.blocks(
                self._part,
                self._epoch,
                ahead=_BLOCKS_AHEAD,
                order=self._order,
                positions=_has_edge_arrays(source, self._graph),
            )
        else:
            blocks = source.blocks(self._part, self._epoch)
        merged, spec = source.description.unit == "seed", source.description.spec
        merge = concatenate if isinstance(spec, MethodSpec) and spec.disjoint else merge_columns
        lookup = _Lookup(self._seeds, self._labels)
        for block in _sized(blocks, self._batch_size) if merged else blocks:
            if merged:
                start, end, counted = self._share.stretch(len(block), filled=self._part == "train")
                if start < end:
                    own = block.rows(start, end)
                    labels = own.labels if self._labels is None else lookup.of(own.columns.seeds)
                    yield _Work(partial(merge, own.columns), labels, own.packs, counted)
                continue
            for i, count in enumerate(block.columns.seed_counts):
                start = int(block.columns.seed_counts[:i].sum())
                seeds = block.columns.seeds[start : start + int(count)]
                labels = block.labels_of(i) if self._labels is None else lookup.of(seeds)
                yield _Work(partial(block.columns.subgraph, i), labels, block.packs)

    def _make(self, work: _Work) -> Batch:
        pin = self._device.type == "cuda"
        subgraph = work.structure()
        features = PackedFeatures(work.packs) if work.packs else None
        batch = Batch.from_subgraph(
            subgraph, self._graph, work.labels, degrees=self._degrees, pin=pin, features=features
        )
        if subgraph.links is not None:
            batch.links, batch.num_seeds = link_seeds(subgraph.links), len(subgraph.links.relation)
        batch.counted = work.counted
        if self._prepare is not None:
            self._prepare(batch)
        return batch

    def _on_gpu(self) -> Iterator[Batch]:
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]  # torch gives it no types

        def make(work: _Work) -> tuple[Batch, torch.cuda.Event]:
            batch = self._make(work)
            with torch.cuda.stream(stream):
                moved = batch.to(self._device, non_blocking=True)
                copied = stream.record_event()
            copied.synchronize()  # the page-locked memory is let go of when this returns
            return moved, copied

        for batch, copied in ordered_map(make, self._work(), self._num_threads, self._ahead):
            current = torch.cuda.current_stream(self._device)
            current.wait_event(copied)
            for tensor in _tensors(batch):
                tensor.record_stream(current)
            yield batch


def check_shared(source: Records) -> None:
    """UsageError for records whose batches cannot be shared among processes."""
    if isinstance(source, StreamRecords):
        raise UsageError("a stream of subgraphs reaches one process alone", fix="sample into a folder first")
    if source.description.unit == "batch":
        raise UsageError("these subgraphs are of whole batches, which processes cannot share", fix="use --unit seed")


def link_seeds(links: LinkBatch) -> LinkSeeds:
    """The links in local numbers, positive ones first."""
    positive, local = links.positive, links.ends().local
    order = np.concatenate([np.flatnonzero(positive), np.flatnonzero(~positive)])
    group, count = links.group[order].astype(np.int64), len(links.relation)
    src, dst = np.ascontiguousarray(local[order].T)
    return LinkSeeds(
        relation=torch.from_numpy(links.relation.astype(np.int64)[group]),
        src=torch.from_numpy(src),
        dst=torch.from_numpy(dst),
        num_positives=count,
        negative_of=torch.from_numpy(group[count:]) if len(group) > count else None,
    )


def _has_edge_arrays(source: SubgraphRecords, graph: Graph) -> bool:
    """Whether a batch gathers weights or features of edges, by their positions."""
    features = source.description.features
    return (features is not None and bool(features.edges)) or any(
        store.weight is not None or store.edge_attr is not None for store in graph.edges.values()
    )


class _Lookup:
    """Labels by seed."""

    def __init__(self, seeds: np.ndarray, labels: np.ndarray | None) -> None:
        self._labels = labels
        self._order = np.argsort(seeds, kind="stable") if labels is not None else np.zeros(0, np.int64)
        self._sorted = seeds[self._order]

    def of(self, seeds: np.ndarray) -> np.ndarray | None:
        if self._labels is None:
            return None
        at = np.minimum(np.searchsorted(self._sorted, seeds), len(self._sorted) - 1)
        if len(seeds) and (len(self._sorted) == 0 or not np.array_equal(self._sorted[at], seeds)):
            raise ValueError("seeds: a record has a seed that is not among them")
        return self._labels[self._order[at]] if len(seeds) else self._labels[:0]


def _sized(blocks: Iterator[Block], size: int) -> Iterator[Block]:
    """The same records in blocks of exactly ``size`` (the last may be smaller)."""
    waiting: list[Block] = []
    count = 0
    for block in blocks:
        while len(block):
            taken = block.rows(0, min(size - count, len(block)))
            block = block.rows(len(taken), len(block))
            waiting.append(taken)
            count += len(taken)
            if count == size:
                yield Block.joined(waiting)
                waiting, count = [], 0
    if waiting:
        yield Block.joined(waiting)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in a batch, through dataclasses, containers and objects."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _tensors(getattr(value, field.name))
    elif hasattr(value, "__dict__"):
        yield from _tensors(vars(value))

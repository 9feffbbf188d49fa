"""Deriving stored records again: are they what sampling gives?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.columns import RecordColumns
from gnnctl.sampling.keys import absorb_rows, name_hash
from gnnctl.sampling.link_batch import LinkBatch
from gnnctl.sampling.link_produce import given_negatives, link_producer
from gnnctl.sampling.methods import open_method
from gnnctl.sampling.packed import Packing, named_rows, packed_values
from gnnctl.sampling.packs import Pack
from gnnctl.sampling.plan import Task
from gnnctl.sampling.produce import Producer, labels_at
from gnnctl.sampling.records import Block, from_arrow, record_digests, to_arrow
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.splits import LinkSplit, NodeSplit


@dataclass(frozen=True)
class Resampled:
    """How many records were derived again, and what was wrong with them, a line each."""

    records: int
    problems: list[str]


def parse_share(text: str) -> float:
    """Read ``1%`` or ``0.01``.

    Raises:
        UsageError: no share above 0 and up to 1.
    """
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise UsageError(f"--resample '{text}'", fix="write a share such as 1% or 0.01")
    return share


def resample(artifact: Artifact, share: float, progress: Progress = no_progress) -> Resampled:
    """Draw a share of the records again and compare; which ones does not depend on their contents.

    Every number is compared, and that digests, labels and packed features are what they must be. Of records that
    ``gnnctl sample`` wrote also the seeds, and the negatives of links: they follow from the split.

    Args:
        artifact: of kind subgraphs; one shard of several will do.
        share: above 0, up to 1; at least one record.

    Raises:
        ArtifactError: a file cannot be read, or the split or graph is gone.
    """
    records = SubgraphRecords.whole(artifact)
    held = [(s["first"] + np.arange(s["records"])) for s in records.shards]
    numbers = np.concatenate(held) if held else np.zeros(0, np.int64)
    count = math.ceil(len(numbers) * share)
    chosen = np.sort(numbers[np.argsort(absorb_rows(name_hash("resample"), numbers), kind="stable")[:count]])
    split = records.split
    check = _NodeCheck(records, split) if isinstance(split, NodeSplit) else _LinkCheck(records, split)
    with progress(total=count, desc="resampling", unit="record") as bar:
        for shard, digests, block in _blocks(records, chosen):
            check.block(shard, digests, block)
            bar.update(len(block))
    return Resampled(count, check.problems)


class _Check:
    """Compares stored records with what sampling gives, and keeps what is wrong."""

    def __init__(self, records: SubgraphRecords) -> None:
        self._records, self._layout = records, records.description.layout
        self.problems: list[str] = []

    def block(self, shard: dict[str, Any], digests: bytes, block: Block) -> None:
        """Compare records, of one part and epoch, with what sampling gives."""
        for i in range(len(block)):
            stored = block.rows(i, i + 1)
            where = f"{self._records.artifact.path / shard['path']}: record {stored.first}"
            fresh = self._fresh(stored, where)
            if isinstance(fresh, str):
                self.problems.append(f"{where}: {fresh}")
            elif record_digests(fresh) != record_digests(stored):
                self.problems.append(f"{where}: sampling gives other {_difference(stored, fresh)}")
            elif record_digests(stored) != digests[32 * i : 32 * (i + 1)]:
                self.problems.append(f"{where}: its digest is not that of its values")
            elif (wrong := self._packed_difference(stored)) is not None:
                self.problems.append(f"{where}: packed features of {wrong} are not the graph's")

    def _fresh(self, stored: Block, where: str) -> Block | str:
        """What sampling gives for a record, or what is wrong with its seeds."""
        raise NotImplementedError  # a subclass says how

    def _packed_difference(self, block: Block) -> str | EdgeType | None:
        packing = self._records.description.features
        if packing is None:
            return None
        named = named_rows(to_arrow(block), self._layout)
        graph = self._records.split.view(block.part)
        for t in packing.files():
            for pack in block.packs:
                if not self._same(graph, pack, packing, t, np.unique(named[t])):
                    return t
        return None

    def _same(self, graph: Graph, pack: Pack, packing: Packing, t: str | EdgeType, rows: np.ndarray) -> bool:
        at = pack.places(t, rows)
        if np.any(at < 0):
            return False
        if isinstance(t, str):
            expected = packed_values(graph.nodes[t], rows, packing.nodes[t], t)
            return expected.tobytes() == np.ascontiguousarray(pack.column(t, "x")[at]).tobytes()
        store = graph.edges[t]
        pairs = (("weight", store.weight), ("edge_attr", store.edge_attr))
        return all(v is None or np.array_equal(pack.column(t, name)[at], v[rows]) for name, v in pairs)


class _NodeCheck(_Check):
    """Of records around nodes: adopted ones may have their seeds in any order."""

    def __init__(self, records: SubgraphRecords, split: NodeSplit) -> None:
        super().__init__(records)
        self._split = split
        self._sampler = open_method(split.graph, records.description.spec)
        d, balanced = records.description, bool(records.artifact.manifest.options.get("balanced", False))
        producer = Producer.around_nodes(split, d.spec, d.unit, d.batch_size, d.epochs, d.spec.seed, balanced)
        self._planned = _Planned(producer) if records.keyed else None

    def _fresh(self, stored: Block, where: str) -> Block | str:
        seeds, node_type = stored.columns.seeds.copy(), self._layout.node_type
        if self._planned is not None and not np.array_equal(seeds, self._planned.task(stored.first).seeds[0]):
            return "its seeds are not those of the split in their order"
        rows, labels = self._split.part(stored.part)
        if not np.all(np.isin(seeds, rows)):
            return f"a seed is not in the part {stored.part}"
        columns = RecordColumns.of([self._sampler.sample(seeds, node_type, stored.epoch)], self._layout)
        time = self._split.graph.nodes[node_type].time
        if time is not None and columns.seed_times is None:
            columns.seed_times = time[seeds]
        return Block(columns, stored.first, stored.part, stored.epoch, labels_at(rows, labels, seeds))


class _LinkCheck(_Check):
    """Of records around links, which the plan makes again with their negatives."""

    def __init__(self, records: SubgraphRecords, split: LinkSplit) -> None:
        super().__init__(records)
        d, options = records.description, records.artifact.manifest.options
        balanced, given = bool(options.get("balanced", False)), given_negatives(options)
        self._producer, _ = link_producer(split, d.spec, d.unit, d.batch_size, d.epochs, d.spec.seed, balanced, given)
        self._planned = _Planned(self._producer)

    def _fresh(self, stored: Block, where: str) -> Block | str:
        if not self._records.keyed:
            return self._around(stored)
        make = self._producer.maker(stored.first, stored.first + 1)
        made, d = make(self._planned.task(stored.first)), self._records.description
        fresh = from_arrow(made.batch, d.layout, d.labels, self._producer.view(stored.part), where)
        ours, theirs = fresh.columns.link_batch(), stored.columns.link_batch()
        assert ours is not None
        assert theirs is not None
        if not all(np.array_equal(one, other) for one, other in zip(_links(ours), _links(theirs), strict=True)):
            return "its links are not those of the split in their order"
        return fresh if ours.same_as(theirs) else "sampling gives other negatives"

    def _around(self, stored: Block) -> Block:
        """Sampled around the links and negatives that are there, which those who wrote them chose."""
        links = stored.columns.link_batch()
        assert links is not None
        sampler = self._producer.sampler(stored.part)
        columns = RecordColumns.of([sampler.around(links, stored.epoch)], self._layout)
        if columns.seed_times is None:
            columns.seed_times = stored.columns.seed_times
        return Block(columns, stored.first, stored.part, stored.epoch, stored.labels)


def _links(batch: LinkBatch) -> list[np.ndarray]:
    """Relations, sources and destinations of the links themselves."""
    return [batch.relation, batch.src[batch.positive], batch.dst[batch.positive]]


class _Planned:
    """The work for single records, by their number; the seeds of one part and epoch are kept."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._part, self._epoch = "", 0
        self._first, self._seeds = 0, list[np.ndarray]()

    def task(self, number: int) -> Task:
        if not self._first <= number < self._first + len(self._seeds):
            segment = next(s for s in self._producer.plan.segments() if s.first <= number < s.first + s.records)
            tasks = self._producer.tasks(segment.first, segment.first + segment.records)
            self._part, self._epoch = segment.part, segment.epoch
            self._first, self._seeds = segment.first, [seeds for task in tasks for seeds in task.seeds]
        return Task(number, self._part, self._epoch, [self._seeds[number - self._first]])


def _blocks(records: SubgraphRecords, chosen: np.ndarray) -> Iterator[tuple[dict[str, Any], bytes, Block]]:
    """The chosen records, ascending, each in a block of its own, with its file and its stored digest."""
    for shard in records.shards:
        first = shard["first"]
        wanted = chosen[(chosen >= first) & (chosen < first + shard["records"])]
        if len(wanted) == 0:
            continue
        digests = (records.artifact.path / shard["path"]).with_suffix(".digests").read_bytes()
        for block in records.groups_with(shard, wanted):
            for number in wanted[(wanted >= block.first) & (wanted < block.first + len(block))]:
                i, at = int(number) - block.first, int(number) - first
                yield shard, digests[32 * at : 32 * (at + 1)], block.rows(i, i + 1)


def _difference(stored: Block, fresh: Block) -> str:
    """What two records of the same seeds differ in."""
    for name in (
        "node_counts",
        "nodes",
        "node_group",
        "edge_counts",
        "edge_row",
        "edge_col",
        "edge_pos",
        "edge_weight",
    ):
        one, other = getattr(stored.columns, name), getattr(fresh.columns, name)
        if (one is None) != (other is None) or (one is not None and not np.array_equal(one, other)):
            return name
    if stored.labels is None or fresh.labels is None:
        return "labels" if stored.labels is not fresh.labels else "seeds"
    return "labels" if not np.array_equal(stored.labels, fresh.labels) else "seeds"

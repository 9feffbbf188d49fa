"""Deriving stored records again: are they what sampling gives?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.columns import RecordColumns
from gnnctl.sampling.keys import absorb_rows, name_hash
from gnnctl.sampling.methods import open_method
from gnnctl.sampling.packed import Packing, named_rows, packed_values
from gnnctl.sampling.packs import Pack
from gnnctl.sampling.plan import RecordPlan
from gnnctl.sampling.produce import Producer, labels_at
from gnnctl.sampling.records import Block, record_digests, to_arrow
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.splits import NodeSplit


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
    ``gnnctl sample`` wrote also the seeds: they follow from the split.

    Args:
        artifact: of kind subgraphs; one shard of several will do.
        share: above 0, up to 1; at least one record.

    Raises:
        ArtifactError: a file cannot be read, or the split or graph is gone.
        UsageError: records around links.
    """
    records = SubgraphRecords.whole(artifact)
    if not isinstance(records.split, NodeSplit):
        raise UsageError(f"--resample: {artifact.path} holds records around links", fix="leave it out")
    held = [(s["first"] + np.arange(s["records"])) for s in records.shards]
    numbers = np.concatenate(held) if held else np.zeros(0, np.int64)
    count = math.ceil(len(numbers) * share)
    chosen = np.sort(numbers[np.argsort(absorb_rows(name_hash("resample"), numbers), kind="stable")[:count]])
    check = _Check(records, records.split)
    with progress(total=count, desc="resampling", unit="record") as bar:
        for shard, digests, block in _blocks(records, chosen):
            check.block(shard, digests, block)
            bar.update(len(block))
    return Resampled(count, check.problems)


class _Check:
    def __init__(self, records: SubgraphRecords, split: NodeSplit) -> None:
        d = records.description
        self._records, self._graph = records, split.graph
        self._sampler = open_method(self._graph, d.spec)
        self._layout, self._labels = d.layout, split.parts
        self._seeds = _PlannedSeeds(records, split) if records.keyed else None
        self.problems: list[str] = []

    def block(self, shard: dict[str, Any], digests: bytes, block: Block) -> None:
        """Compare records, of one part and epoch, with what sampling gives."""
        for i in range(len(block)):
            stored = block.rows(i, i + 1)
            number = block.first + i
            where = f"{self._records.artifact.path / shard['path']}: record {number}"
            seeds = stored.columns.seeds.copy()
            if self._seeds is not None and not np.array_equal(seeds, self._seeds.of(number)):
                self.problems.append(f"{where}: its seeds are not those of the split in their order")
                continue
            rows, labels = self._labels[block.part]
            if not np.all(np.isin(seeds, rows)):
                self.problems.append(f"{where}: a seed is not in the part {block.part}")
                continue
            subgraph = self._sampler.sample(seeds, self._layout.node_type, block.epoch)
            columns = RecordColumns.of([subgraph], self._layout)
            time = self._graph.nodes[self._layout.node_type].time
            if time is not None and columns.seed_times is None:
                columns.seed_times = time[seeds]
            fresh = Block(columns, number, block.part, block.epoch, labels_at(rows, labels, seeds))
            digest = digests[32 * i : 32 * (i + 1)]
            if record_digests(fresh) != record_digests(stored):
                self.problems.append(f"{where}: sampling gives other {_difference(stored, fresh)}")
            elif record_digests(stored) != digest:
                self.problems.append(f"{where}: its digest is not that of its values")
            elif (wrong := self._packed_difference(stored)) is not None:
                self.problems.append(f"{where}: packed features of {wrong} are not the graph's")

    def _packed_difference(self, block: Block) -> str | EdgeType | None:
        packing = self._records.description.features
        if packing is None:
            return None
        named = named_rows(to_arrow(block), self._layout)
        for t in packing.files():
            for pack in block.packs:
                if not self._same(pack, packing, t, np.unique(named[t])):
                    return t
        return None

    def _same(self, pack: Pack, packing: Packing, t: str | EdgeType, rows: np.ndarray) -> bool:
        at, there = pack.places(t, rows)
        if not there.all():
            return False
        if isinstance(t, str):
            expected = packed_values(self._graph.nodes[t], rows, packing.nodes[t], t)
            return expected.tobytes() == np.ascontiguousarray(pack.column(t, "x")[at]).tobytes()
        store = self._graph.edges[t]
        pairs = (("weight", store.weight), ("edge_attr", store.edge_attr))
        return all(v is None or np.array_equal(pack.column(t, name)[at], v[rows]) for name, v in pairs)


class _PlannedSeeds:
    """Seeds by number of record, as the plan has them; those of one part and epoch are kept."""

    def __init__(self, records: SubgraphRecords, split: NodeSplit) -> None:
        d = records.description
        options = records.artifact.manifest.options
        parts = {name: rows for name, (rows, _) in split.parts.items()}
        plan = RecordPlan(parts, d.unit, d.batch_size, d.epochs, d.spec.seed)
        labels = {name: values for name, (_, values) in split.parts.items()}
        balanced = bool(options.get("balanced", False))
        self._producer = Producer(split.graph, d.spec, plan, d.layout.node_type, labels, balanced)
        self._first, self._seeds = 0, list[np.ndarray]()

    def of(self, number: int) -> np.ndarray:
        if not self._first <= number < self._first + len(self._seeds):
            segment = next(s for s in self._producer.plan.segments() if s.first <= number < s.first + s.records)
            tasks = self._producer.tasks(segment.first, segment.first + segment.records)
            self._first, self._seeds = segment.first, [seeds for task in tasks for seeds in task.seeds]
        return self._seeds[number - self._first]


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

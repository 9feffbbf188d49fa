"""Which records a `sample` run writes, in which order, and which of them one shard writes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.sampling.seeds import batches

Unit = Literal["batch", "seed"]
TRAIN, EVALUATION = "train", ("val", "test")
_SEEDS_AT_ONCE = 1024


def records_at_once(seeds_per_record: int) -> int:
    """Records that are made in one go, and lie in one group of rows."""
    return max(1, _SEEDS_AT_ONCE // seeds_per_record)


@dataclass(frozen=True)
class Segment:
    """The records of one part and epoch.

    Attributes:
        part: train, val or test.
        epoch: 1.. for train, 0 for the others.
        first: sample_id of its first record.
        records: how many.
    """

    part: str
    epoch: int
    first: int
    records: int


@dataclass(frozen=True)
class Task:
    """Consecutive records of a segment, made in one go: ``seeds`` holds those of each record."""

    first: int
    part: str
    epoch: int
    seeds: list[np.ndarray]


@dataclass(frozen=True)
class RecordPlan:
    """All records of a run: train for epochs 1..E in keyed order, then val and test for epoch 0 in their own.

    Attributes:
        parts: by name the (n,) int64 rows of the seeds.
        unit: a record for each batch, or for each seed.
        batch_size: seeds of a record where the unit is a batch.
        epochs: E.
        seed: run seed.
    """

    parts: dict[str, np.ndarray]
    unit: Unit
    batch_size: int
    epochs: int
    seed: int

    @property
    def seeds_per_record(self) -> int:
        """1, or the batch size."""
        return 1 if self.unit == "seed" else self.batch_size

    @property
    def records_at_once(self) -> int:
        """Records of a task."""
        return records_at_once(self.seeds_per_record)

    def segments(self) -> list[Segment]:
        """The segments that have records, in order."""
        order = [(TRAIN, epoch) for epoch in range(1, self.epochs + 1)] + [(part, 0) for part in EVALUATION]
        found, first = [], 0
        for part, epoch in order:
            records = -(-len(self.parts[part]) // self.seeds_per_record)
            if records:
                found.append(Segment(part, epoch, first, records))
            first += records
        return found

    @property
    def records(self) -> int:
        """How many there are in all."""
        return sum(segment.records for segment in self.segments())

    def tasks(
        self,
        first: int,
        last: int,
        groups: Callable[[np.ndarray], np.ndarray | None] | None = None,
        classes: np.ndarray | None = None,
    ) -> Iterator[Task]:
        """The work for records ``first`` to ``last - 1``.

        Args:
            groups: of seeds, where those of a group belong together.
            classes: of the training seeds, to balance batches over.
        """
        step = self.records_at_once
        for segment in self.segments():
            start, end = max(first, segment.first), min(last, segment.first + segment.records)
            if start >= end:
                continue
            rows, training = self.parts[segment.part], segment.part == TRAIN
            seeds = batches(
                rows,
                self.seeds_per_record,
                shuffle=training,
                seed=self.seed,
                epoch=segment.epoch,
                groups=None if groups is None or self.unit == "seed" else groups(rows),
                classes=classes if training else None,
            )
            for at in range(start, end, step):
                chosen = seeds[at - segment.first : min(at + step, end) - segment.first]
                yield Task(at, segment.part, segment.epoch, chosen)


@dataclass(frozen=True)
class Shard:
    """One of several equal, consecutive parts of a plan; ``index`` counts from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``"2/4"``.

        Raises:
            UsageError: no such shard.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise UsageError(f"--shard '{text}'", fix="write 1/4, 2/4, 3/4 and 4/4 for four shards")
        return cls(int(index), int(count))

    def bounds(self, records: int) -> tuple[int, int]:
        """First record, and the one after the last."""
        return (self.index - 1) * records // self.count, self.index * records // self.count

    def to_json(self) -> dict[str, Any]:
        """JSON document for recipes."""
        return {"index": self.index, "count": self.count}

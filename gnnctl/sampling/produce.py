"""Sampling the records of a plan, in order, on several threads."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.link_columns import LinkLayout
from gnnctl.sampling.method import Method
from gnnctl.sampling.methods import Spec, open_method
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.plan import RecordPlan, Task, Unit
from gnnctl.sampling.records import Block, record_digests, to_arrow
from gnnctl.splits import NodeSplit

if TYPE_CHECKING:
    import pyarrow as pa

_CHECKING_THREADS = 2  # for the check of a graph's arrays


class Produced(NamedTuple):
    """Some consecutive records of one part and epoch, ready to be written.

    Attributes:
        batch: a row each.
        digests: 32 bytes each.
        part, epoch: of all of them.
        seeds, nodes, edges: counts over all of them.
    """

    batch: "pa.RecordBatch"
    digests: bytes
    part: str
    epoch: int
    seeds: int
    nodes: int
    edges: int


@dataclass(frozen=True)
class Producer:
    """Makes the records of a plan.

    Attributes:
        graph: sampled from.
        spec: how.
        plan: which.
        node_type: of the seeds.
        labels: by part, of its rows in the plan; ascending rows. None where there are none.
        balanced: training batches have an equal part of each class; labels are classes then.
    """

    graph: Graph
    spec: Spec
    plan: RecordPlan
    node_type: str
    labels: Mapping[str, np.ndarray | None]
    balanced: bool = False

    @classmethod
    def around_nodes(
        cls, split: NodeSplit, spec: Spec, unit: Unit, batch_size: int, epochs: int, seed: int, balanced: bool = False
    ) -> "Producer":
        """Of the records around a split's seeds; arguments as of :class:`RecordPlan`."""
        plan = RecordPlan({name: rows for name, (rows, _) in split.parts.items()}, unit, batch_size, epochs, seed)
        labels = {name: values for name, (_, values) in split.parts.items()}
        return cls(split.graph, spec, plan, split.target.node_type, labels, balanced)

    @property
    def layout(self) -> Layout:
        """What the records have in common."""
        return self._layout(None)

    def _layout(self, links: LinkLayout | None) -> Layout:
        return Layout.of(
            self.graph,
            self.spec.hops,
            self.node_type,
            self.spec.disjoint,
            weighted=self.spec.own_weights,
            time=self.spec.time,
            links=links,
        )

    def methods(self, parts: list[str], num_threads: int) -> dict[str, Method]:
        """By part what samples around its seeds."""
        standing = next(iter(self._methods.values()), None)
        return dict.fromkeys(parts, standing or open_method(self.graph, self.spec, num_threads=num_threads))

    def times(self, columns: RecordColumns) -> np.ndarray | None:
        """(S,) int64 when the seeds were, or None; where the layout heeds time, the columns have it."""
        times = self.graph.nodes[self.node_type].time
        return None if times is None else times[columns.seeds]

    def records(self, first: int, last: int, num_threads: int) -> Generator[Produced, None, None]:
        """Records ``first`` to ``last - 1``, in order, whatever the number of threads."""
        return ordered_map(self.maker(first, last), self.tasks(first, last), num_threads)

    def tasks(self, first: int, last: int) -> Iterator[Task]:
        """The work for records ``first`` to ``last - 1``."""

        def groups(rows: np.ndarray) -> np.ndarray | None:
            return next(iter(self._opened(first, last).values())).groups(rows, self.node_type)

        return self.plan.tasks(first, last, groups, self.labels["train"] if self.balanced else None)

    def maker(self, first: int, last: int) -> Callable[[Task], Produced]:
        """What makes the records of a task among ``first`` to ``last - 1``; any number of threads may call it."""
        methods, layout = self._opened(first, last), self.layout

        def make(task: Task) -> Produced:
            method = methods[task.part]
            subgraphs = [method.sample(seeds, self.node_type, task.epoch) for seeds in task.seeds]
            columns = RecordColumns.of(subgraphs, layout)
            if columns.seed_times is None:
                columns.seed_times = self.times(columns)
            return produced(Block(columns, task.first, task.part, task.epoch, self.labels_of(task)))

        return make

    def labels_of(self, task: Task) -> np.ndarray | None:
        """Labels of the seeds of a task, one after the other, or None."""
        known = self.labels[task.part]
        return None if known is None else labels_at(self.plan.parts[task.part], known, np.concatenate(task.seeds))

    def view(self, part: str) -> Graph:
        """What a part is sampled from, and where its features are."""
        return self.graph

    def _opened(self, first: int, last: int) -> dict[str, Method]:
        """What samples the parts that some records are of; opened once."""
        parts = [s.part for s in self.plan.segments() if s.first < last and first < s.first + s.records]
        if missing := [part for part in dict.fromkeys(parts) if part not in self._methods]:
            self._methods.update(self.methods(missing, _CHECKING_THREADS))
        return {part: self._methods[part] for part in parts}

    @cached_property
    def _methods(self) -> dict[str, Method]:
        return {}


def produced(block: Block) -> Produced:
    """The records of a block, ready to be written."""
    c = block.columns
    counts = (len(c.seeds), len(c.nodes), len(c.edge_row))
    return Produced(to_arrow(block), record_digests(block), block.part, block.epoch, *counts)


def labels_at(rows: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Labels of ``seeds``, given those of ascending ``rows``, among which they are."""
    found: np.ndarray = labels[np.searchsorted(rows, seeds)]
    return found

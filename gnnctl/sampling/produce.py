"""Sampling the records of a plan, in order, on several threads."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.method import Method
from gnnctl.sampling.methods import Spec, open_method
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.plan import RecordPlan, Task
from gnnctl.sampling.records import Block, record_digests, to_arrow

if TYPE_CHECKING:
    import pyarrow as pa


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
        labels: by part, of its rows in the plan; ascending rows.
        balanced: training batches have an equal part of each class; labels are classes then.
    """

    graph: Graph
    spec: Spec
    plan: RecordPlan
    node_type: str
    labels: dict[str, np.ndarray]
    balanced: bool = False

    @property
    def layout(self) -> Layout:
        """What the records have in common."""
        return Layout.of(
            self.graph,
            self.spec.hops,
            self.node_type,
            self.spec.disjoint,
            weighted=self.spec.own_weights,
            time=self.spec.time,
        )

    def records(self, first: int, last: int, num_threads: int) -> Generator[Produced, None, None]:
        """Records ``first`` to ``last - 1``, in order, whatever the number of threads."""
        return ordered_map(self.maker(), self.tasks(first, last), num_threads)

    @cached_property
    def _sampler(self) -> Method:
        return open_method(self.graph, self.spec, num_threads=2)

    def tasks(self, first: int, last: int) -> Iterator[Task]:
        """The work for records ``first`` to ``last - 1``."""

        def groups(rows: np.ndarray) -> np.ndarray | None:
            return self._sampler.groups(rows, self.node_type)

        return self.plan.tasks(first, last, groups, self.labels["train"] if self.balanced else None)

    def maker(self) -> Callable[[Task], Produced]:
        """What makes the records of a task; any number of threads may call it."""
        sampler, layout, times = self._sampler, self.layout, self.graph.nodes[self.node_type].time

        def make(task: Task) -> Produced:
            subgraphs = [sampler.sample(seeds, self.node_type, task.epoch) for seeds in task.seeds]
            columns = RecordColumns.of(subgraphs, layout)
            if times is not None and columns.seed_times is None:
                columns.seed_times = times[columns.seeds]
            labels = labels_at(self.plan.parts[task.part], self.labels[task.part], columns.seeds)
            return produced(Block(columns, task.first, task.part, task.epoch, labels))

        return make


def produced(block: Block) -> Produced:
    """The records of a block, ready to be written."""
    c = block.columns
    counts = (len(c.seeds), len(c.nodes), len(c.edge_row))
    return Produced(to_arrow(block), record_digests(block), block.part, block.epoch, *counts)


def labels_at(rows: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Labels of ``seeds``, given those of ascending ``rows``, among which they are."""
    found: np.ndarray = labels[np.searchsorted(rows, seeds)]
    return found

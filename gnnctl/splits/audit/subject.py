"""What rules look at: a split, how it was made, and what the user says of it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from gnnctl.console import Progress, no_progress
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.splits.audit.findings import ROWS_KEPT, NotApplicable, Row
from gnnctl.splits.by import By
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.node import PARTS, NodeSplit

BLOCK = 1 << 22  # edges, or numbers of features, looked at together


@dataclass(frozen=True)
class Subject:
    """A split under audit.

    Attributes:
        split: of any task.
        options: the split's own, as its manifest has them; only ``by`` is read, ``random`` where it is missing.
        groups: columns whose equal values must not be in two parts.
        heeded: whether models will be told the times (``train --time``): seeds then see nothing later.
        progress: shows how far a long rule is.
    """

    split: NodeSplit | LinkSplit
    options: dict[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    heeded: Literal["before", "until"] | None = None
    progress: Progress = no_progress

    @property
    def graph(self) -> Graph:
        """The graph that was split."""
        return self.split.graph

    @property
    def by(self) -> By:
        """How it was split."""
        return By.parse(self.options.get("by", "random"))

    @property
    def links(self) -> LinkSplit:
        """The split, if it is of links.

        Raises:
            NotApplicable: it is not.
        """
        if isinstance(self.split, LinkSplit):
            return self.split
        raise NotApplicable(f"a split of {self.split.target.task}s has no links to hide")

    @property
    def seeds(self) -> NodeSplit:
        """The split, if it is of nodes or graphs.

        Raises:
            NotApplicable: it is not.
        """
        if not isinstance(self.split, NodeSplit):
            raise NotApplicable("it is for splits of nodes or graphs")
        if self.split.target.problem == "none":
            raise NotApplicable("nothing is predicted")
        return self.split

    @cached_property
    def part_of(self) -> np.ndarray:
        """(N,) int8: the part of every node of the target's type, or of every graph; -1 is none."""
        split = self.seeds
        found = np.full(split.graph.num_nodes(split.target.node_type), -1, np.int8)
        for number, name in enumerate(PARTS):
            found[split.part(name)[0]] = number
        return found

    @cached_property
    def labels(self) -> np.ndarray:
        """Labels of every node of the target's type, or of every graph; arbitrary in no part."""
        split = self.seeds
        first = split.part("train")[1]
        found = np.zeros((len(self.part_of), *first.shape[1:]), first.dtype)
        for name in PARTS:
            rows, values = split.part(name)
            found[rows] = values
        return found

    def names(self, node_type: str, rows: np.ndarray) -> list[str]:
        """Original ids as text, of at most ``ROWS_KEPT`` rows."""
        return [str(value) for value in self.graph.ids_of(node_type, rows[:ROWS_KEPT]).to_pylist()]

    def edge_names(self, edge_type: EdgeType, src: np.ndarray, dst: np.ndarray) -> list[str]:
        """``SOURCE -> TARGET`` by original ids, of at most ``ROWS_KEPT`` edges."""
        pairs = zip(self.names(edge_type.src, src), self.names(edge_type.dst, dst), strict=True)
        return [f"{a} -> {b}" for a, b in pairs]

    def meetings(self, rows: np.ndarray, others: np.ndarray) -> list[Row]:
        """Seeds of the target's type or graphs, beside those that they meet; at most ``ROWS_KEPT``."""
        name = self.seeds.target.node_type
        rows, others = rows[:ROWS_KEPT], others[:ROWS_KEPT]
        ids, other_ids = self.names(name, rows), self.names(name, others)
        parts = [["none", *PARTS][number + 1] for number in self.part_of[rows]]
        other_parts = [["none", *PARTS][number + 1] for number in self.part_of[others]]
        return [Row(name, *each) for each in zip(ids, parts, other_ids, other_parts, strict=True)]


def counted(number: int, word: str, words: str = "") -> str:
    """``1 seed``, ``2,000 seeds``."""
    return f"{number:,} {word if number == 1 else words or f'{word}s'}"


def share(number: int, total: int) -> str:
    """``3 of 1,200 (0.3%)``."""
    percent = 100 * number / max(total, 1)
    return f"{number:,} of {total:,} ({'under 0.1' if 0 < percent < 0.1 else f'{percent:.1f}'}%)"

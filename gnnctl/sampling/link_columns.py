"""The links of several records side by side, as far as their seeds do not say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnnctl.graph.types import EdgeType
from gnnctl.sampling.link_batch import LinkBatch

ROLES = ("src", "dst", "negative")


@dataclass(frozen=True)
class LinkLayout:
    """What all records around links have in common.

    Attributes:
        edge_types: what relations are.
        disjoint: whether every link has a tree of its own, with its negatives.
    """

    edge_types: tuple[EdgeType, ...]
    disjoint: bool

    def to_json(self) -> dict[str, Any]:
        """JSON document that :meth:`from_json` reads."""
        return {"edge_types": [str(t) for t in self.edge_types], "disjoint": self.disjoint}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "LinkLayout":
        """Rebuild a layout from its JSON document."""
        return cls(tuple(EdgeType.parse(t) for t in document["edge_types"]), document["disjoint"])


@dataclass(frozen=True)
class LinkColumns:
    """L links, each two seeds, in G groups of R records.

    Attributes:
        group: (L,) int32 within its record.
        relation: (G,) int32.
        counts: (R,) int64 groups of each record.
    """

    group: np.ndarray
    relation: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, links: Sequence[LinkBatch]) -> "LinkColumns":
        """Those of several records, in order."""
        none = np.zeros(0, np.int32)
        return cls(
            np.concatenate([none, *(found.group for found in links)]),
            np.concatenate([none, *(found.relation for found in links)]),
            np.array([len(found.relation) for found in links], np.int64),
        )

    @classmethod
    def joined(cls, parts: "Sequence[LinkColumns]") -> "LinkColumns":
        """Those of several blocks, one after the other."""
        arrays = (np.concatenate([getattr(p, name) for p in parts]) for name in ("group", "relation", "counts"))
        return cls(*arrays)

    def records(self, start: int, end: int, links: slice) -> "LinkColumns":
        """Those of records ``start`` to ``end - 1``, whose links are ``links``."""
        groups = slice(int(self.counts[:start].sum()), int(self.counts[:end].sum()))
        return LinkColumns(self.group[links], self.relation[groups], self.counts[start:end])

    def taken(self, order: np.ndarray, seeds: np.ndarray) -> "LinkColumns":
        """Those of the records (r,) in another order, given how many seeds (R,) each record has."""

        def places(counts: np.ndarray) -> np.ndarray:
            starts, chosen = np.cumsum(counts) - counts, counts[order]
            found: np.ndarray = np.arange(int(chosen.sum())) + np.repeat(
                starts[order] - np.cumsum(chosen) + chosen, chosen
            )
            return found

        return LinkColumns(self.group[places(seeds // 2)], self.relation[places(self.counts)], self.counts[order])

    def merged(self, rows: np.ndarray, times: np.ndarray | None, layout: LinkLayout, seeds: np.ndarray) -> LinkBatch:
        """The links of all records as those of one batch.

        Args:
            rows: (2 L,) int64, source and destination of each link in turn.
            times: (2 L,) int64, or None.
            layout: of the records.
            seeds: (R,) int64, how many of ``rows`` each record has.
        """
        before = np.cumsum(self.counts) - self.counts
        group = self.group + np.repeat(before, seeds // 2).astype(np.int32)
        first = np.flatnonzero(np.diff(group, prepend=-1))
        return LinkBatch(
            layout.edge_types,
            rows[::2].copy(),
            rows[1::2].copy(),
            group,
            self.relation.copy(),
            None if times is None else times[::2][first],
            layout.disjoint,
        )

    def roles(self, links: LinkBatch) -> np.ndarray:
        """(2 L,) int8 places in :data:`ROLES`; of the merged links."""
        return np.where(np.repeat(links.positive, 2), np.tile([0, 1], len(links.src)), 2).astype(np.int8)

    def fault(self, seeds: np.ndarray, relations: int) -> str | None:
        """What does not fit, given how many seeds each record has and how many relations there are."""
        if len(self.group) * 2 != seeds.sum() or np.any(seeds % 2) or len(self.counts) != len(seeds):
            return "ends of links are missing"
        if len(self.relation) != self.counts.sum() or np.any((self.relation < 0) | (self.relation >= relations)):
            return "a link has no relation"
        ends = np.cumsum(seeds // 2)
        opens = np.zeros(len(self.group), bool)
        opens[(ends - seeds // 2)[seeds > 0]] = True
        step = np.diff(self.group, prepend=-1)
        if np.any(self.group[opens] != 0) or np.any((step[~opens] < 0) | (step[~opens] > 1)):
            return "links are not sorted by group"
        last = self.group[ends[seeds > 0] - 1] + 1
        return (
            None
            if np.array_equal(last, self.counts[seeds > 0]) and not np.any(self.counts[seeds == 0])
            else "a group has no link"
        )

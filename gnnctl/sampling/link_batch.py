"""The links that a batch is made of: groups of a positive one and its negatives, and the distinct nodes they end at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gnnctl.graph.types import EdgeType


class Ends(NamedTuple):
    """Where L links end.

    Attributes:
        rows: by node type (n,) int64 the distinct nodes, in the order in which the links, source before destination,
            name them first.
        group: by node type (n,) int64 the group of each, where groups share no nodes (or other part); else zeros.
        local: (L, 2) int64 the number of each end among those of its type.
    """

    rows: dict[str, np.ndarray]
    group: dict[str, np.ndarray]
    local: np.ndarray


@dataclass(frozen=True)
class LinkBatch:
    """L links in G groups, group after group: first a positive link, then its negatives.

    Attributes:
        edge_types: what relations are.
        src: (L,) int64 rows of their relations' source types.
        dst: (L,) int64 rows of their destination types.
        group: (L,) int32, ascending from 0 without gaps.
        relation: (G,) int32 places in ``edge_types``.
        times: (G,) int64, or None.
        disjoint: whether groups share no nodes: each is the root of a tree.
    """

    edge_types: tuple[EdgeType, ...]
    src: np.ndarray
    dst: np.ndarray
    group: np.ndarray
    relation: np.ndarray
    times: np.ndarray | None = None
    disjoint: bool = False

    @property
    def positive(self) -> np.ndarray:
        """(L,) bool."""
        first = np.ones(len(self.group), bool)
        first[1:] = self.group[1:] != self.group[:-1]
        return first

    @property
    def rows(self) -> np.ndarray:
        """(2 L,) int64, source and destination of each link in turn."""
        return np.stack([self.src, self.dst], axis=1).ravel()

    def types(self, node_types: Sequence[str]) -> np.ndarray:
        """(2 L,) int64 node type of each of ``rows``, as its place in ``node_types``."""
        known = {t: i for i, t in enumerate(node_types)}
        ends = np.array([[known[t.src], known[t.dst]] for t in self.edge_types], np.int64).reshape(-1, 2)
        found: np.ndarray = ends[self.relation[self.group]].ravel()
        return found

    def ends(self, apart: np.ndarray | None = None) -> Ends:
        """The distinct nodes, of all links together or, where groups are disjoint, of each group for itself.

        Args:
            apart: (L,) ascending integers, parts of the links that share no nodes; None: those just said.
        """
        names = list(dict.fromkeys(name for t in self.edge_types for name in (t.src, t.dst)))
        types, all_rows = self.types(names), self.rows
        if apart is None:
            apart = self.group if self.disjoint else np.zeros(len(self.group), np.int64)
        groups = np.repeat(apart, 2).astype(np.int64)
        local = np.zeros(len(all_rows), np.int64)
        rows, group = {}, {}
        for number, name in enumerate(names):
            at = np.flatnonzero(types == number)
            width = int(all_rows[at].max()) + 1 if len(at) else 1
            _, first, found = np.unique(groups[at] * width + all_rows[at], return_index=True, return_inverse=True)
            order = np.argsort(first)
            number_of = np.empty(len(order), np.int64)
            number_of[order] = np.arange(len(order))
            local[at] = number_of[found]
            rows[name], group[name] = all_rows[at[first[order]]], groups[at[first[order]]]
        return Ends(rows, group, local.reshape(-1, 2))

    def same_as(self, other: "LinkBatch | None") -> bool:
        """Whether both hold the same links in the same order."""
        return (
            other is not None
            and (self.edge_types, self.disjoint) == (other.edge_types, other.disjoint)
            and all(
                np.array_equal(getattr(self, name), getattr(other, name))
                for name in ("src", "dst", "group", "relation")
            )
            and (self.times is None) == (other.times is None)
            and (self.times is None or other.times is None or np.array_equal(self.times, other.times))
        )

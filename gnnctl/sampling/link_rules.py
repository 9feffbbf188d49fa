"""What records around links must be, beyond what :mod:`gnnctl.sampling.rules` says of nodes and edges."""

import numpy as np

from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import Graph
from gnnctl.sampling.broken import Broken
from gnnctl.sampling.keys import absorb_rows
from gnnctl.sampling.link_batch import LinkBatch
from gnnctl.sampling.methods import Spec
from gnnctl.sampling.records import Block
from gnnctl.sampling.rules import Rules
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits.link import Links, LinkSplit


class LinkRules(Rules):
    """The rules for records around the links of one split.

    Args:
        split: whose links they are of.
        spec: how they were sampled.
        broken: gets what is wrong.
        negatives: most of each training link, which has fewer where nothing is allowed.
    """

    def __init__(self, split: LinkSplit, spec: Spec, broken: Broken, negatives: int) -> None:
        super().__init__(split.graph, spec, {}, broken)
        self._split, self._most = split, negatives
        self._hides = isinstance(spec, SampleSpec) and spec.disjoint  # a tree does not see its own link
        self._ends = {name: _Rows(_ends_of(links)) for name, links in split.parts.items()}
        self._whole = {
            name: _Rows(_identity(_ends_of(part), part.time, part.label)) for name, part in split.parts.items()
        }
        self._fixed = {name: _Rows(_negatives_of(split, name)) for name in split.parts if name != "train"}
        self._found: dict[tuple[str, int], list[np.ndarray]] = {}

    def finish(self) -> None:
        """After the last record: every link of a part is there once an epoch."""
        for (part, epoch), found in self._found.items():
            known, name = self._whole[part], f"{part}, epoch {epoch}"
            times = np.bincount(np.concatenate(found), minlength=len(known.counts))
            over = int(np.maximum(times - known.counts, 0).sum())
            if over:
                self._broken.add("link twice", f"{name}: a link is in two records", over)
            missing = int(np.maximum(known.counts - times, 0).sum())
            if missing:
                self._broken.add("link missing", f"{name}: {missing:,} links of the split are in no record")
        for part, links in self._split.parts.items():
            if len(links.src) and not any(known == part for known, _ in self._found):
                self._broken.add("part missing", f"there are no records of {part}, which has {len(links.src):,} links")

    def _view(self, part: str) -> Graph:
        """The part's own view: positions of edges are its own."""
        return self._split.view(part)

    def _check_seeds(self, block: Block, where: str) -> None:
        links = block.columns.link_batch()
        assert links is not None
        assert block.columns.seed_times is not None
        first = np.flatnonzero(links.positive)
        record = np.repeat(np.arange(len(block)), block.columns.label_counts)
        ends = np.stack([links.relation.astype(np.int64), links.src[first], links.dst[first]], axis=1)
        _, there = self._ends[block.part].places(ends)
        self._say("part", block, record, ~there, where, f"a link is not in the part {block.part} of the split")
        if not there.all():
            return
        at, there = self._whole[block.part].places(_identity(ends, block.columns.seed_times[::2][first], block.labels))
        self._say("link", block, record, ~there, where, "the time or label of a link is not the split's")
        self._found.setdefault((block.part, block.epoch), []).append(at[there])
        if block.part == "train":
            over = np.bincount(links.group, minlength=len(ends)) > self._most + 1
            self._say("negatives", block, record, over, where, f"a link has more than {self._most} negatives")
        else:
            self._check_negatives(block, links, ends, record, where)

    def _check_negatives(
        self, block: Block, links: LinkBatch, ends: np.ndarray, record: np.ndarray, where: str
    ) -> None:
        """Those of val and test are the split's, or figures would not compare."""
        fixed, count = self._split.negatives.get(block.part), len(self._split.part(block.part).src)
        each = 0 if fixed is None else len(fixed.src) // max(1, count)
        what = f"a link has not the {each} negatives of the split"
        self._say("negatives", block, record, np.bincount(links.group, minlength=len(ends)) != each + 1, where, what)
        drawn = np.flatnonzero(~links.positive)
        named = np.column_stack([ends[links.group[drawn]], links.src[drawn], links.dst[drawn]])
        _, there = self._fixed[block.part].places(named)
        self._say("negatives", block, record[links.group[drawn]], ~there, where, "a negative is not the split's")


class _Rows:
    """Finds rows of numbers among known ones: by a hash, then by all of them.

    Args:
        rows: (n, k) int64; those that are equal count as one.

    Attributes:
        counts: how often each distinct row is there.
    """

    def __init__(self, rows: np.ndarray) -> None:
        distinct, self.counts = np.unique(rows, axis=0, return_counts=True)
        hashes = _hashed(distinct)
        self._order = np.argsort(hashes, kind="stable")
        self._rows, self._hashes = distinct, hashes[self._order]

    def places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which distinct row each of (m, k) is, and whether it is one."""
        if len(self._rows) == 0 or len(rows) == 0:
            return np.zeros(len(rows), np.int64), np.zeros(len(rows), bool)
        near = np.minimum(np.searchsorted(self._hashes, _hashed(rows)), len(self._hashes) - 1)
        at = self._order[near]
        return at, np.all(self._rows[at] == rows, axis=1)


def _hashed(rows: np.ndarray) -> np.ndarray:
    state = np.zeros(len(rows), np.uint64)
    for column in rows.T:
        state = absorb_rows(state, np.ascontiguousarray(column))
    return state


def _ends_of(links: Links) -> np.ndarray:
    return np.stack([links.relation, links.src, links.dst], axis=1).astype(np.int64)


def _identity(ends: np.ndarray, time: np.ndarray | None, labels: np.ndarray | None) -> np.ndarray:
    """Ends, time and the bits of the labels."""
    columns = [ends, (np.full(len(ends), ALWAYS) if time is None else time)[:, None].astype(np.int64)]
    if labels is not None:
        columns.append(np.ascontiguousarray(labels.reshape(len(ends), -1), np.float64).view(np.int64))
    return np.concatenate(columns, axis=1)


def _negatives_of(split: LinkSplit, part: str) -> np.ndarray:
    """(n, 5): the ends of a link, and of a fixed negative of it."""
    links, fixed = split.part(part), split.negatives.get(part)
    if fixed is None or len(links.src) == 0:
        return np.zeros((0, 5), np.int64)
    return np.column_stack([np.repeat(_ends_of(links), len(fixed.src) // len(links.src), axis=0), fixed.src, fixed.dst])

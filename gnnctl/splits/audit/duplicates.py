"""Rows of val and test that stand in train already."""

import numpy as np

from gnnctl.graph.store_interfaces import Column
from gnnctl.splits.audit.findings import Finding, Level, NotApplicable
from gnnctl.splits.audit.hashing import first_of, row_hashes
from gnnctl.splits.audit.subject import BLOCK, Subject, share
from gnnctl.splits.node import PARTS

# Equal rows mean something only where rows mostly differ: not where features are a few categories.
_DISTINCT = 0.5
# The share of a part's seeds from which on duplicates can change a result that anybody looks at.
MATTERS = 0.01


def duplicate_rows(subject: Subject) -> list[Finding]:
    """Seeds of val and test with all the features, and the label, of a seed of train.

    At least 1% of a part are a leak, fewer a note: they can change no result by more. A row of zeros is no duplicate:
    it says nothing. Where fewer than half of all rows with features are distinct, equal rows are what such features are
    like, and the rule does not apply.

    Raises:
        NotApplicable: there are no features, or too few distinct ones.
    """
    split = subject.seeds
    name = split.target.node_type
    x = subject.graph.store(name).x
    if x is None or not x.shape[1]:
        raise NotApplicable(f"{'graphs' if split.target.task == 'graph' else f'nodes {name!r}'} have no features")
    hashes = row_hashes(x)
    full = hashes != row_hashes(np.zeros((1, x.shape[1]), x.dtype))[0]
    used = np.flatnonzero((subject.part_of >= 0) & full)
    distinct = len(np.unique(hashes[used]))
    if distinct < _DISTINCT * len(used):
        raise NotApplicable(
            f"features take {distinct:,} different values for {len(used):,} rows: equal ones mean nothing"
        )
    train = used[subject.part_of[used] == 0]
    found = []
    for number in (2, 1):
        rows = used[subject.part_of[used] == number]
        keys, known = (_with_labels(hashes[some], subject.labels[some]) for some in (rows, train))
        met = first_of(keys, known)
        twice, others = rows[met >= 0], train[met[met >= 0]]
        same = _equal(x, twice, others)
        twice, others = twice[same], others[same]
        if len(twice):
            total = len(split.part(PARTS[number])[0])
            level: Level = "leak" if len(twice) >= MATTERS * total else "note"
            what = f"{share(len(twice), total)} seeds of {PARTS[number]} have the features and label of one of train"
            fix = "leave duplicates out, or keep them together: split --by group:COLUMN"
            found.append(Finding(level, what, fix, len(twice), subject.meetings(twice, others)))
    return found


def _with_labels(hashes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) uint64 of rows together with their labels."""
    columns = labels.reshape(len(labels), -1)
    found: np.ndarray = hashes + row_hashes(np.ascontiguousarray(columns)) * np.uint64(0x9E3779B97F4A7C15)
    return found


def _equal(x: np.ndarray | Column, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) bool: rows that are equal number by number; hashes alone could err."""
    found = np.zeros(len(rows), bool)
    step = max(1, BLOCK // x.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        one, other = x[rows[part]], x[others[part]]
        found[part] = (one == other).all(axis=1)
    return found

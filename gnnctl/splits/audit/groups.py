"""Groups of rows that belong together and are in several parts."""

from typing import TYPE_CHECKING

import numpy as np

from gnnctl.splits.audit.findings import ROWS_KEPT, Finding, NotApplicable
from gnnctl.splits.audit.subject import Subject, counted, share
from gnnctl.splits.columns import check_single, column_of
from gnnctl.splits.node import PARTS

if TYPE_CHECKING:
    import pyarrow as pa

# A column nobody named looks like one of groups where its values have this many rows on average, and where the label
# that most of a group's training rows have is right so much more often than the most frequent label of all.
_SIZES = (2.0, 100.0)
_BETTER = 0.2


def crossing_groups(subject: Subject) -> list[Finding]:
    """Rows of val and test whose group has rows in train: of named columns a leak, of likely ones a note.

    Named are the columns of ``--group`` and that of ``split --by group:COLUMN``. Any other kept column of text or
    integers is a likely one if its values have from 2 to 100 rows on average and tell classes: if the most frequent
    label of a group in train is right for at least 0.2 more of the rows of val and test than the most frequent label
    of train.

    Raises:
        NotApplicable: no column is named, and none is kept that looks like one.
    """
    split = subject.seeds
    name = split.target.node_type
    named = list(subject.groups)
    if subject.by.way == "group" and subject.by.column not in (None, *named):
        named.append(str(subject.by.column))
    found = []
    for column in named:
        values = check_single(column_of(subject.graph, name, column), column)
        if finding := _crossing(subject, column, _codes(values), values, likely=False):
            found.append(finding)
    kept = subject.graph.store(name).columns
    left = {*named, split.target.column, subject.by.column}
    others = [] if kept is None else [c for c in kept.column_names if c not in left]
    looked_at = 0
    for column in others:
        values = column_of(subject.graph, name, column)
        if not _may_group(values) or split.target.problem != "multiclass":
            continue
        codes = _codes(values)
        sizes = np.bincount(codes[(codes >= 0) & (subject.part_of >= 0)])
        if not len(sizes) or not _SIZES[0] <= sizes[sizes > 0].mean() <= _SIZES[1]:
            continue
        looked_at += 1
        if _tells(subject, codes) and (finding := _crossing(subject, column, codes, values, likely=True)):
            found.append(finding)
    if not named and not looked_at:
        raise NotApplicable("no column is named with --group, and none that is kept looks like groups")
    return found


def _crossing(subject: Subject, column: str, codes: np.ndarray, values: "pa.Array", *, likely: bool) -> Finding | None:
    """What crosses from train to val and test, each row beside the first training row of its group."""
    part = subject.part_of
    train = np.flatnonzero((part == 0) & (codes >= 0))
    first = np.full(int(codes.max(initial=-1)) + 1, -1)
    first[codes[train][::-1]] = train[::-1]
    judged = np.flatnonzero((part > 0) & (codes >= 0))
    crossing = judged[first[codes[judged]] >= 0]
    if not len(crossing):
        return None
    groups = len(np.unique(codes[crossing]))
    of = share(len(crossing), int((part > 0).sum()))
    what = (
        f"{counted(groups, 'group')} of column '{column}' {'is' if groups == 1 else 'are'} in several parts: {of} rows"
    )
    what += f" of {PARTS[1]} and {PARTS[2]} have others of theirs in train"
    if likely:
        what += ", which tell their label"
    rows = subject.meetings(crossing, first[codes[crossing]])
    texts = values.take(crossing[:ROWS_KEPT]).to_pylist()
    rows = [row._replace(type=f"{column}={text}") for row, text in zip(rows, texts, strict=True)]
    return Finding("note" if likely else "leak", what, f"split --by group:{column}", len(crossing), rows)


def _codes(values: "pa.Array") -> np.ndarray:
    """(N,) int64: a number for each value, -1 for null."""
    import pyarrow.compute as pc

    codes: np.ndarray = pc.dictionary_encode(values).indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes.astype(np.int64)


def _may_group(values: "pa.Array") -> bool:
    import pyarrow as pa

    kind = values.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))


def _tells(subject: Subject, codes: np.ndarray) -> bool:
    """Whether the most frequent label of a group in train tells the labels of its rows in val and test."""
    part, labels = subject.part_of, subject.labels
    classes = subject.split.target.num_outputs
    train, judged = ((part == 0) & (codes >= 0)), np.flatnonzero((part > 0) & (codes >= 0))
    pairs, counts = np.unique(codes[train] * classes + labels[train], return_counts=True)
    group, label = pairs // classes, pairs % classes
    best = np.full(int(codes.max(initial=-1)) + 1, -1)
    order = np.lexsort((-label, counts))  # of equally frequent labels the first
    best[group[order]] = label[order]
    judged = judged[best[codes[judged]] >= 0]
    if not len(judged):
        return False
    most = int(np.bincount(labels[part == 0], minlength=classes).argmax())
    right, usual = best[codes[judged]] == labels[judged], labels[judged] == most
    return bool(right.mean() >= usual.mean() + _BETTER)

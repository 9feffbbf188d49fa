"""How the rows of a node type are dealt out to train, val and test."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.splits.columns import check_single
from gnnctl.splits.keyed import keyed_hashes

if TYPE_CHECKING:
    import pyarrow as pa

Way = Literal["random", "stratified", "group", "time", "column", "inductive"]
NO_PART, TRAIN, VAL, TEST = -1, 0, 1, 2
_WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "dev": VAL,
    "test": TEST,
    "testing": TEST,
    "": NO_PART,
    "none": NO_PART,
}


@dataclass(frozen=True)
class By:
    """``random``, ``stratified``, ``group:COLUMN``, ``time``, ``time:COLUMN``, ``column:COLUMN``, ``inductive`` or
    ``inductive:NODE_TYPE``."""

    way: Way = "random"
    column: str | None = None

    def __str__(self) -> str:
        return self.way if self.column is None else f"{self.way}:{self.column}"

    @classmethod
    def parse(cls, text: str) -> "By":
        """Read the option's text.

        Raises:
            UsageError: none of the ways, or a column too many or too few.
        """
        way, colon, column = text.partition(":")
        fix = "pass random, stratified, group:COLUMN, time:COLUMN, column:COLUMN, or of links inductive"
        if way not in get_args(Way):
            raise UsageError(f"--by {text}: there is no way '{way}'", fix=fix)
        if way in ("random", "stratified") and colon:
            raise UsageError(f"--by {text}: {way} takes no column", fix=fix)
        if (way in ("group", "column") or colon) and not column:
            raise UsageError(f"--by {text}: {way} needs a column", fix=f"write --by {way}:COLUMN")
        return cls(cast(Way, way), column or None)


@dataclass(frozen=True)
class Fractions:
    """Shares of val and test; what is left is train.

    Raises:
        UsageError: a share below 0, or nothing left to train on.
    """

    val: float = 0.1
    test: float = 0.2

    def __post_init__(self) -> None:
        for name, share in (("--val", self.val), ("--test", self.test)):
            if not (math.isfinite(share) and 0 <= share < 1):
                raise UsageError(f"{name} {share} is no share of the rows", fix="pass a number from 0 to below 1")
        if self.val + self.test >= 1:
            raise UsageError(
                f"--val {self.val} and --test {self.test} leave nothing to train on", fix="make their sum less than 1"
            )


def by_hash(hashes: np.ndarray, fractions: Fractions) -> np.ndarray:
    """Part (n,) int8 of each hash: the lowest are test, the next val.

    A row's part depends on its own hash alone; test does not depend on the share of val.
    """
    test = int(fractions.test * 2**64)
    val = min(test + int(fractions.val * 2**64), 2**64 - 1)
    parts = np.full(len(hashes), TRAIN, np.int8)
    parts[hashes < np.uint64(val)] = VAL
    parts[hashes < np.uint64(test)] = TEST
    return parts


def by_group(groups: "pa.Array", ids: "pa.Array", seed: int, fractions: Fractions) -> np.ndarray:
    """Part (n,) int8: rows of one group share theirs; a row without a group (null) is dealt out by its id."""
    import pyarrow.compute as pc

    parts = by_hash(keyed_hashes(ids, seed, "id"), fractions)
    coded = pc.dictionary_encode(groups)
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    in_group = codes >= 0
    if in_group.any():
        group_parts = by_hash(keyed_hashes(coded.dictionary, seed, "group"), fractions)
        parts[in_group] = group_parts[codes[in_group]]
    return parts


def by_class(classes: np.ndarray, hashes: np.ndarray, fractions: Fractions) -> np.ndarray:
    """Part (n,) int8: within each class the share of every part is exact, to rounding.

    Rows of a class stand in the order of their hashes, and the first are test. So when rows are added, a row changes
    its part only if it stood at a boundary: exact shares and parts that never change exclude each other.

    Args:
        classes: (n,) int64; negative rows (no label) get no part.
        hashes: (n,) uint64.
        fractions: shares.
    """
    parts = np.full(len(classes), NO_PART, np.int8)
    order = np.lexsort((hashes, classes))
    order = order[classes[order] >= 0]
    _, starts, counts = np.unique(classes[order], return_index=True, return_counts=True)
    for start, count in zip(starts, counts, strict=True):
        test = share_of(int(count), fractions.test)
        val = min(share_of(int(count), fractions.val), count - test)
        rows = order[start : start + count]
        parts[rows] = TRAIN
        parts[rows[:test]] = TEST
        parts[rows[test : test + val]] = VAL
    return parts


def by_column(values: "pa.Array", names: dict[str, str], column: str) -> np.ndarray:
    """Part (n,) int8 that a column states; null, '' and 'none' are in no part.

    Args:
        values: (n,); read as text, upper and lower case alike.
        names: value -> train, val or test; other values are in no part. Empty: the usual words.
        column: how messages call it.

    Raises:
        DataError: a value that is no part.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(pc.cast(check_single(values, column), pa.string()))
    found = coded.dictionary.to_pylist()
    if names:
        absent = sorted(names.keys() - set(found))
        if absent:
            raise DataError(
                f"column '{column}' has no value {', '.join(map(repr, absent[:3]))}",
                fix=f"it has {', '.join(map(repr, found[:8]))}",
            )
        meaning = [_WORDS[names[text]] if text in names else NO_PART for text in found]
    else:
        strange = [text for text in found if text.strip().lower() not in _WORDS]
        if strange:
            raise DataError(
                f"column '{column}' says {', '.join(map(repr, strange[:3]))}, which is no part",
                fix="its values must be train, val and test; name them with --map, as --map test=2019,2020",
            )
        meaning = [_WORDS[text.strip().lower()] for text in found]
    codes = coded.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)
    stated: np.ndarray = np.asarray([*meaning, NO_PART], np.int8)[codes]
    return stated


def check_sizes(sizes: dict[str, int], by: By, fractions: Fractions, what: str) -> None:
    """Refuse a part that is to have something and has nothing.

    Args:
        sizes: by part.
        by: how they were made; a given split may leave val and test empty.
        fractions: shares that were asked for.
        what: is missing, for messages, and out of how many.

    Raises:
        DataError: names the part.
    """
    wanted = {"train": 1.0, "val": fractions.val, "test": fractions.test}
    for name, size in sizes.items():
        if size or (by.way != "column" and wanted[name] == 0) or (by.way == "column" and name != "train"):
            continue
        if by.way == "column":
            fix = f"column '{by.column}' must say train for some rows that can be learnt from"
        elif name == "train":
            fix = f"lower {'--val, --test and --gap' if by.way == 'time' else '--val and --test'}, or label more rows"
        else:
            fix = f"raise --{name}, pass --{name} 0 to do without, or choose another --by"
        raise DataError(f"the {name} part of the split --by {by} has no {what}", fix=fix)


def parse_map(texts: list[str]) -> dict[str, str]:
    """``["val=2018", "test=2019,2020"]`` as value -> part.

    Raises:
        UsageError: not PART=VALUE,..., or a value named twice.
    """
    names: dict[str, str] = {}
    for text in texts:
        part, equals, values = text.partition("=")
        if part not in ("train", "val", "test") or not equals:
            raise UsageError(f"--map {text} names no part", fix="write --map train=VALUE,VALUE")
        for value in values.split(","):
            if names.setdefault(value, part) != part:
                raise UsageError(f"--map gives '{value}' to {names[value]} and {part}", fix="name it once")
    return names


def share_of(count: int, share: float) -> int:
    """A share of some rows, as a number of rows, half a row being one."""
    return math.floor(count * share + 0.5)

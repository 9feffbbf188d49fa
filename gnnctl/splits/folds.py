"""k-fold splits: every seed is tested once."""

from dataclasses import replace

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.splits.keyed import keyed_hashes
from gnnctl.splits.node import NodeSplit


def fold_numbers(split: NodeSplit, count: int, seed: int = 0) -> np.ndarray:
    """Fold (n,) int64 of each seed of the train part, from 0.

    Seeds stand in the order of their keyed hashes, of classes class by class, and are dealt out one by one. So every
    class is spread over the folds as evenly as can be, and so are the seeds.

    Args:
        split: whose train part is dealt out.
        count: folds, at least 3: one to test, one to choose the epoch by, and one to train on.
        seed: another seed deals otherwise.

    Raises:
        UsageError: fewer than 3 folds.
        DataError: fewer seeds than folds.
    """
    rows, labels = split.part("train")
    if count < 3:
        raise UsageError(f"--folds {count}: one is tested, one chooses the epoch, the rest train", fix="pass 3 or more")
    if len(rows) < count:
        raise DataError(f"--folds {count}: the train part has {len(rows)} seeds", fix="pass fewer folds")
    hashes = keyed_hashes(split.graph.ids_of(split.target.node_type, rows), seed, "fold")
    classes = labels if split.target.problem == "multiclass" else np.zeros(len(rows), np.int64)
    folds = np.empty(len(rows), np.int64)
    folds[np.lexsort((hashes, classes))] = np.arange(len(rows)) % count
    return folds


def fold_split(split: NodeSplit, folds: np.ndarray, fold: int) -> NodeSplit:
    """The split that tests one fold, chooses by the next one, and trains on the others of the train part.

    Args:
        split: as given to :func:`fold_numbers`.
        folds: (n,) from there.
        fold: the one to test.
    """
    rows, labels = split.part("train")
    count = int(folds.max()) + 1
    test, val = folds == fold, folds == (fold + 1) % count
    chosen = {"train": ~(test | val), "val": val, "test": test}
    parts = {name: (rows[mask], labels[mask]) for name, mask in chosen.items()}
    return replace(split, parts=parts, target=split.target.standardised(parts["train"][1]))

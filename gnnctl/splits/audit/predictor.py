"""How well one feature alone predicts a label: a table of what the label is where the feature has this value."""

from dataclasses import dataclass

import numpy as np

_BINS = 256
_LEAST = 5  # rows of a class that can be called a share


@dataclass(frozen=True)
class Labelled:
    """Values of F features (n, F) and labels: int64 (n,) classes, float32 (n, outputs) of 0 and 1, or float32 (n,)."""

    x: np.ndarray
    y: np.ndarray


def feature_scores(train: Labelled, judged: Labelled, problem: str, outputs: int) -> np.ndarray:
    """(F,) float64 from about 0, no better than chance, to 1, perfect: each feature's own prediction of judged rows.

    A feature's values are put into at most 256 bins: one a value of train where they are few, else quantiles of train.
    In each bin the class is predicted that most of its own training rows have there, which favours no frequent class.
    The score of classes is (b - 1/K) / (1 - 1/K), b being the mean recall of the K classes with at least 5 judged rows;
    of sets of labels that of the best predicted label, each against its absence; of numbers R^2 of the bins' means.

    Args:
        train: to fit on.
        judged: to predict.
        problem: multiclass, multilabel or regression.
        outputs: classes, labels, or 1.
    """
    scores = np.zeros(train.x.shape[1])
    for i in range(len(scores)):
        bins, places = _bins(train.x[:, i], judged.x[:, i])
        if bins.max(initial=0) == 0:
            continue  # one value tells nothing
        if problem == "regression":
            scores[i] = _of_numbers(bins, places, train.y, judged.y)
        elif problem == "multilabel":
            scores[i] = _of_sets(bins, places, train.y, judged.y)
        else:
            scores[i] = _of_classes(bins, places, train.y, judged.y, outputs)
    return scores


def _bins(values: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bins of training values and of others, numbered from 0."""
    known = np.unique(values)
    if len(known) > _BINS:
        known = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS, method="lower"))
        return np.searchsorted(known, values, "right"), np.searchsorted(known, others, "right")
    middle = known[:-1] + (known[1:] - known[:-1]) / 2
    return np.searchsorted(known, values), np.searchsorted(middle, others)


def _of_classes(bins: np.ndarray, places: np.ndarray, y: np.ndarray, truth: np.ndarray, classes: int) -> float:
    many = int(max(bins.max(), places.max())) + 1
    counts = np.bincount(bins * classes + y, minlength=many * classes).reshape(many, classes)
    sizes = np.bincount(y, minlength=classes)
    shares = counts / np.maximum(sizes, 1)
    guess = shares.argmax(axis=1)
    guess[counts.sum(axis=1) == 0] = sizes.argmax()
    judged = np.bincount(truth, minlength=classes)
    right = np.bincount(truth[guess[places] == truth], minlength=classes)
    used = judged >= _LEAST
    if used.sum() < 2:
        return 0.0
    recall, chance = (right[used] / judged[used]).mean(), 1 / used.sum()
    return float((recall - chance) / (1 - chance))


def _of_sets(bins: np.ndarray, places: np.ndarray, y: np.ndarray, truth: np.ndarray) -> float:
    from scipy.sparse import csr_matrix

    many = int(max(bins.max(), places.max())) + 1
    member = csr_matrix((np.ones(len(bins)), (bins, np.arange(len(bins)))), shape=(many, len(bins)))
    having = np.asarray(member @ y.astype(np.float64))
    lacking = np.bincount(bins, minlength=many)[:, None] - having
    with_label = y.sum(axis=0, dtype=np.float64)
    guess = having * np.maximum(len(y) - with_label, 1) > lacking * np.maximum(with_label, 1)
    found, present = guess[places], truth > 0
    positives = present.sum(axis=0)
    used = (positives >= _LEAST) & (len(truth) - positives >= _LEAST)
    if not used.any():
        return 0.0
    recall = (found & present).sum(axis=0)[used] / positives[used]
    spared = (~found & ~present).sum(axis=0)[used] / (len(truth) - positives[used])
    return float((recall + spared - 1).max())


def _of_numbers(bins: np.ndarray, places: np.ndarray, y: np.ndarray, truth: np.ndarray) -> float:
    many = int(max(bins.max(), places.max())) + 1
    counts = np.bincount(bins, minlength=many)
    sums = np.bincount(bins, y.astype(np.float64), minlength=many)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), y.mean(dtype=np.float64))
    spread = float(np.square(truth - truth.mean(dtype=np.float64)).sum())
    return 1 - float(np.square(truth - means[places]).sum()) / spread if spread > 0 else 0.0

"""What a model is trained for: loss, probabilities and predictions of one kind of target."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gnnctl.errors import DataError, UsageError

Problem = Literal["multiclass", "multilabel", "regression", "multibinary", "multiregression"]
SKEW = 10


@dataclass(frozen=True)
class Task:
    """Loss and outputs of a node task.

    Attributes:
        problem: multiclass (labels: int64 class index), multilabel (float32 rows of 0 and 1), regression (float32), or
            several targets: multibinary and multiregression (float32 rows, NaN where a target has no value).
        num_outputs: width of the logits: the number of classes or targets, or 1.
        mean, std: numbers are standardised with these for the loss and restored in the scores; of several, each.
        names: of several targets.
        class_weights: float32 (num_outputs,), mean loss weight 1; None weighs all examples alike.
        label_smoothing: share of the probability mass spread over all classes (multiclass only).
        focal: exponent of the focal loss; 0 is cross-entropy.
        skewed: the largest class of the training part has :data:`SKEW` times the seeds of the smallest, or more.
    """

    problem: Problem
    num_outputs: int
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    names: tuple[str, ...] = ()
    class_weights: Tensor | None = None
    label_smoothing: float = 0.0
    focal: float = 0.0
    skewed: bool = False

    @classmethod
    def of(
        cls,
        target: Any,
        train_labels: np.ndarray[Any, Any],
        class_weights: str = "none",
        label_smoothing: float = 0.0,
        focal: float = 0.0,
    ) -> "Task":
        """The task of a split's target; balanced class weights and skew are counted over ``train_labels``."""
        if target.problem in ("regression", "multiregression") and focal:
            raise UsageError("--focal needs classes; the target is a number", fix="leave it out")
        if target.problem != "multiclass" and label_smoothing:
            raise UsageError(f"--label-smoothing is for classes; the target is {target.problem}", fix="leave it out")
        weights = None
        if class_weights == "balanced":
            if target.problem in ("regression", "multiregression"):
                raise UsageError("--class-weights balanced needs classes; the target is a number", fix="leave it out")
            weights = torch.from_numpy(balanced_weights(target.problem, target.num_outputs, train_labels))
        elif class_weights != "none":
            raise UsageError(f"--class-weights {class_weights} is unknown", fix="pass balanced or none")
        return cls(
            problem=target.problem,
            num_outputs=target.num_outputs,
            **standard_of(target),
            class_weights=weights,
            label_smoothing=label_smoothing,
            focal=focal,
            skewed=target.problem == "multiclass" and is_skewed(train_labels),
        )

    def to(self, device: torch.device) -> "Task":
        """The same task with its class weights on ``device``."""
        if self.class_weights is None:
            return self
        return replace(self, class_weights=self.class_weights.to(device))

    @property
    def unit(self) -> float:
        """The deviation of one number."""
        assert isinstance(self.std, float)
        return self.std

    def plain(self) -> "Task":
        """Without anything that only training needs."""
        return Task(self.problem, self.num_outputs, self.mean, self.std, self.names)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Mean loss over the seeds, float32 scalar. logits (n, num_outputs), y (n,) or (n, num_outputs)."""
        logits = logits.float()
        if self.problem in ("multibinary", "multiregression"):
            return self._several(logits, y)
        if self.focal and self.problem != "regression":
            return self._focal(logits, y)
        if self.problem == "multiclass":
            return functional.cross_entropy(logits, y, weight=self.class_weights, label_smoothing=self.label_smoothing)
        if self.problem == "multilabel":
            return functional.binary_cross_entropy_with_logits(logits, y.float(), pos_weight=self.class_weights)
        return functional.mse_loss(
            logits.squeeze(-1), (y.float() - y.new_tensor(self.mean, dtype=torch.float32)) / self.unit
        )

    def _several(self, logits: Tensor, y: Tensor) -> Tensor:
        """Mean over the values that are known, whichever target they are of; 0 where none is."""
        known = ~y.isnan()
        truth = torch.where(known, y, 0.0)
        if self.problem == "multiregression":
            mean, std = (logits.new_tensor(values) for values in (self.mean, self.std))
            each = (logits - (truth - mean) / std) ** 2
        else:
            each = functional.binary_cross_entropy_with_logits(
                logits, truth, pos_weight=self.class_weights, reduction="none"
            )
            if self.focal:
                p = torch.where(truth > 0.5, logits.sigmoid(), (-logits).sigmoid())
                each = (1 - p) ** self.focal * each
        return torch.where(known, each, 0.0).sum() / known.sum().clamp(min=1)

    def weight(self, y: Tensor) -> float | Tensor:
        """What :meth:`loss` divides by, up to a constant: means weighted with it are means over all labels together."""
        if self.problem == "multiclass" and self.class_weights is not None:
            return self.class_weights[y].sum()
        if self.names:
            return float((~y.isnan()).sum())
        return float(len(y))

    def _focal(self, logits: Tensor, y: Tensor) -> Tensor:
        r""":math:`-(1 - p_t)^\gamma \log p_t`, p_t the probability of what is true, averaged as cross-entropy is.

        "Focal Loss for Dense Object Detection" (Lin et al., 2017): examples that are already right count little.
        """
        weight = self.class_weights
        if self.problem == "multiclass":
            smooth = self.label_smoothing
            each = functional.cross_entropy(logits, y, weight=weight, label_smoothing=smooth, reduction="none")
            p = logits.softmax(-1).gather(-1, y[:, None]).squeeze(-1)
            total = p.numel() if weight is None else weight[y].sum()
            return ((1 - p) ** self.focal * each).sum() / total
        truth = y.float()
        each = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=weight, reduction="none")
        p = torch.where(truth > 0.5, logits.sigmoid(), (-logits).sigmoid())
        return ((1 - p) ** self.focal * each).mean()

    def scores(self, logits: Tensor) -> Tensor:
        """float32 (n, num_outputs): class probabilities, label probabilities, or values in the target's unit."""
        logits = logits.float()
        if self.problem == "multiclass":
            return logits.softmax(dim=-1)
        if self.problem in ("multilabel", "multibinary"):
            return logits.sigmoid()
        return logits * logits.new_tensor(self.std) + logits.new_tensor(self.mean)


def standard_of(target: Any) -> dict[str, Any]:
    """Mean, deviation (1 where there is none) and names of a target, as :class:`Task` takes them."""

    def values(given: float | list[float] | None, missing: float) -> float | tuple[float, ...]:
        if isinstance(given, list):
            return tuple(value or missing for value in given)
        return missing if given is None else given or missing

    several = target.problem in ("multibinary", "multiregression")
    names = tuple(target.classes) if several else ()
    return {"mean": values(target.mean, 0.0), "std": values(target.std, 1.0), "names": names}


def balanced_weights(problem: str, num_outputs: int, labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """float32 (num_outputs,): multiclass n / (classes x count), so that every class weighs the same in the loss;
    multilabel the ratio of negatives to positives. Classes absent from ``labels`` get weight 0 (1 if multilabel)."""
    if problem == "multiclass":
        counts = np.bincount(labels, minlength=num_outputs).astype(np.float64)
        present = counts > 0
        weights = np.zeros(num_outputs)
        weights[present] = len(labels) / (present.sum() * counts[present])
        return weights.astype(np.float32)
    known = ~np.isnan(labels)
    positives = np.nansum(np.asarray(labels, dtype=np.float64), axis=0)
    return np.where(positives > 0, (known.sum(axis=0) - positives) / np.maximum(positives, 1), 1.0).astype(np.float32)


def is_skewed(labels: np.ndarray[Any, Any]) -> bool:
    """Whether accuracy says little: the largest class has :data:`SKEW` times the rows of the smallest, or more."""
    counts = np.bincount(labels) if len(labels) else np.zeros(0, np.int64)
    counts = counts[counts > 0]
    return len(counts) > 1 and bool(counts.max() >= SKEW * counts.min())


def check_seeds(part: str, rows: np.ndarray[Any, Any]) -> None:
    """DataError where a part that training needs has no seeds."""
    if len(rows) == 0:
        raise DataError(f"the split's {part} part has no seeds", fix="split again with a larger share for it")

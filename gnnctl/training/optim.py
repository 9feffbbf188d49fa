"""Optimisers and learning-rate schedules; a schedule is a function of the step, so nothing of it needs saving."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from gnnctl.errors import UsageError
from gnnctl.training.options import TrainOptions


def build_optimizer(model: nn.Module, options: TrainOptions) -> torch.optim.Optimizer:
    """The optimiser over all parameters, decay on those that ``weight_decay_on`` selects."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise UsageError("the model has no parameters to train", fix="pass another --model")
    decayed = first_layer(model) if options.weight_decay_on == "first" else {name for name, _ in named}
    groups = [
        {"params": [p for name, p in named if name in decayed], "weight_decay": options.weight_decay},
        {"params": [p for name, p in named if name not in decayed], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.lr, momentum=0.9)
    if options.optimizer == "adagrad":
        return torch.optim.Adagrad(groups, lr=options.lr)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=options.lr, fused=True)


def first_layer(model: nn.Module) -> set[str]:
    """Names of the parameters of the encoder and of the first layer.

    Raises:
        UsageError: the model does not say which parameters those are (``first_parameters()``).
    """
    names = getattr(model, "first_parameters", None)
    if names is None:
        raise UsageError(
            f"--weight-decay-on first: {type(model).__name__} does not say which parameters are its first layer's",
            fix="give it a method first_parameters() -> names, or pass --weight-decay-on all",
        )
    found: Iterable[str] = names()
    return set(found)


def rate_factor(options: TrainOptions, step: int, steps_per_epoch: int) -> float:
    """What the learning rate is multiplied with in ``step`` (from 0): warm-up, then cosine or linear decay to 0."""
    warmup = options.warmup * steps_per_epoch
    rise = min(1.0, (step + 1) / warmup) if warmup > 0 else 1.0
    if options.schedule not in ("cosine", "linear"):
        return rise
    total = options.epochs * steps_per_epoch
    share = min(1.0, max(0.0, step - warmup) / max(1.0, total - warmup))
    return rise * (0.5 * (1 + math.cos(math.pi * share)) if options.schedule == "cosine" else 1 - share)


@dataclass
class Plateau:
    """Halves the learning rate where the monitored metric has not improved for ``patience`` validations."""

    patience: int = 5
    factor: float = 1.0
    waited: int = 0

    def update(self, improved: bool) -> None:
        """Take note of one validation."""
        self.waited = 0 if improved else self.waited + 1
        if self.waited > self.patience:
            self.factor *= 0.5
            self.waited = 0

    def state(self) -> dict[str, Any]:
        """Primitive values for the checkpoint."""
        return asdict(self)

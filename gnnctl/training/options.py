"""Options of a training run, with their checks."""

import math
import os
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from gnnctl.errors import UsageError
from gnnctl.graph.memory import keep_freed_memory

Optimizer = Literal["adam", "adamw", "sgd", "adagrad"]
Schedule = Literal["none", "cosine", "linear", "plateau"]
Precision = Literal["float32", "bfloat16", "float16"]
DecayOn = Literal["all", "first"]


@dataclass(frozen=True)
class TrainOptions:
    """How a model is trained. All of it is part of the model's recipe.

    Attributes:
        epochs: the most epochs; patience may end the run earlier. 0 for a model that has nothing to train.
        batch_size: seeds a step, or None for the full batch.
        balanced: batches have an equal part of each class.
        weight_decay_on: ``all`` parameters, or the ``first`` layer (the encoder and the first convolution) only.
        warmup: epochs, may be a fraction, over which the learning rate rises linearly from 0.
        patience: epochs without a better validation metric before the run ends; 0 never ends it early.
        monitor: validation metric that picks the best epoch; None is the problem's default.
        focal: exponent of the focal loss; 0 is cross-entropy.
        clip_grad: largest norm of the gradient; 0 leaves it as it is.
        eval_every: epochs between two validations; the last epoch always has one.
    """

    epochs: int = 20
    batch_size: int | None = None
    balanced: bool = False
    lr: float = 0.01
    weight_decay: float = 0.0
    weight_decay_on: DecayOn = "all"
    optimizer: Optimizer = "adam"
    schedule: Schedule = "none"
    warmup: float = 0.0
    patience: int = 0
    monitor: str | None = None
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = 0.0
    focal: float = 0.0
    clip_grad: float = 0.0
    precision: Precision = "float32"
    compile: bool = False
    eval_every: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise UsageError(f"--epochs {self.epochs} is negative", fix="pass a number above 0")
        positive = {"--lr": self.lr, "--eval-every": self.eval_every}
        for flag, value in positive.items():
            if not 0 < value < math.inf:
                raise UsageError(f"{flag} {value} is not a positive number", fix="pass a number above 0")
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"--batch-size {self.batch_size} is not positive", fix="pass 1 or more")
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(f"--label-smoothing {self.label_smoothing} is outside [0, 1)", fix="pass e.g. 0.1")
        for name in ("warmup", "patience", "focal", "clip_grad", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(f"{flag} {getattr(self, name)} is no finite number from 0 on", fix="pass 0 or more")

    def to_json(self) -> dict[str, Any]:
        """The options as JSON values, in the order above."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "TrainOptions":
        """The options of a model.json."""
        return cls(**document)


def resolve_device(name: str) -> torch.device:
    """``auto`` (cuda where there is one), ``cpu`` or ``cuda[:index]``; UsageError where this machine has none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name} is unknown", fix="pass auto, cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name} is not supported", fix="pass auto, cpu or cuda")
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index is not None and device.index >= torch.cuda.device_count())
    ):
        raise UsageError(f"--device {name}: this machine has no such device", fix="pass auto or cpu")
    return device


def check_precision(precision: str, device: torch.device) -> None:
    """UsageError for a precision that the device cannot train in."""
    if precision == "float16" and device.type != "cuda":
        raise UsageError("--precision float16 needs a CUDA device", fix="pass bfloat16 or float32")


def set_up_cpu(threads: int) -> None:
    """Use so many CPU threads in torch and in the kernels, 0 leaving all of them; and see :func:`keep_freed_memory`.

    Raises:
        UsageError: far more than there are processors.
    """
    most = max(64, 4 * (os.cpu_count() or 1))
    if threads > most:
        raise UsageError(f"--threads {threads} is more than {most}", fix="ask for as many as there are processors")
    if threads > 0:
        torch.set_num_threads(threads)
    keep_freed_memory()

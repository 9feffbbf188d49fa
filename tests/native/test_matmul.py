"""What the native products and attention sums refuse: every message begins with the argument's name."""

import torch

from gnnctl.native import _native
from gnnctl.nn.ops.checks import array


def products(**change):
    tensors = {
        "x": torch.ones(5, 4),
        "ptr": torch.tensor([0, 3, 5]),
        "weight": torch.ones(2, 4, 6),
        "bias": torch.ones(2, 6),
    }
    tensors |= {"out": torch.ones(5, 6)} | change
    made = {name: array(tensor) for name, tensor in tensors.items()}
    weights = _native.Weights(made["weight"], made["bias"], False)
    _native.segment_matmul(made["x"], made["ptr"], weights, made["out"], 1)

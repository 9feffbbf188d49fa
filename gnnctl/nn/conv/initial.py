"""First values of weights that are no Linear."""

import math

import torch
from torch import Tensor


def glorot_(weight: Tensor) -> Tensor:
    """Draw each (in, out) matrix of a stack uniformly, as Glorot and Bengio (2010) do; in place."""
    limit = math.sqrt(6 / (weight.shape[-2] + weight.shape[-1]))
    with torch.no_grad():
        return weight.uniform_(-limit, limit)

"""ReLU, for compiled training on a CPU without its mask."""

from typing import Any

import torch
from torch import Tensor, nn


class ReLU(nn.ReLU):
    """:class:`torch.nn.ReLU`, with the same numbers.

    torch.compile keeps of a ReLU, for the backward pass, where its input was positive: a byte a number. On a CPU
    writing those bytes costs twenty times the ReLU itself. So in a compiled training step on a CPU the output is kept
    instead, and the gradient is one operator that the compiler does not look into.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(...) to (...)."""
        hides = torch.compiler.is_compiling() and not torch.compiler.is_exporting()
        if hides and torch.is_grad_enabled() and x.device.type == "cpu":
            out: Tensor = _ReLU.apply(x)  # type: ignore[no-untyped-call]  # torch gives apply no types
            return out
        return super().forward(x)


class _ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = x.relu()
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (out,) = ctx.saved_tensors
        found: Tensor = _relu_backward(gradients[0], out)
        return found


@torch.library.custom_op("gnnctl::relu_backward", mutates_args=())
def _relu_backward(grad: Tensor, out: Tensor) -> Tensor:
    """The gradient where the output is positive, else 0; shapes alike."""
    found: Tensor = torch.ops.aten.threshold_backward(grad, out, 0)
    return found.contiguous()


@_relu_backward.register_fake
def _(grad: Tensor, out: Tensor) -> Tensor:
    return torch.empty_like(out, memory_format=torch.contiguous_format)

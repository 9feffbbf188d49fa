"""Dropout, on a CPU by a kernel that draws its mask at the speed of memory and keeps none of it.

Srivastava et al., "Dropout", JMLR 2014. torch draws the masks of a CPU one number at a time, which can take longer than
the layer before, and keeps them for the backward pass. Here a mask is a function of a key, which is drawn from the
generator of torch: ``torch.manual_seed`` and a saved state of it repeat a mask, and the backward pass draws it again.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gnnctl.graph.memory import array, new_result
from gnnctl.native import _native


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """``x / (1 - p)`` where a fair coin of weight ``1 - p`` falls so, else 0; as it is where not ``training``.

    Args:
        x: (...) of any floating type; float32 on a CPU takes the kernel, in which ``p`` counts in steps of 1 / 65,536.
        p: 0 to 1, the share that goes.
        training: whether to do it.

    Raises:
        ValueError: ``p`` is outside 0 to 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be 0 to 1, got {p}")
    if not training or p == 0:
        return x
    if p == 1 or x.device.type != "cpu" or x.dtype != torch.float32:
        return nn.functional.dropout(x, p, True)
    out: Tensor = _dropout(x, p)[0]
    return out


class Dropout(nn.Dropout):
    """:func:`dropout` while the module is in training."""

    def forward(self, input: Tensor) -> Tensor:  # torch's name of it
        """(...) to (...)."""
        return dropout(input, self.p, self.training)


@torch.library.custom_op("gnnctl::dropout", mutates_args=(), tags=(torch.Tag.nondeterministic_seeded,))
def _dropout(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """Also the key, () int64."""
    key = torch.randint(-(2**63), 2**63 - 1, (), dtype=torch.int64)
    return _masked(x, key, p), key


@_dropout.register_fake
def _(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty((), dtype=torch.int64)


@torch.library.custom_op("gnnctl::dropout_backward", mutates_args=())
def _dropout_backward(grad: Tensor, key: Tensor, p: float) -> Tensor:
    """The gradient where the key's mask kept something, scaled as that was."""
    return _masked(grad, key, p)


@_dropout_backward.register_fake
def _(grad: Tensor, key: Tensor, p: float) -> Tensor:
    return grad.new_empty(grad.shape)


def _masked(x: Tensor, key: Tensor, p: float) -> Tensor:
    x = x.detach().contiguous()
    out = new_result(x.shape, x.dtype)
    _native.dropout(array(x), int(key) & (2**64 - 1), p, array(out), torch.get_num_threads())
    return out


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.p = inputs[1]
    ctx.save_for_backward(output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
    (key,) = ctx.saved_tensors
    return _dropout_backward(grad, key, ctx.p), None


def _setup_again(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.p = inputs[2]
    ctx.save_for_backward(inputs[1])


def _backward_again(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    (key,) = ctx.saved_tensors
    return _dropout_backward(grad, key, ctx.p), None, None


_dropout.register_autograd(_backward, setup_context=_setup)
_dropout_backward.register_autograd(_backward_again, setup_context=_setup_again)  # for gradients of gradients

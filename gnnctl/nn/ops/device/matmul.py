"""Products of rows by type and of lists of matrices on a device."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gnnctl.nn.ops import matmul_fallback as fallback
from gnnctl.nn.ops.device.kernels import Kernels, kernels_for, ready


def segment_matmul(x: Tensor, ptr: Tensor | None, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    """(N, M): each row of x (N, K) times the matrix of its type, (T, K, M), or (T, M, K) where transposed."""
    kernels = kernels_for(x)
    if kernels is None:
        return fallback.segment_matmul(x, ptr, weight.mT if transposed else weight, bias)
    if not kernels.emulated and ptr is not None and bias is None and _grouped_mm_is_faster(x, weight):
        return torch.nn.functional.grouped_mm(
            x, weight.mT if transposed else weight, offs=ptr[1:].to(torch.int32)
        )  # sizes stay on the device
    x, weight = ready(x), ready(weight)
    out = x.new_empty((x.shape[0], weight.shape[1 if transposed else 2]))
    kernels.module.segment_matmul(
        kernels.place(x),
        kernels.array(x),
        kernels.maybe(None if ptr is None else ptr.contiguous()),
        kernels.array(weight),
        transposed,
        kernels.maybe(None if bias is None else ready(bias)),
        kernels.array(out),
        _tf32(),
    )
    return out


def segment_outer(x: Tensor, ptr: Tensor | None, grad: Tensor, num_types: int) -> Tensor:
    """(T, K, M): of each type ``x' grad``."""
    kernels = kernels_for(x)
    if kernels is None:
        return fallback.segment_outer(x, ptr, grad, num_types)
    return _outer(kernels, x, ptr, grad, num_types)


def grouped_matmul(
    xs: Sequence[Tensor], weights: Sequence[Tensor], biases: Sequence[Tensor | None], transposed: bool = False
) -> list[Tensor]:
    """``xs[i] @ weights[i] + biases[i]``; the weights are turned where transposed."""
    kernels = kernels_for(xs[0])
    if kernels is None:
        factors = [weight.mT for weight in weights] if transposed else weights
        return [fallback.product(*group) for group in zip(xs, factors, biases, strict=True)]
    left, right = [ready(x) for x in xs], [ready(weight) for weight in weights]
    axis = 0 if transposed else 1
    outs = [x.new_empty((x.shape[0], w.shape[axis])) for x, w in zip(left, right, strict=True)]
    kernels.module.grouped_matmul(
        kernels.place(xs[0]),
        [kernels.array(x) for x in left],
        [kernels.array(weight) for weight in right],
        [kernels.maybe(None if bias is None else ready(bias)) for bias in biases],
        transposed,
        [kernels.array(out) for out in outs],
        _tf32(),
    )
    return outs


def grouped_outer(xs: Sequence[Tensor], grads: Sequence[Tensor]) -> list[Tensor]:
    """``xs[i].T @ grads[i]``"""
    kernels = kernels_for(xs[0])
    if kernels is None:
        return [x.mT @ grad for x, grad in zip(xs, grads, strict=True)]
    return [_outer(kernels, x, None, grad, 1).squeeze(0) for x, grad in zip(xs, grads, strict=True)]


def _outer(kernels: Kernels, x: Tensor, ptr: Tensor | None, grad: Tensor, num_types: int) -> Tensor:
    x, grad = ready(x), ready(grad)
    out = x.new_empty((num_types, x.shape[1], grad.shape[1]))
    rows = kernels.maybe(None if ptr is None else ptr.contiguous())
    given = (kernels.array(x), rows, kernels.array(grad), kernels.array(out))
    kernels.module.segment_outer(kernels.place(x), *given, _tf32())
    return out


def _tf32() -> bool:
    """Torch's own setting decides: ``torch.backends.cuda.matmul.fp32_precision``, or ``allow_tf32``."""
    return bool(torch.backends.cuda.matmul.allow_tf32)


def _grouped_mm_is_faster(x: Tensor, weight: Tensor) -> bool:
    """Whether torch has a fast kernel of its own here: bfloat16, compute capability 9, rows of 16 bytes."""
    if x.dtype != torch.bfloat16 or x.shape[0] == 0 or not (x.is_contiguous() and weight.is_contiguous()):
        return False
    if any(size % 8 != 0 or size == 0 for size in (*weight.shape[1:], x.shape[1])):
        return False
    addresses = (x.data_ptr(), weight.data_ptr())
    return all(at % 16 == 0 for at in addresses) and torch.cuda.get_device_capability(x.device)[0] == 9

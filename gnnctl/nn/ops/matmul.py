"""Matrix products of rows grouped by type: one call for all types, each with a matrix of its own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gnnctl.native import _native
from gnnctl.nn.ops import device
from gnnctl.nn.ops.checks import array, array_or_none, as_float, check_floats, compute_dtype, new_result


def segment_matmul(x: Tensor, ptr: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply each row by the matrix of its type.

    Args:
        x: (N, K) float rows, sorted by type.
        ptr: (T + 1,) int64, rising from 0 to N; type t has the rows ``ptr[t]:ptr[t + 1]``, which may be none.
        weight: (T, K, M) matrices, of x's dtype.
        bias: (T, M) added to each row of a type, or None.

    Returns:
        (N, M) of x's dtype; half precision is multiplied and added up in float32, and rounded once.

    Raises:
        TypeError: x is no float, the dtypes differ, or ptr is not int64.
        ValueError: the shapes do not fit, or ptr does not rise from 0 to N.
    """
    _check_segments(x, ptr, weight, bias)
    out: Tensor = _segment_matmul(x, ptr, weight, bias, False)
    return out


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """:func:`torch.nn.functional.linear` on the kernels of :func:`segment_matmul`.

    Args:
        x: (..., K) float.
        weight: (M, K), of x's dtype.
        bias: (M,), or None.

    Returns:
        (..., M), of x's dtype.

    Raises:
        TypeError: x is no float, or the dtypes differ.
        ValueError: the shapes do not fit.
    """
    check_floats(x=x, weight=weight, bias=bias)
    if weight.dim() != 2 or x.dim() < 1 or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"weight {tuple(weight.shape)} does not fit x {tuple(x.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias {tuple(bias.shape)} does not fit weight {tuple(weight.shape)}")
    _check_dtypes(x, weight=weight, bias=bias)
    rows = x.reshape(-1, weight.shape[1]) if weight.shape[1] else x.reshape(x.shape[:-1].numel(), 0)
    biases = None if bias is None else bias.unsqueeze(0)
    out: Tensor = _segment_matmul(rows, None, weight.unsqueeze(0), biases, True)
    return out.view(*x.shape[:-1], weight.shape[0])


def grouped_matmul(
    xs: Sequence[Tensor], weights: Sequence[Tensor], biases: Sequence[Tensor | None] | None = None
) -> list[Tensor]:
    """Multiply pairs of matrices of any sizes, in one call.

    Args:
        xs: T matrices (N_t, K_t), all of one float dtype.
        weights: T matrices (K_t, M_t), of the same dtype.
        biases: T vectors (M_t,) or Nones, or None.

    Returns:
        T matrices (N_t, M_t), of the same dtype.

    Raises:
        TypeError: no floats, or dtypes that differ.
        ValueError: the lists differ in length, or shapes do not fit.
    """
    xs, weights = list(xs), list(weights)
    added = [None] * len(xs) if biases is None else list(biases)
    for name, values in (("weights", weights), ("biases", added)):
        if len(values) != len(xs):
            raise ValueError(f"{name} has {len(values)} matrices for {len(xs)} xs")
    for i, (x, weight, bias) in enumerate(zip(xs, weights, added, strict=True)):
        check_floats(**{f"xs[{i}]": x, f"weights[{i}]": weight, f"biases[{i}]": bias})
        if x.dim() != 2:
            raise ValueError(f"xs[{i}] must be (N, K), got {tuple(x.shape)}")
        if weight.dim() != 2 or weight.shape[0] != x.shape[1]:
            raise ValueError(f"weights[{i}] {tuple(weight.shape)} does not fit xs[{i}] {tuple(x.shape)}")
        if bias is not None and bias.shape != weight.shape[1:]:
            raise ValueError(f"biases[{i}] {tuple(bias.shape)} does not fit weights[{i}] {tuple(weight.shape)}")
        _check_dtypes(xs[0], **{f"xs[{i}]": x, f"weights[{i}]": weight, f"biases[{i}]": bias})
    if not xs:
        return []
    present = [b for b in added if b is not None]
    has_bias = [b is not None for b in added]
    out: list[Tensor] = _grouped_matmul(xs, weights, present, has_bias)
    return out


def _check_dtypes(x: Tensor, **others: Tensor | None) -> None:
    if torch.is_autocast_enabled(x.device.type):
        return
    for name, tensor in others.items():
        if tensor is not None and tensor.dtype != x.dtype:
            raise TypeError(f"{name} must be {x.dtype} like x, got {tensor.dtype}")


def _check_segments(x: Tensor, ptr: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    check_floats(x=x, weight=weight, bias=bias)
    if x.dim() != 2:
        raise ValueError(f"x must be (N, K), got {tuple(x.shape)}")
    if weight.dim() != 3 or weight.shape[1] != x.shape[1]:
        raise ValueError(f"weight {tuple(weight.shape)} is not (T, K, M) for x {tuple(x.shape)}")
    if ptr.dtype != torch.int64:
        raise TypeError(f"ptr must be int64, got {ptr.dtype}")
    if ptr.dim() != 1 or ptr.shape[0] != weight.shape[0] + 1:
        raise ValueError(f"ptr {tuple(ptr.shape)} is not (T + 1,) for weight {tuple(weight.shape)}")
    if bias is not None and bias.shape != (weight.shape[0], weight.shape[2]):
        raise ValueError(f"bias {tuple(bias.shape)} is not (T, M) for weight {tuple(weight.shape)}")
    _check_dtypes(x, weight=weight, bias=bias)


def _columns(weight: Tensor, transposed: bool) -> int:
    return weight.shape[1] if transposed else weight.shape[2]


def _whole(x: Tensor) -> Tensor:
    return torch.tensor([0, x.shape[0]])


@torch.library.custom_op("gnnctl::segment_matmul", mutates_args=())
def _segment_matmul(x: Tensor, ptr: Tensor | None, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    """``ptr`` None: all rows are of one type. ``transposed``: the weight is (T, M, K)."""
    if device.elsewhere(x):
        return device.segment_matmul(x, ptr, weight, bias, transposed)
    dtype = compute_dtype(x)
    values, matrices, vectors = (as_float(t, dtype) for t in (x, weight, bias))
    assert values is not None
    assert matrices is not None
    out = new_result((x.shape[0], _columns(weight, transposed)), dtype)
    weights = _native.Weights(array(matrices), array_or_none(vectors), transposed)
    rows = _whole(x) if ptr is None else ptr.contiguous()
    _native.segment_matmul(array(values), array(rows), weights, array(out), torch.get_num_threads())
    return out.to(x.dtype)


@_segment_matmul.register_fake
def _(x: Tensor, ptr: Tensor | None, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    return x.new_empty((x.shape[0], _columns(weight, transposed)))


@torch.library.custom_op("gnnctl::segment_outer", mutates_args=())
def _segment_outer(x: Tensor, ptr: Tensor | None, grad: Tensor, num_types: int) -> Tensor:
    """(T, K, M): of each type ``x' grad``, with x (N, K) and grad (N, M)."""
    if device.elsewhere(x):
        return device.segment_outer(x, ptr, grad, num_types)
    dtype = compute_dtype(x)
    left, right = as_float(x, dtype), as_float(grad, dtype)
    assert left is not None
    assert right is not None
    out = new_result((num_types, x.shape[1], grad.shape[1]), dtype)
    rows = _whole(x) if ptr is None else ptr.contiguous()
    _native.segment_outer(array(left), array(rows), array(right), array(out), torch.get_num_threads())
    return out.to(x.dtype)


@_segment_outer.register_fake
def _(x: Tensor, ptr: Tensor | None, grad: Tensor, num_types: int) -> Tensor:
    return x.new_empty((num_types, x.shape[1], grad.shape[1]))


def _setup_outer(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, ptr, grad, _ = inputs
    ctx.save_for_backward(x, ptr, grad)


def _backward_outer(ctx: Any, of_out: Tensor) -> tuple[Tensor | None, ...]:
    x, ptr, grad = ctx.saved_tensors
    of_x = _segment_matmul(grad, ptr, of_out, None, True) if ctx.needs_input_grad[0] else None
    of_grad = _segment_matmul(x, ptr, of_out, None, False) if ctx.needs_input_grad[2] else None
    return of_x, None, of_grad, None


_segment_outer.register_autograd(_backward_outer, setup_context=_setup_outer)


def _setup_segments(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, ptr, weight, bias, ctx.transposed = inputs
    ctx.save_for_backward(x, ptr, weight)
    ctx.has_bias = bias is not None


def _backward_segments(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, ptr, weight = ctx.saved_tensors
    grad_x = grad_weight = grad_bias = None
    if ctx.needs_input_grad[0]:
        grad_x = _segment_matmul(grad, ptr, weight, None, not ctx.transposed)
    if ctx.needs_input_grad[2]:
        left, right = (grad, x) if ctx.transposed else (x, grad)
        grad_weight = _segment_outer(left, ptr, right, weight.shape[0])
    if ctx.has_bias and ctx.needs_input_grad[3]:
        ones = grad.new_ones((grad.shape[0], 1))
        grad_bias = _segment_outer(ones, ptr, grad, weight.shape[0]).squeeze(1)
    return grad_x, None, grad_weight, grad_bias, None


_segment_matmul.register_autograd(_backward_segments, setup_context=_setup_segments)


@torch.library.custom_op("gnnctl::grouped_matmul", mutates_args=())
def _grouped_matmul(
    xs: list[Tensor], weights: list[Tensor], biases: list[Tensor], has_bias: list[bool]
) -> list[Tensor]:
    """``biases`` holds one vector for each True in ``has_bias``."""
    added = _spread(biases, has_bias)
    if device.elsewhere(xs[0]):
        return device.grouped_matmul(xs, weights, added)
    return _native_products(xs, weights, added, False)


def _spread(biases: list[Tensor], has_bias: list[bool]) -> list[Tensor | None]:
    left = iter(biases)
    return [next(left) if there else None for there in has_bias]


def _native_products(
    xs: list[Tensor], weights: list[Tensor], biases: list[Tensor | None], transposed: bool
) -> list[Tensor]:
    dtype = compute_dtype(xs[0])
    ins = [x.detach().to(dtype).contiguous() for x in xs]
    outs = [
        new_result((x.shape[0], w.shape[0] if transposed else w.shape[1]), dtype)
        for x, w in zip(xs, weights, strict=True)
    ]
    factors = []
    for weight, bias in zip(weights, biases, strict=True):
        vector = None if bias is None else bias.detach().to(dtype).contiguous().unsqueeze(0)
        matrix = weight.detach().to(dtype).contiguous().unsqueeze(0)
        factors.append(_native.Weights(array(matrix), array_or_none(vector), transposed))
    _native.grouped_matmul([array(x) for x in ins], factors, [array(o) for o in outs], torch.get_num_threads())
    return [out.to(xs[0].dtype) for out in outs]


@_grouped_matmul.register_fake
def _(xs: list[Tensor], weights: list[Tensor], biases: list[Tensor], has_bias: list[bool]) -> list[Tensor]:
    return [x.new_empty((x.shape[0], w.shape[1])) for x, w in zip(xs, weights, strict=True)]


@torch.library.custom_op("gnnctl::grouped_matmul_backward", mutates_args=())
def _grouped_backward(
    grads: list[Tensor], xs: list[Tensor], weights: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients of the xs and of the weights."""
    nothing: list[Tensor | None] = [None] * len(xs)
    if device.elsewhere(xs[0]):
        return device.grouped_matmul(grads, weights, nothing, True), device.grouped_outer(xs, grads)
    dtype = compute_dtype(xs[0])
    of_xs = _native_products(grads, weights, list(nothing), True)
    ins = [x.detach().to(dtype).contiguous() for x in xs]
    outer = [g.detach().to(dtype).contiguous() for g in grads]
    outs = [new_result(w.shape, dtype) for w in weights]
    threads = torch.get_num_threads()
    _native.grouped_outer([array(t) for t in ins], [array(t) for t in outer], [array(t) for t in outs], threads)
    return of_xs, [out.to(weights[0].dtype) for out in outs]


@_grouped_backward.register_fake
def _(grads: list[Tensor], xs: list[Tensor], weights: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    return [torch.empty_like(x) for x in xs], [torch.empty_like(w) for w in weights]


def _setup_groups(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    xs, weights, _, ctx.has_bias = inputs
    ctx.save_for_backward(*xs, *weights)


def _backward_groups(ctx: Any, grads: list[Tensor]) -> tuple[Any, ...]:
    tensors = list(ctx.saved_tensors)
    xs, weights = tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]
    of_xs, of_weights = _grouped_backward(grads, xs, weights)
    of_biases = [grad.sum(0) for grad, there in zip(grads, ctx.has_bias, strict=True) if there]
    return of_xs, of_weights, of_biases, None


_grouped_matmul.register_autograd(_backward_groups, setup_context=_setup_groups)
for _op in (_segment_matmul, _grouped_matmul):
    for _device in ("cpu", "cuda"):
        _op.register_autocast(_device, torch.float32)

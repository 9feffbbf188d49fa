"""Dot products of the two ends of each edge."""

from typing import Any

import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import device
from gnnctl.nn.ops.checks import check_floats
from gnnctl.nn.ops.spmm import _sddmm as _products
from gnnctl.nn.ops.spmm import _spmm_backward, native_sum


def sddmm(edge_index: EdgeIndex, dst_features: Tensor, src_features: Tensor) -> Tensor:
    """Sampled dense-dense product: of each edge, the dot product of its destination's and its source's features.

    Args:
        edge_index: E edges from S sources to D destinations.
        dst_features: (D, F) or (D, H, F) float.
        src_features: (S, F) or (S, H, F), of the same dtype.

    Returns:
        (E,), or (E, H): one product for each head.

    Raises:
        TypeError: not floating point, or different dtypes.
        ValueError: the shapes do not fit.
    """
    check_floats(dst_features=dst_features, src_features=src_features)
    for name, features, rows in (
        ("dst_features", dst_features, edge_index.num_dst),
        ("src_features", src_features, edge_index.num_src),
    ):
        if features.dim() not in (2, 3) or features.shape[0] != rows:
            raise ValueError(f"{name} {tuple(features.shape)} is not ({rows}, F) or ({rows}, H, F)")
    if dst_features.shape[1:] != src_features.shape[1:]:
        raise ValueError(f"src_features {tuple(src_features.shape)} does not fit {tuple(dst_features.shape)}")
    autocast = torch.is_autocast_enabled(dst_features.device.type)
    if dst_features.dtype != src_features.dtype and not autocast:
        raise TypeError(f"src_features must be {dst_features.dtype} like dst_features, got {src_features.dtype}")
    rowptr, col, perm = edge_index.transposed_for(src_features)
    out: Tensor = _edge_dots(edge_index.colptr, edge_index.row, dst_features, src_features, rowptr, col, perm)
    return out


@torch.library.custom_op("gnnctl::edge_dots", mutates_args=())
def _edge_dots(
    colptr: Tensor,
    row: Tensor,
    dst: Tensor,
    src: Tensor,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
) -> Tensor:
    like = src.new_empty((row.shape[0], *src.shape[1:-1]))
    if src.shape[-1] == 0 or like.numel() == 0:
        return like.zero_()
    out: Tensor = _products(colptr, row, dst, src, like, False)
    return out


@_edge_dots.register_fake
def _(
    colptr: Tensor,
    row: Tensor,
    dst: Tensor,
    src: Tensor,
    rowptr: Tensor | None,
    col: Tensor | None,
    perm: Tensor | None,
) -> Tensor:
    return src.new_empty((row.shape[0], *src.shape[1:-1]))


@torch.library.custom_op("gnnctl::edge_dots_backward", mutates_args=())
def _for_destinations(colptr: Tensor, row: Tensor, src: Tensor, grad: Tensor) -> Tensor:
    """Of each destination, the sum over its edges of ``grad[e] * src[row[e]]``."""
    if device.elsewhere(src):
        return device.spmm(colptr, row, src, grad, False)
    return native_sum(colptr, row, None, src, grad)


@_for_destinations.register_fake
def _(colptr: Tensor, row: Tensor, src: Tensor, grad: Tensor) -> Tensor:
    return src.new_empty((colptr.shape[0] - 1, *src.shape[1:]))


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    colptr, row, dst, src, rowptr, col, perm = ctx.saved_tensors
    grad = grad.contiguous()
    of_dst = of_src = None
    if ctx.needs_input_grad[2]:
        of_dst = _for_destinations(colptr, row, src, grad)
    if ctx.needs_input_grad[3]:
        of_src = _spmm_backward(colptr, row, dst, grad, rowptr, col, perm, src.shape[0], False)
    return None, None, of_dst, of_src, None, None, None


_edge_dots.register_autograd(_backward, setup_context=_setup)
for _device in ("cpu", "cuda"):
    _edge_dots.register_autocast(_device, torch.float32)

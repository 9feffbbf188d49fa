"""Log-sum-exp of segments of rows on a device."""

from torch import Tensor

from gnnctl.nn.ops import fallback
from gnnctl.nn.ops.device.kernels import kernels_for, ready


def logsumexp(colptr: Tensor, values: Tensor) -> Tensor:
    """(D, ...): log of the sum of exponentials of each destination's rows, minus infinity without rows."""
    kernels = kernels_for(values)
    if kernels is None:
        return fallback.logsumexp(colptr, values)
    values = ready(values)
    out = values.new_empty((colptr.shape[0] - 1, *values.shape[1:]))
    edges = kernels.edges(colptr, None, values.shape[0])
    kernels.module.logsumexp(kernels.place(values), edges, kernels.array(values), kernels.array(out))
    return out


def logsumexp_backward(colptr: Tensor, values: Tensor, result: Tensor, grad: Tensor) -> Tensor:
    """(E, ...): the gradient of :func:`logsumexp`."""
    kernels = kernels_for(values)
    if kernels is None:
        return fallback.logsumexp_backward(colptr, values, result, grad)
    values = ready(values)
    out = values.new_empty(values.shape)
    edges = kernels.edges(colptr, None, values.shape[0])
    given = (kernels.array(tensor) for tensor in (values, ready(result), ready(grad), out))
    kernels.module.logsumexp_backward(kernels.place(values), edges, *given)
    return out

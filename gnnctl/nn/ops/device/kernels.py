"""Where CUDA kernels come from, which tensors they take, and how those are handed over: addresses and a stream.

Nothing is copied and nothing waits: a kernel is queued on the tensors' device and current stream, its scratch memory
comes from torch's allocator, and sizes are the shapes'.
"""

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

CODES = {
    torch.float32: 0,
    torch.float64: 1,
    torch.bfloat16: 2,
    torch.float16: 3,
    torch.int32: 4,
    torch.int64: 5,
}
FLOATS = (torch.float32, torch.bfloat16, torch.float16)
VARIABLE = "GNNCTL_CUDA"  # "torch": plain torch operations in place of the kernels


def _module() -> ModuleType | None:
    try:
        return importlib.import_module("gnnctl.native._cuda")
    except ModuleNotFoundError:
        return None


class Kernels:
    """A module of kernels. Tests have another, of the same kernels on the CPU.

    Args:
        module: ``gnnctl.native._cuda``, or what stands for it.
        emulated: it works on CPU tensors.
    """

    def __init__(self, module: ModuleType, emulated: bool = False) -> None:
        self.module: Any = module
        self.emulated = emulated

    def place(self, tensor: Tensor) -> Any:
        """The tensor's device, its current stream, and scratch memory that lives as long as the place."""
        held: list[Tensor] = []

        def scratch(size: int) -> int:
            held.append(torch.empty(max(size, 1), dtype=torch.uint8, device=tensor.device))
            return held[-1].data_ptr()

        if self.emulated:
            return self.module.Place(0, 0, scratch)
        stream = torch.cuda.current_stream(tensor.device).cuda_stream
        return self.module.Place(tensor.get_device(), stream, scratch)

    def array(self, tensor: Tensor) -> Any:
        """The tensor's memory with its dtype and shape; keeps it alive.

        Raises:
            TypeError: a dtype that no kernel takes.
            ValueError: it is not contiguous.
        """
        code = CODES.get(tensor.dtype)
        if code is None:
            raise TypeError(f"a CUDA kernel takes floats, int32 and int64, got {tensor.dtype}")
        if not tensor.is_contiguous():
            raise ValueError(f"a CUDA kernel needs a contiguous tensor, got strides {tensor.stride()}")
        return self.module.Array(tensor, tensor.data_ptr(), code, tensor.shape)

    def maybe(self, tensor: Tensor | None) -> Any:
        """:meth:`array` of what may be missing."""
        return None if tensor is None else self.array(tensor)

    def edges(self, colptr: Tensor, row: Tensor | None, num_src: int, perm: Tensor | None = None) -> Any:
        """Edges by destination; ``row`` None: segments of ``num_src`` rows."""
        return self.module.Edges(self.array(colptr), self.maybe(row), self.maybe(perm), num_src)


def _installed() -> Kernels | None:
    module = _module()
    return None if module is None else Kernels(module)


_CUDA = _installed()
_stand_in: Kernels | None = None


def built() -> bool:
    """Whether this build of gnnctl has CUDA kernels."""
    return _CUDA is not None


def stand_in(kernels: Kernels | None) -> Callable[[], None]:
    """Let CPU tensors go to these kernels until the returned function is called: for tests of kernels without a GPU."""
    global _stand_in
    before, _stand_in = _stand_in, kernels

    def undo() -> None:
        global _stand_in
        _stand_in = before

    return undo


def elsewhere(tensor: Tensor) -> bool:
    """Whether the CPU kernels are not the ones for this tensor."""
    return tensor.device.type != "cpu" or _stand_in is not None


def kernels_for(tensor: Tensor) -> Kernels | None:
    """The kernels for this tensor; None: torch operations do it, as for float64 and on devices that know no CUDA.

    Raises:
        RuntimeError: it is on a CUDA device, and this build has no kernels for that.
    """
    if tensor.dtype not in FLOATS:
        return None
    if _stand_in is not None and tensor.device.type == "cpu":
        return _stand_in
    if tensor.device.type != "cuda" or torch.version.hip is not None or os.environ.get(VARIABLE) == "torch":
        return None
    if _CUDA is None:
        raise RuntimeError(
            f"a tensor is on {tensor.device}, but this build of gnnctl has no CUDA kernels; build it where nvcc is "
            f"found (pip install . -C cmake.define.GNNCTL_CUDA=ON), or set {VARIABLE}=torch for plain torch operations"
        )
    return _CUDA


def ready(tensor: Tensor) -> Tensor:
    """The tensor's values, contiguous."""
    return tensor.detach().contiguous()


def factors(weight: Tensor | None) -> Tensor | None:
    """Weights as the kernels take them: contiguous, of a dtype that they know."""
    if weight is None:
        return None
    return ready(weight if weight.dtype in FLOATS else weight.to(torch.float32))

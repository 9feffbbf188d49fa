"""Every test of this folder runs on the emulated kernels and on a GPU; each skips, saying why, where it cannot."""

import functools
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

import emulation

from gnnctl.nn.ops import device


@functools.cache
def emulated() -> device.Kernels:
    """The kernels of this checkout on the CPU."""
    return device.Kernels(emulation.load(), emulated=True)


@pytest.fixture(params=["emulated", "cuda"])
def where(request):
    """The device whose tensors reach the kernels."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
        if not device.built():
            pytest.skip("this build of gnnctl has no CUDA kernels")
        yield torch.device("cuda")
        return
    if reason := emulation.why_not():
        pytest.skip(reason)
    undo = device.stand_in(emulated())
    try:
        emulated().module.schedule("forward")
        yield torch.device("cpu")
    finally:
        undo()


@pytest.fixture
def shim():
    """The emulated kernels' module: schedules, and what blocks read and wrote."""
    if reason := emulation.why_not():
        pytest.skip(reason)
    undo = device.stand_in(emulated())
    try:
        yield emulated().module
    finally:
        emulated().module.schedule("forward")
        undo()

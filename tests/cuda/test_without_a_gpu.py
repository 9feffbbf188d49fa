"""What a build says where there is no GPU, or no kernels for one."""

import subprocess
import sys

import pytest
import torch

from gnnctl.errors import UsageError
from gnnctl.nn.ops import device
from gnnctl.nn.ops.device import kernels


def on_a_gpu(dtype=torch.float32):
    """What dispatch looks at of a tensor on a GPU."""

    class Elsewhere:
        device = torch.device("cuda", 0)

    tensor = Elsewhere()
    tensor.dtype = dtype
    return tensor


def test_a_build_without_kernels_refuses_a_gpu(monkeypatch):
    monkeypatch.setattr(kernels, "_CUDA", None)
    with pytest.raises(RuntimeError, match=r"tensor is on cuda:0.*no CUDA kernels.*GNNCTL_CUDA=ON"):
        device.kernels_for(on_a_gpu())
    assert not device.built()


def test_plain_torch_is_taken_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(kernels, "_CUDA", None)
    monkeypatch.setenv(kernels.VARIABLE, "torch")
    assert device.kernels_for(on_a_gpu()) is None


def test_float64_has_no_kernel(monkeypatch):
    monkeypatch.setattr(kernels, "_CUDA", None)
    assert device.kernels_for(on_a_gpu(torch.float64)) is None


@pytest.mark.skipif(not device.built(), reason="this build of gnnctl has no CUDA kernels")
def test_the_extension_needs_no_driver():
    """Importing it asks for nothing; a launch without a driver is the runtime's own error."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    code = (
        "from gnnctl.native import _cuda\n"
        "import numpy as np\n"
        "a = np.ones(2, np.float32)\n"
        "array = lambda v, code: _cuda.Array(v, v.ctypes.data, code, v.shape)\n"
        "place = _cuda.Place(0, 0, lambda size: 64)\n"
        "try:\n"
        "    _cuda.gather(place, array(a, 0), array(np.zeros(2, np.int64), 5), array(a, 0))\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("gather on CUDA: "), done


def test_the_benchmark_says_why_it_does_not_run():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    from gnnctl.bench.plan import kernel_device

    with pytest.raises(UsageError, match="torch sees no GPU"):
        kernel_device("cuda")
    assert kernel_device("auto") == "cpu"

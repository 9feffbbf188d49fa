"""What the compiler made of the kernels: no spilled registers, wide loads, tensor-core instructions."""

import functools
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from gnnctl.nn.ops import device

NATIVE = Path(device.__file__).parents[4] / "gnnctl" / "native"
GATE = ["-Xptxas", "-warn-spills,-warn-lmem-usage,-Werror"]


def tool(name):
    """A program of the toolkit, or of PyPI's nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm."""
    places = [str(path / "bin") for path in Path(sysconfig.get_path("purelib")).glob("nvidia/cu1*")]
    found = shutil.which(name) or shutil.which(name, path=":".join([*places, "/usr/local/cuda/bin"]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@functools.cache
def functions():
    """Of each kernel in the built extension, the names of its instructions for compute capability 9.0."""
    if not device.built():
        pytest.skip("this build of gnnctl has no CUDA kernels")
    from gnnctl.native import _cuda

    path = Path(tool("nvdisasm")).parent
    command = [tool("cuobjdump"), "-sass", "-arch", "sm_90", _cuda.__file__]
    listing = subprocess.run(command, check=True, capture_output=True, text=True, env={"PATH": f"{path}:/usr/bin:/bin"})
    found = {}
    for part in listing.stdout.split("Function : ")[1:]:
        name, _, body = part.partition("\n")
        found[name.strip()] = re.findall(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\d+ )?([A-Z][A-Z0-9_.]*)", body)
    if not found:
        pytest.skip("the extension was not built for compute capability 9.0")
    return found


def kernels(*parts):
    chosen = {name: body for name, body in functions().items() if all(part in name for part in parts)}
    assert chosen, parts
    return chosen


def test_no_kernel_uses_local_memory():
    assert len(functions()) > 100
    for name, body in functions().items():
        assert not [i for i in body if i.startswith(("LDL", "STL"))], name


@pytest.mark.parametrize("scalar", ["f", "13__nv_bfloat16", "6__half"])
def test_aggregation_reads_and_writes_16_bytes(scalar):
    lanes = 4 if scalar == "f" else 8
    for name, body in kernels("walkINS0_9AggregateI" + scalar + f"Li{lanes}E").items():
        assert body.count("LDG.E.128.CONSTANT") >= 4, name  # four edges in flight
        assert any(i.startswith("STG.E.128") for i in body), name


def test_products_of_half_precision_use_tensor_cores():
    for scalar, suffix in (("6__half", ""), ("13__nv_bfloat16", ".BF16")):
        for name, body in kernels("multiply_", "HalfCoreI" + scalar).items():
            assert body.count("HMMA.16816.F32" + suffix) == 16, name  # 32 x 32 a warp, twice 16 deep
            assert sum(i.startswith("LDSM") for i in body) == 8, name
            assert body.count("LDG.E.128.CONSTANT") >= 4, name


def test_float32_uses_tensor_cores_only_where_it_may():
    for body in kernels("Tf32Core").values():
        assert body.count("HMMA.1688.F32.TF32") == 16
    for body in kernels("SimtCore").values():
        assert not [i for i in body if i.startswith("HMMA")]
        assert sum(i.startswith("FFMA") for i in body) >= 128
        assert sum(i.startswith("LDS.128") for i in body) >= 3


def test_a_kernel_that_spills_does_not_build(tmp_path):
    source = tmp_path / "spilling.cu"
    source.write_text(
        "__global__ void __launch_bounds__(1024, 2) spill(float* x) {\n"
        "    float held[96];\n"
        "    for (int i = 0; i < 96; ++i) held[i] = x[i * 1024 + threadIdx.x];\n"
        "    __syncthreads();\n"
        "    for (int i = 0; i < 96; ++i) x[i * 1024 + threadIdx.x] = held[(i + threadIdx.x) % 96];\n"
        "}\n"
    )
    command = [tool("nvcc"), "-arch=sm_90", "-c", str(source), "-o", str(tmp_path / "spilling.o")]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    assert subprocess.run([*command, *GATE], capture_output=True, timeout=120).returncode != 0
    assert GATE[1] in (NATIVE / "cuda" / "CMakeLists.txt").read_text()

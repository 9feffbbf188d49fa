"""Kernels of every instruction set give the same results, up to the order of a sum's terms."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parent / "kernel_battery.py"
TOLERANCE = {"torch.float32": 1e-4, "torch.float64": 1e-10, "torch.bfloat16": 5e-2, "torch.float16": 5e-3}


@pytest.fixture(scope="module")
def here():
    spec = importlib.util.spec_from_file_location("kernel_battery", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.battery()


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_instruction_sets_agree(isa, here, tmp_path):
    path = tmp_path / "results.pt"
    environment = {**os.environ, "GNNCTL_ISA": isa, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, SCRIPT, path], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    there = torch.load(path)
    assert there["isa"] in (isa, "avx2", "portable")
    for dtype, tolerance in TOLERANCE.items():
        for i, (a, b) in enumerate(zip(there[dtype], here[dtype], strict=True)):
            torch.testing.assert_close(
                a, b, rtol=tolerance, atol=tolerance, msg=lambda m, i=i, d=dtype: f"{d} {i}: {m}"
            )

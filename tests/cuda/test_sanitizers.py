"""The kernels under AddressSanitizer with UBSan, and ThreadSanitizer; and broken ones, which must be found out."""

import os
import subprocess
import sys
from pathlib import Path

import emulation
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import sanitize

BATTERY = Path(__file__).parent / "battery.py"
MUTANTS = {
    # A barrier less: the next step's elements overwrite what others still multiply.
    "product without its barrier": (
        emulation.THREAD,
        "case_products",
        ("matmul.cu", "matmul.cuh", "        if (more) write(buffer);\n        __syncthreads();\n", "        if (more) write(buffer);\n"),
    ),
    # Partial sums are read before the other threads have written theirs.
    "parts joined without a barrier": (
        emulation.THREAD,
        "case_segments",
        (
            "segment.cu",
            "walk.cuh",
            "        __syncthreads();\n        if (s < slots && share == 0) {",
            "        if (s < slots && share == 0) {",
        ),
    ),
    # Two blocks write the same result: each adds to what it finds there.
    "results added up across blocks": (
        emulation.THREAD,
        "case_segments",
        (
            "segment.cu",
            "walk.cuh",
            "            else (ours ? parts.tail : parts.head)[chunk * slots + s] = state;",
            "            else (ours ? parts.tail : parts.head)[s] = state;",
        ),
    ),
    "a column too far": (
        emulation.ADDRESS,
        "case_segments",
        ("gather.cu", "layout.cuh", "row < rows && slot < slots;", "row < rows && slot <= slots;"),
    ),
    "shared memory too small": (
        emulation.ADDRESS,
        "case_segments",
        ("segment.cu", "walk.cuh", "GNNCTL_SHARED(State, shared, kJoinThreads);", "GNNCTL_SHARED(State, shared, 32);"),
    ),
    "scratch memory too small": (
        emulation.ADDRESS,
        "case_products",
        ("matmul.cu", "matmul.cu", "chunks * m * n), m, n", "(chunks - 1) * m * n), m, n"),
    ),
    "16 bytes read where 4 are aligned": (
        emulation.ADDRESS,
        "case_segments",
        ("segment.cu", "vector.cuh", "return width % (kFull<S> * heads) == 0 && ", "return width > 4 || "),
    ),
    "an edge of the next destination": (
        emulation.ADDRESS,
        "case_segments",
        ("segment.cu", "walk.cuh", "colptr_at(line.colptr, middle) + middle <= place", "colptr_at(line.colptr, middle) + middle < place"),
    ),
    "lanes that add the same twice": (
        emulation.ADDRESS,
        "case_gradient",
        ("dots.cu", "dots.cuh", "for (int apart = lanes / 2; apart > 0; apart /= 2)", "for (int apart = lanes; apart > 0; apart /= 2)"),
    ),
    "fragments of another lane": (
        emulation.ADDRESS,
        "case_products",
        ("matmul.cu", "matmul.cuh", "m = row + 16 * i + matrix % 2 * 8, inner = k + matrix / 2 * 8;", "m = row + 16 * i + matrix / 2 * 8, inner = k + matrix % 2 * 8;"),
    ),
}


def battery(variant, *cases):
    """The battery's process on a build of its own."""
    if reason := emulation.why_not():
        pytest.skip(reason)
    extension = emulation.build(variant)
    name = variant.sanitize.partition(",")[0]
    environment = {
        **os.environ,
        **sanitize.SETTINGS[name],
        "LD_PRELOAD": ":".join(map(sanitize.runtime, sanitize.RUNTIMES[name])),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = ["setarch", "-R", sys.executable, str(BATTERY), str(extension), *cases]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("variant", [emulation.ADDRESS, emulation.THREAD], ids=lambda variant: variant.name)
def test_kernels_are_clean(variant):
    done = battery(variant)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "clean\n"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_kernel_is_found_out(name):
    base, case, edit = MUTANTS[name]
    variant = emulation.Variant(f"mutant-{name.replace(' ', '-')}", base.flags, base.sanitize, edit)
    done = battery(variant, case)
    assert done.returncode != 0, f"{name}: went unnoticed"
    expected = {"thread": "WARNING: ThreadSanitizer: data race"}.get(base.name)
    if expected:
        assert expected in done.stderr, done.stderr
    else:
        assert "AddressSanitizer" in done.stderr or "Error" in done.stderr, done.stderr

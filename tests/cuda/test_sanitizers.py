"""The kernels under AddressSanitizer with UBSan, and ThreadSanitizer; and broken ones, which must be found out."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import emulation
import pytest
from battery import Battery

sys.path.insert(0, str(Path(__file__).parents[1]))

import sanitize

BATTERY = Path(__file__).parent / "battery.py"
SENSIBLE = [name for name in dir(Battery) if name.startswith("case_") and name != "case_nonsense"]


class Mutant(NamedTuple):
    """An edit that breaks a kernel, the build that finds it and the case that meets it."""

    base: emulation.Variant
    case: str
    source: str
    file: str
    old: str
    new: str


MUTANTS = {
    # The next step's elements overwrite what others still multiply.
    "product without its barrier": Mutant(
        emulation.THREAD,
        "case_products",
        "matmul.cu",
        "matmul.cuh",
        "        if (more) write(buffer);\n        __syncthreads();\n",
        "        if (more) write(buffer);\n",
    ),
    # Sums are read before the other threads have written theirs.
    "parts joined without a barrier": Mutant(
        emulation.THREAD,
        "case_segments",
        "segment.cu",
        "walk.cuh",
        "        __syncthreads();\n        if (s < slots && share == 0) {",
        "        if (s < slots && share == 0) {",
    ),
    # What atomic additions would be for: chunks of different blocks store in one place.
    "parts of blocks in one place": Mutant(
        emulation.THREAD,
        "case_segments",
        "segment.cu",
        "walk.cuh",
        "(ours ? parts.tail : parts.head)[chunk * slots + s] = state;",
        "(ours ? parts.tail : parts.head)[0 * chunk * slots + s] = state;",
    ),
    "an index too far": Mutant(
        emulation.ADDRESS,
        "case_segments",
        "gather.cu",
        "gather.cu",
        "index_at(index, wide, i)",
        "index_at(index, wide, i + 1)",
    ),
    "shared memory too small": Mutant(
        emulation.ADDRESS, "case_segments", "segment.cu", "walk.cuh", "shared, kJoinThreads);", "shared, 2);"
    ),
    "scratch memory too small": Mutant(
        emulation.ADDRESS, "case_products", "matmul.cu", "matmul.cu", "chunks * m * n)", "(chunks - 1) * m * n)"
    ),
    "16 bytes read where 4 are aligned": Mutant(
        emulation.ADDRESS,
        "case_segments",
        "segment.cu",
        "vector.cuh",
        "width % (kFull<S> * heads) == 0 &&",
        "width % heads == 0 &&",
    ),
    "an edge of the next destination": Mutant(
        emulation.ADDRESS,
        "case_segments",
        "segment.cu",
        "walk.cuh",
        "middle) + middle <= place",
        "middle) + middle < place",
    ),
    "lanes that add the same twice": Mutant(
        emulation.ADDRESS, "case_gradient", "dots.cu", "dots.cuh", "int apart = lanes / 2;", "int apart = lanes;"
    ),
    "fragments of another lane": Mutant(
        emulation.ADDRESS,
        "case_products",
        "matmul.cu",
        "matmul.cuh",
        "16 * i + matrix % 2 * 8, inner = k + matrix / 2 * 8;",
        "16 * i + matrix / 2 * 8, inner = k + matrix % 2 * 8;",
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
    # Nonsense may well race: what is promised of it is memory alone.
    cases = () if variant is emulation.ADDRESS else SENSIBLE
    done = battery(variant, *cases)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "clean\n"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_kernel_is_found_out(name):
    base, case, *mutated = MUTANTS[name]
    source, file, old, new = mutated
    label = f"mutant-{name.replace(' ', '-')}"
    done = battery(emulation.Variant(label, base.flags, base.sanitize, (source, file, old, new)), case)
    assert done.returncode != 0, f"{name}: went unnoticed"
    if base is emulation.THREAD:
        assert "WARNING: ThreadSanitizer: data race" in done.stderr, done.stderr
    else:  # a bad access, or a wrong result
        assert "AddressSanitizer" in done.stderr or "Error" in done.stderr, done.stderr

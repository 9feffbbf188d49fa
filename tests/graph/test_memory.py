import os
import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys, torch
from gnnctl.graph.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

def step():
    return [torch.ones(1_500_000) for _ in range(8)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


def pages(how, **variables):
    """New pages that ten steps over the same 48 MB take."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", CODE, how], env={**environment, **variables}, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the allocator of glibc")
def test_a_step_gets_the_memory_of_the_last_one():
    plain, kept = pages("leave"), pages("keep")
    assert kept < plain / 10
    assert pages("keep", MALLOC_TRIM_THRESHOLD_="65536") > 10 * kept  # who tunes it by hand is left alone

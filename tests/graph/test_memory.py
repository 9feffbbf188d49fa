import os
import platform
import subprocess
import sys

import pytest

CODE = """
import ctypes, resource, sys
from gnnctl.graph.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
SIZE = 6_000_000

def step():  # of the C library's own functions: nothing else is allocated between them
    blocks = [libc.malloc(SIZE) for _ in range(8)]
    for block in blocks:
        libc.memset(block, 1, SIZE)
    for block in reversed(blocks):
        libc.free(block)

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
    assert pages("keep") < 50
    assert pages("leave") > 100  # a hundred thousand, or with pages of 2 MiB hundreds
    assert pages("keep", MALLOC_TRIM_THRESHOLD_="65536") > 100  # who tunes it by hand is left alone

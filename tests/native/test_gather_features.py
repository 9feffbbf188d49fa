import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.native import gather_features

EVERY_16_BITS = np.arange(1 << 16, dtype=np.uint16)
ALL = np.arange(1 << 8)


def same_bits(found, expected):
    """Equal to the bit, any NaN for any NaN."""
    found, expected = np.asarray(found, np.float32).ravel(), np.asarray(expected, np.float32).ravel()
    other = found.view(np.uint32) != expected.view(np.uint32)
    return not np.any(other & ~(np.isnan(found) & np.isnan(expected)))


@pytest.mark.parametrize("width", [1, 3, 8, 100])
def test_every_float16_and_bfloat16(width):
    bits = np.resize(EVERY_16_BITS, (-(-len(EVERY_16_BITS) // width), width))
    index = np.arange(len(bits))
    assert same_bits(gather_features(bits.view(np.float16), index), bits.view(np.float16).astype(np.float32))
    exact = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).float().numpy()
    assert same_bits(gather_features(bits, index), exact)


def test_every_int8_with_its_columns_scale_and_offset():
    values = np.arange(-128, 128).astype(np.int8)
    src = np.stack([values, values[::-1], np.zeros_like(values)], 1)
    scale = np.array([[0.1, -3, 7], [0.5, 1e6, 2]], np.float32)
    assert same_bits(gather_features(src, ALL, scale), src.astype(np.float32) * scale[0] + scale[1])


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["f4", "f2", "u2", "i1"]),
    st.integers(0, 300),
    st.integers(1, 3),
    st.booleans(),
)
def test_rows_in_any_order(seed, dtype, width, threads, given_out):
    rng = np.random.default_rng(seed)
    src = rng.integers(0, 100, (int(rng.integers(1, 50)), width)).astype(dtype)
    scale = rng.random((2, width), dtype=np.float32) if dtype == "i1" else None
    index = rng.integers(0, len(src), int(rng.integers(0, 3000)))
    out = np.full((len(index), width), np.nan, np.float32) if given_out else None
    found = gather_features(src, index, scale, out, threads)
    assert (found is out) == given_out
    assert found.dtype == np.float32
    expected = src[index].astype(np.float32)
    if dtype == "u2":
        expected = torch.from_numpy(src[index].view(np.int16)).view(torch.bfloat16).float().numpy()
    if scale is not None:
        expected = expected * scale[0] + scale[1]
    assert same_bits(found, expected)


def test_what_is_let_go_of_is_used_again_but_never_before():
    src = np.random.default_rng(0).random((1000, 64), dtype=np.float32)
    index, kept, addresses = np.arange(1000), [], set()
    for _ in range(20):
        kept = [*kept[-2:], gather_features(src, index)]  # three at a time
        addresses.add(kept[-1].ctypes.data)
        assert all(np.array_equal(k, src) for k in kept)
    assert len(addresses) <= 4
    tensor = torch.from_numpy(gather_features(src, index))
    kept.clear()
    gather_features(src + 1, index)
    assert np.array_equal(tensor.numpy(), src)


def test_lesser_processors_give_the_same_bits():
    code = (
        "import numpy as np, sys; from gnnctl.native import gather_features as g; i = np.arange(512);"
        "b = np.arange(65536).astype(np.uint16).reshape(512, 128); r = np.random.default_rng(0);"
        "s = r.random((2, 128), dtype=np.float32);"
        "parts = [g(b, i), g(b.view(np.float16), i), g((b >> 8).astype(np.int8), i, s)];"
        "sys.stdout.buffer.write(b''.join(np.nan_to_num(p).tobytes() for p in parts))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "GNNCTL_ISA": isa}, capture_output=True, check=True
        )
        for isa in ("portable", "")
    ]
    assert found[0].stdout == found[1].stdout
    assert len(found[0].stdout) == 3 * 65536 * 4

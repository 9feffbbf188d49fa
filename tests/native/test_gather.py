import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.native import gather_rows


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "uint16", "bool"]),
    st.sampled_from([(), (1,), (3,), (100,), (700,), (2, 3), (0,)]),
    st.integers(1, 3),
)
def test_rows_are_copied(seed, dtype, tail, threads):
    rng = np.random.default_rng(seed)
    src = rng.integers(0, 100, (int(rng.integers(1, 50)), *tail)).astype(dtype)
    index = rng.integers(0, len(src), int(rng.integers(0, 3000)))
    out = np.empty((len(index), *tail), dtype)
    gather_rows(src, index, out, threads)
    assert np.array_equal(out, src[index])


def test_rows_come_from_a_mapped_file(tmp_path):
    src = np.random.default_rng(0).random((5000, 20), dtype=np.float32)
    src.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", np.float32, "r", shape=src.shape)
    index = np.random.default_rng(1).integers(0, 5000, 9000)
    out = np.empty((9000, 20), np.float32)
    gather_rows(mapped, index, out, 2)
    assert np.array_equal(out, src[index])


def test_unaligned_rows():
    src = np.frombuffer(b"\0" + np.arange(9, dtype=np.int64).tobytes(), np.uint8)[1:].view(np.int64)
    out = np.empty(3, np.int64)
    gather_rows(src, np.array([8, 0, 3]), out)
    assert out.tolist() == [8, 0, 3]


src = np.zeros((4, 3), np.float32)
out = np.zeros((2, 3), np.float32)
index = np.array([0, 1])
frozen = np.zeros((2, 3), np.float32)
frozen.flags.writeable = False


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((src, np.array([0, 4]), out, 1), "index"),
        ((src, np.array([0, -1]), out, 1), "index"),
        ((src, np.array([0, 1], np.int32), out, 1), "index"),
        ((src.T, index, out, 1), "src"),
        ((np.array(["a", None], object), index, np.empty(2, object), 1), "src"),
        ((src, index, out.astype(np.float64), 1), "out"),
        ((src, index, np.zeros((2, 4), np.float32), 1), "out"),
        ((src, index, np.zeros((3, 3), np.float32), 1), "out"),
        ((src, index, np.zeros((3, 2), np.float32).T, 1), "out"),
        ((src, index, frozen, 1), "out"),
        ((src, index, out, 0), "num_threads"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, named):
    with pytest.raises((TypeError, ValueError), match=f"^{named}"):
        gather_rows(*arguments)

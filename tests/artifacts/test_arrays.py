import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gnnctl.artifacts import arrays
from gnnctl.artifacts.arrays import ArrayStream, open_array, rows_per_chunk
from gnnctl.artifacts.checksum import array_checksum
from gnnctl.errors import ArtifactError

DTYPES = [np.float32, np.float64, np.int64, np.int32, np.uint16, np.int8]


def write(path, values, pieces=(), attributes=None):
    stream = ArrayStream(path, values.dtype, values.shape, attributes)
    start = 0
    for end in (*pieces, len(values)):
        stream.append(values[start:end])
        start = end
    return stream.close()


@settings(deadline=None, max_examples=40)
@given(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_an_array_comes_back_as_it_was_and_zarr_reads_the_same(tmp_path_factory, data, dtype):
    values = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9)))
    cut = data.draw(st.integers(0, len(values)))
    path = tmp_path_factory.mktemp("arrays") / "a"
    checksum = write(path, values, [cut])
    assert checksum == array_checksum(values)
    np.testing.assert_array_equal(open_array(path), values)
    np.testing.assert_array_equal(zarr.open_array(path, mode="r")[...], values)


def test_a_large_array_is_cut_into_aligned_chunks_that_map_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "rows_per_chunk", lambda shape, size: rows_per_chunk(shape, size, limit=1 << 21))
    values = np.random.default_rng(0).random((100_000, 25), dtype=np.float32)
    write(tmp_path / "a", values, [1, 49_999])
    files = sorted((tmp_path / "a" / "c").iterdir())
    assert len(files) > 1
    assert all((f / "0").stat().st_size % (1 << 16) == 0 for f in files)
    mapped = open_array(tmp_path / "a")
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, values)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[...], values)


@given(rows=st.integers(0, 1 << 40), width=st.integers(1, 2000), size=st.sampled_from([1, 2, 4, 8]))
def test_chunks_stay_below_the_limit_or_are_one_exact_chunk(rows, width, size):
    chunk = rows_per_chunk((rows, width), size)
    if chunk < rows:
        assert chunk * width * size % (1 << 16) == 0
        assert chunk * width * size <= 1 << 30


def test_a_compressed_array_is_read_through_zarr(tmp_path):
    values = np.arange(1000, dtype=np.int64)
    stored = zarr.create_array(str(tmp_path / "a"), shape=values.shape, chunks=(64,), dtype=values.dtype)
    stored[...] = values
    np.testing.assert_array_equal(open_array(tmp_path / "a"), values)


def test_a_truncated_chunk_is_refused(tmp_path):
    write(tmp_path / "a", np.arange(1000))
    chunk = tmp_path / "a" / "c" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="truncated"):
        open_array(tmp_path / "a")


def test_rows_must_fit_and_be_complete(tmp_path):
    stream = ArrayStream(tmp_path / "a", np.int64, (3,))
    stream.append(np.arange(2))
    with pytest.raises(ValueError, match="2 of 3 rows"):
        stream.close()
    with pytest.raises(ValueError, match="do not fit"):
        stream.append(np.arange(2))
    stream.abort()

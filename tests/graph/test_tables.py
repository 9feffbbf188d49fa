"""Every store answers as the array that it was made from."""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.errors import ArtifactError
from gnnctl.graph.array_stores import ArrayFeatures
from gnnctl.graph.features import FORMATS, decode_features, encode_features, read_features
from gnnctl.graph.store_interfaces import Column, Key
from gnnctl.graph.tables import TableFeatures, TableStream, table_column

pytest.importorskip("rocksdict")
pytest.importorskip("ladybug")
KEY = Key("paper", "x")
EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_store"
STORES = ["rocksdb", "ladybug", "columns:Columns"]


@pytest.fixture(scope="module", autouse=True)
def example():
    """The store of the examples can be imported."""
    sys.path.insert(0, str(EXAMPLE))
    yield
    sys.path.remove(str(EXAMPLE))


def _table(folder, values, store, pieces=(7, 1)):
    """The folder of a table with these rows, given in pieces of these sizes, again and again."""
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {}, [], {})) as writer:
        stream = TableStream(writer, "nodes/paper/x", values.dtype, values.shape, store)
        start, number = 0, 0
        while start < len(values):
            size = pieces[number % len(pieces)]
            stream.append(values[start : start + size])
            start, number = start + size, number + 1
        stream.close()
    return folder / "graph" / "nodes" / "paper" / "x.store"


_SOME = st.lists(st.integers(0, 10**6), max_size=30)


@settings(max_examples=25, deadline=None)
@given(
    store=st.sampled_from(STORES),
    format=st.sampled_from(FORMATS),
    shape=st.tuples(st.integers(0, 40), st.sampled_from([1, 3, 40, 300])),
    pieces=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    some=_SOME,
    ends=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_rows_and_ranges_are_those_of_the_array(store, format, shape, pieces, some, ends):
    values = np.random.default_rng(shape[0]).normal(size=shape).astype(np.float32)
    stored = encode_features(values, format)
    with tempfile.TemporaryDirectory() as folder:
        column = table_column(_table(Path(folder), stored.values, store, pieces), KEY)
        assert (column.shape, column.dtype) == (stored.values.shape, stored.values.dtype)
        rows = np.array([row % shape[0] for row in some] if shape[0] else [], np.int64)
        part = slice(*sorted(min(end, shape[0]) for end in ends))
        plain = Column(ArrayFeatures({KEY: stored.values}), KEY)
        for wanted in (rows, part, slice(None)):
            assert np.array_equal(column[wanted], stored.values[wanted])
            assert np.array_equal(plain[wanted], stored.values[wanted])
        for wanted in (rows, None):
            found = read_features(column, stored.scale, wanted)
            assert np.array_equal(found, decode_features(stored, wanted))


@pytest.mark.parametrize("store", STORES)
def test_more_rows_than_are_read_at_once(tmp_path, store, monkeypatch):
    monkeypatch.setattr("gnnctl.graph.rocks._ROWS", 10)
    monkeypatch.setattr("gnnctl.graph.ladybug_rows._ROWS", 10)
    monkeypatch.setattr("gnnctl.graph.ladybug_rows._COPY_BYTES", 30 * 24)
    values = np.arange(600, dtype=np.float32).reshape(100, 6)
    column = table_column(_table(tmp_path, values, store), KEY)
    rows = np.random.default_rng(0).integers(0, 100, 95)
    assert np.array_equal(column[rows], values[rows])
    assert np.array_equal(column[3:97], values[3:97])


def test_rows_under_one_key_are_as_many_as_when_it_was_written(tmp_path, monkeypatch):
    values = np.arange(100, dtype=np.float32).reshape(50, 2)
    folder = _table(tmp_path, values, "rocksdb")
    monkeypatch.setattr("gnnctl.graph.rocks.BLOCK_BYTES", 64)
    assert np.array_equal(table_column(folder, KEY)[10:30], values[10:30])


def test_a_row_out_of_range_is_refused_and_missing_rows_too(tmp_path):
    values = np.zeros((4, 2), np.float32)
    store = TableFeatures({KEY: _table(tmp_path, values, "rocksdb")})
    assert store.keys() == [KEY]
    with pytest.raises(IndexError, match=r"row 4 is outside 0\.\.3"):
        Column(store, KEY)[np.array([0, 4])]
    with ArtifactWriter(tmp_path / "other", Recipe("graph", "ingest", 1, {}, [], {})) as writer:
        stream = TableStream(writer, "nodes/paper/x", values.dtype, (5, 2), "rocksdb")
        stream.append(values)
        with pytest.raises(ValueError, match="4 of 5 rows"):
            stream.close()
        with pytest.raises(ValueError, match="do not fit"):
            stream.append(values)
        stream.append(values[:1])
        stream.close()


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_database_of_ladybug_is_one_line(tmp_path, kept):
    folder = _table(tmp_path, np.zeros((400, 8), np.float32), "ladybug")
    held = (folder / "rows.lbug").read_bytes()
    (folder / "rows.lbug").write_bytes(held[: int(kept * len(held))])
    with pytest.raises(ArtifactError, match="cannot be read") as raised:
        table_column(folder, KEY)[:]
    assert "\n" not in str(raised.value)


def test_rows_that_ladybug_does_not_hold_are_missed(tmp_path):
    folder = _table(tmp_path, np.zeros((4, 2), np.float32), "ladybug")
    text = (folder / "store.json").read_text()
    (folder / "store.json").write_text(text.replace("[4, 2]", "[6, 2]"))
    with pytest.raises(ArtifactError, match="2 of 6 rows are missing"):
        table_column(folder, KEY)[:]
    (folder / "store.json").write_text(text.replace("[4, 2]", "[4, 3]"))
    with pytest.raises(ArtifactError, match="a row is not of 12 bytes"):
        table_column(folder, KEY)[:]


def test_what_a_store_raises_is_one_line(tmp_path):
    folder = _table(tmp_path, np.zeros((4, 2), np.float32), "columns:Columns")
    (folder / "1.bin").unlink()
    with pytest.raises(ArtifactError, match=r"x\.store cannot be read: .*1\.bin"):
        table_column(folder, KEY)[:2]


@pytest.mark.parametrize("store", STORES)
def test_many_threads_read_one_table(tmp_path, store):
    values = np.random.default_rng(0).random((500, 6), np.float32)
    column = table_column(_table(tmp_path, values, store, (100,)), KEY)

    def same(seed):
        rows = np.random.default_rng(seed).integers(0, 500, (20, 60))
        return all(np.array_equal(column[part], values[part]) for part in rows)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(same, range(16)))

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.artifacts.tables import open_table, table_checksum, write_table
from gnnctl.errors import ArtifactError

VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
    st.lists(st.one_of(st.none(), st.text())),
    st.lists(st.one_of(st.none(), st.lists(st.floats(width=32, allow_nan=False), max_size=3))),
)


@settings(deadline=None, max_examples=50)
@given(values=VALUES, cut=st.integers(0, 20))
def test_the_hash_sees_values_and_not_chunks(values, cut):
    whole = pa.table({"a": pa.array(values)})
    cut = min(cut, len(values))
    chunked = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    padded = pa.concat_tables([whole, whole]).slice(len(values)) if values else whole
    assert table_checksum(whole) == table_checksum(chunked) == table_checksum(padded)


def test_the_hash_ignores_dictionaries_and_what_lies_under_nulls():
    plain = pa.table({"a": pa.array(["x", None, "y"])})
    coded = pa.table({"a": pa.array(["x", None, "y"]).dictionary_encode()})
    assert table_checksum(plain) == table_checksum(coded)
    masked = pa.array([1, 2, 3], mask=__import__("numpy").array([False, True, False]))
    assert table_checksum(pa.table({"a": masked})) == table_checksum(pa.table({"a": pa.array([1, None, 3])}))


def test_the_hash_sees_a_change():
    base = pa.table({"a": [1, 2, 3]})
    others = [{"a": [1, 2, 4]}, {"b": [1, 2, 3]}, {"a": [1, 2]}, {"a": [1.0, 2.0, 3.0]}, {"a": [1, None, 3]}]
    assert len({table_checksum(pa.table(t)) for t in others} | {table_checksum(base)}) == 6


def test_round_trip_and_damage(tmp_path):
    table = pa.table({"id": ["a", "b"], "n": [1, None]})
    write_table(tmp_path / "t.arrow", table)
    assert open_table(tmp_path / "t.arrow").equals(table)
    (tmp_path / "t.arrow").write_bytes(b"ARROW1 not really")
    with pytest.raises(ArtifactError, match="no readable Arrow file"):
        open_table(tmp_path / "t.arrow")

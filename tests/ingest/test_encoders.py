"""Every encoder against NumPy or scikit-learn by hand."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from gnnctl.errors import DataError
from gnnctl.ingest.encoders import BadValues, Column, WrongType, make_encoder, restore_encoder


def fitted(text, values, kind=None, column_type=None, **options):
    encoder = make_encoder(text, options, "feature")
    array = pa.array(values, kind)
    table = pa.table({"value": array})
    connection = duckdb.connect()
    connection.register("t", table)
    types = dict(connection.sql("DESCRIBE t").project("column_name, column_type").fetchall())
    sql = encoder.project("value", column_type or types["value"])
    projected = connection.sql(f"SELECT {sql} AS value FROM t").to_arrow_table()
    connection.register("p", projected)

    def chunks():
        for start in range(0, len(projected), 3):
            yield projected["value"].slice(start, 3).combine_chunks()

    def query(text):
        return connection.execute(text.format(values="p")).fetchall()

    encoder.fit(Column(len(projected), query, chunks))
    return encoder, projected["value"].combine_chunks()


def encoded(text, values, kind=None, **options):
    encoder, array = fitted(text, values, kind, **options)
    x = encoder.encode(array)
    assert x.dtype == np.float32
    assert x.shape == (len(values), len(encoder.names("f")))
    return x


NUMBERS = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]


def test_standard_is_zero_mean_and_unit_variance():
    values = np.array(NUMBERS)
    np.testing.assert_allclose(encoded("standard", NUMBERS)[:, 0], (values - values.mean()) / values.std(), rtol=1e-6)


def test_standard_of_a_constant_is_zero():
    np.testing.assert_array_equal(encoded("standard", [7, 7, 7]), np.zeros((3, 1)))


def test_log_is_standard_of_the_signed_logarithm():
    values = np.array([-5.0, 0.0, 10.0, 1000.0])
    logs = np.sign(values) * np.log1p(abs(values))
    np.testing.assert_allclose(encoded("log", values)[:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-6)


def test_raw_keeps_numbers_and_booleans():
    np.testing.assert_array_equal(encoded("raw", NUMBERS)[:, 0], NUMBERS)
    np.testing.assert_array_equal(encoded("raw", [True, False])[:, 0], [1, 0])


def test_quantile_ranks_between_minus_one_and_one():
    values = [10.0, 20.0, 30.0, 40.0, 1000.0]
    np.testing.assert_allclose(encoded("quantile:5", values)[:, 0], [-1, -0.5, 0, 0.5, 1])
    # Ties take the middle of their ranks.
    np.testing.assert_allclose(encoded("quantile:5", [0.0, 0.0, 0.0, 1.0, 2.0])[:, 0], [-0.5, -0.5, -0.5, 0.5, 1])
    encoder, _ = fitted("quantile:5", values)
    np.testing.assert_allclose(encoder.encode(pa.array([-5.0, 25.0, 1e9]))[:, 0], [-1, -0.25, 1])


def test_dates_are_numbers():
    encoder, array = fitted("raw", [0, 86400], pa.timestamp("s"))
    np.testing.assert_array_equal(encoder.encode(array)[:, 0], [0, 86400])


@pytest.mark.parametrize("name", ["standard", "log", "quantile", "raw"])
def test_null_numbers_become_the_middle_and_are_marked(name):
    x = encoded(name, [1.0, None, 3.0])
    assert x[1].tolist() == [0.0, 1.0]
    assert x[[0, 2], 1].tolist() == [0.0, 0.0]
    assert encoded(name, [1.0, None, 3.0], nulls="mean").shape == (3, 1)
    with pytest.raises(BadValues, match="no value"):
        encoded(name, [1.0, None], nulls="error")


@pytest.mark.parametrize("name", ["standard", "log", "quantile", "raw"])
def test_nan_is_refused_unless_read_as_null(name):
    values = [1.0, math.nan, 3.0]
    with pytest.raises(BadValues, match="NaN") as caught:
        encoded(name, values)
    assert caught.value.positions.tolist() == [1]
    np.testing.assert_array_equal(encoded(name, values, nan="null"), encoded(name, [1.0, None, 3.0]))
    with pytest.raises(BadValues, match="infinite"):
        encoded(name, [1.0, math.inf])


def test_positions_of_bad_values_count_through_chunks():
    with pytest.raises(BadValues) as caught:
        encoded("standard", [1.0] * 7 + [math.nan])
    assert caught.value.positions.tolist() == [7]


def test_onehot_has_a_column_per_category():
    encoder, array = fitted("onehot", ["b", "a", "b", "é"])
    assert encoder.names("f") == ["f=a", "f=b", "f=é"]
    np.testing.assert_array_equal(encoder.encode(array), [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(encoder.encode(pa.array(["new", None])), np.zeros((2, 3)))


def test_onehot_marks_nulls_and_others():
    encoder, array = fitted("onehot", ["b", "b", "a", "c", None], max=1)
    assert encoder.names("f") == ["f=b", "f is other", "f is null"]
    np.testing.assert_array_equal(encoder.encode(array), [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    encoder, _ = fitted("onehot", ["a"], unknown="error")
    with pytest.raises(BadValues, match="unknown when the encoder was fitted"):
        encoder.encode(pa.array(["a", "b"]))


def test_ordinal_numbers_the_categories():
    encoder, array = fitted("ordinal", [10, 20, 10, 9])
    np.testing.assert_array_equal(encoder.encode(array)[:, 0], [0, 1, 0, 2])
    np.testing.assert_array_equal(encoder.encode(pa.array(["5", None]))[:, 0], [-1, -1])


def test_multihot_takes_lists_and_delimited_text():
    x = encoded("multihot", [["b", "a", "b"], [], None, ["c", None]])
    np.testing.assert_array_equal(x, [[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(encoded("multihot:,", ["b, a,b", "", None, "c"]), x)
    np.testing.assert_array_equal(encoded("multihot", [[2, 1], [7]]), [[1, 1, 0], [0, 0, 1]])
    assert encoded("multihot", [["a"], ["b"], ["a"]], max=1).tolist() == [[1, 0], [0, 1], [1, 0]]


TEXTS = ["a game of war", "war and peace, and war", "", "chess game", None]


@pytest.mark.parametrize(("ngrams", "sublinear"), [(1, False), (2, True)])
def test_text_is_scikit_learns_hashed_tfidf(ngrams, sublinear):
    vectorizer = HashingVectorizer(n_features=32, ngram_range=(1, ngrams), alternate_sign=False, norm=None)
    counts = vectorizer.transform([t or "" for t in TEXTS])
    expected = TfidfTransformer(sublinear_tf=sublinear).fit_transform(counts).toarray()
    x = encoded("text:32", TEXTS, ngrams=ngrams, sublinear=sublinear)
    np.testing.assert_allclose(x, expected, rtol=1e-6)


def test_text_columns_are_named_after_their_most_frequent_terms():
    texts = ["b a9 c1", "b a9 d1", "b", "c1 b c1 c1 c1", None, "e_1 zz"]
    encoder, array = fitted("text:1", texts)
    assert encoder.names("f") == ["f: a9|c1|d1"]  # "b" is no word: words have two characters
    encoder, array = fitted("text:64", texts)
    rows = encoder.encode(array)
    names = encoder.names("f")
    assert len(set(names)) == 64
    for word, where in (("a9", [0, 1]), ("d1", [1]), ("zz", [5])):
        (column,) = [i for i, name in enumerate(names) if word in name.removeprefix("f: ").split("|")]
        assert set(where) <= set(np.flatnonzero(rows[:, column]))
    assert [name for i, name in enumerate(names) if not rows[:, i].any()] == [
        f"f[{i}]" for i in range(64) if not rows[:, i].any()
    ]
    assert fitted("text:64", texts[::-1])[0].state == encoder.state


def test_text_columns_of_the_same_name_are_told_apart():
    encoder, _ = fitted("text:2", ["x" * 50 + tail for tail in "abcdefgh"])
    long = "x" * 31 + "…"
    names = encoder.names("f")
    assert names == [f"f: {'|'.join([long] * 3)}[{i}]" for i in (0, 1)]
    del encoder.state["terms"]
    assert encoder.names("f") == ["f[0]", "f[1]"]


def test_text_forgets_the_rarer_terms_of_a_huge_table(monkeypatch):
    monkeypatch.setattr("gnnctl.ingest.encoders.text._MOST_TERMS", 20)
    monkeypatch.setattr("gnnctl.ingest.encoders.text._COUNTED_ROWS", 10)
    encoder, _ = fitted("text:1", [f"rare{i} common usual{i % 2}" for i in range(500)])
    assert encoder.names("f") == ["f: common|usual0|usual1"]


def test_vectors_keep_their_numbers_or_are_normalised():
    values = [[1.0, 3.0], [0.0, 0.0], [-2.0, 2.0]]
    np.testing.assert_array_equal(encoded("vector", values), values)
    np.testing.assert_array_equal(encoded("vector:l1", values), [[0.25, 0.75], [0, 0], [-0.5, 0.5]])
    np.testing.assert_array_equal(encoded("vector", values, pa.list_(pa.float32(), 2)), values)
    x = encoded("vector:l2", [[3, 4], None], nulls="indicator")
    np.testing.assert_allclose(x, [[0.6, 0.8, 0], [0, 0, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([[1.0], [1.0, 2.0], [3.0]], "a list not of length 1"),
        ([[1.0], None], "no value"),
        ([[1.0, 2.0], [None, 2.0]], "a null within a list"),
        ([[1.0], [math.nan]], "NaN"),
    ],
)
def test_bad_vectors_are_refused(values, problem):
    with pytest.raises(BadValues, match=problem) as caught:
        encoded("vector", values)
    assert caught.value.positions.tolist() == [1]


@pytest.mark.parametrize(
    ("name", "values"),
    [("standard", ["a"]), ("text", [1]), ("vector", ["a"]), ("multihot", ["a"]), ("onehot", [["a"]]), ("log", [[1]])],
)
def test_wrong_types_are_refused(name, values):
    with pytest.raises(WrongType, match="needs"):
        fitted(name, values)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("standart", {}, "did you mean 'standard'"),
        ("standard:3", {}, "takes nothing after a colon"),
        ("text:many", {}, "whole number"),
        ("text", {"sise": 3}, "did you mean 'size'"),
        ("text", {"size": "big"}, "whole number"),
        ("onehot", {"unknown": "perhaps"}, "unknown takes"),
        ("no.such.module:Class", {}, "cannot be imported"),
        ("json:loads", {}, "is no Encoder"),
    ],
)
def test_a_bad_encoder_is_named(name, options, words):
    with pytest.raises(DataError, match=words):
        make_encoder(name, options, "feature")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("standard", NUMBERS),
        ("quantile", [1.0, None, 2.0]),
        ("onehot", ["a", None]),
        ("multihot", [["a"], ["b"]]),
        ("text:16", TEXTS),
        ("vector:l2", [[1.0, 2.0]]),
    ],
)
def test_saved_encoders_give_the_same_numbers(name, values):
    encoder, array = fitted(name, values)
    saved = {"encoder": name, "options": encoder.options, "state": encoder.state}
    restored = restore_encoder(saved, "feature")
    np.testing.assert_array_equal(restored.encode(array), encoder.encode(array))
    assert restored.names("f") == encoder.names("f")

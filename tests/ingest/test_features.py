import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnnctl.errors import DataError
from gnnctl.graph import encode_features

ROWS = {
    "id": [f"p{i}" for i in range(8)],
    "size": [1.0, 10.0, 100.0, None, 5.0, 2.0, 3.0, 4.0],
    "kind": ["a", "b", "a", "c", "b", "a", None, "a"],
    "tags": [["x"], ["x", "y"], [], None, ["z"], ["y"], ["x"], ["z"]],
    "text": [f"word{i} shared {'even' if i % 2 == 0 else 'odd'}" for i in range(8)],
    "v": [[float(i), 1.0] for i in range(8)],
    "train": [True, True, True, True, False, False, False, False],
}
FEATURES = {"size": "log", "kind": "onehot", "tags": "multihot", "text": "text:16", "v": "vector:l2"}


def graph_of(build, tmp_path, rows, features=None, encoders_from=None, **node):
    pq.write_table(pa.table(rows), tmp_path / "n.parquet")
    features = FEATURES if features is None else features
    return build({"nodes": {"n": {"table": "n.parquet", "features": features, **node}}}, encoders_from=encoders_from)


def taken(positions):
    return {name: [values[i] for i in positions] for name, values in ROWS.items()}


def test_rows_are_stored_piece_by_piece_as_all_at_once(build, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 50, (70_000, 3)).astype(np.float32)  # more than one piece
    rows = {"id": np.arange(len(x)), **{f"x{i}": x[:, i] for i in range(3)}}
    features = {f"x{i}": "raw" for i in range(3)}
    for format in ("float16", "bfloat16", "int8"):
        store = graph_of(build, tmp_path, rows, features, feature_dtype=format).nodes["n"]
        expected = encode_features(x, format)
        assert np.array_equal(store.x, expected.values)
        assert store.x_scale is None or np.array_equal(store.x_scale, expected.scale)


@pytest.mark.parametrize(("format", "named"), [("float16", "feature 'size' reaches 1e\\+06, float16 ends at 65504")])
def test_values_that_a_format_cannot_hold_are_named(build, tmp_path, format, named):
    rows = {"id": ["a", "b"], "size": [1.0, 1e6]}
    with pytest.raises(DataError, match=named):
        graph_of(build, tmp_path, rows, {"size": "raw"}, feature_dtype=format)
    with pytest.raises(DataError, match="feature_dtype = 'int4'"):
        graph_of(build, tmp_path, rows, {"size": "raw"}, feature_dtype="int4")


def test_features_stand_side_by_side_in_spec_order(build, tmp_path):
    store = graph_of(build, tmp_path, ROWS).nodes["n"]
    names = ["size", "size is null", "kind=a", "kind=b", "kind=c", "kind is null", "tags=x", "tags=y", "tags=z"]
    assert store.feature_names[:9] == names
    assert len(set(store.feature_names)) == 27
    assert all(name.startswith("text") for name in store.feature_names[9:25])
    assert store.feature_names[25:] == ["v[0]", "v[1]"]
    assert store.x.shape == (8, 27)
    assert store.x[3, 1] == 1.0
    assert store.x[:, 2].tolist() == [1, 0, 1, 0, 0, 1, 0, 1]


def test_encoders_are_fitted_on_the_chosen_rows(build, tmp_path):
    store = graph_of(build, tmp_path, ROWS, {"size": "standard", "kind": "onehot"}, fit="train").nodes["n"]
    assert store.feature_names == ["size", "size is null", "kind=a", "kind=b", "kind=c"]
    sizes = np.array([1.0, 10.0, 100.0])
    np.testing.assert_allclose(store.x[4, 0], (5 - sizes.mean()) / sizes.std(), rtol=1e-6)
    with pytest.raises(DataError, match="fit selects no row"):
        graph_of(build, tmp_path, ROWS, {"size": "standard"}, fit="size > 1e9")
    with pytest.raises(DataError, match="fit gives DOUBLE"):
        graph_of(build, tmp_path, ROWS, {"size": "standard"}, fit="size")


def test_fitting_on_all_rows_of_a_given_split_is_warned_of(build, tmp_path):
    rows = {**ROWS, "split": ["train"] * 8}
    assert (
        "encoders are fitted on all rows though it has a column 'split'"
        in graph_of(build, tmp_path, rows, columns=["split"]).notes[0]
    )
    assert not graph_of(build, tmp_path, rows, columns=["split"], fit="split = 'train'").notes
    assert not graph_of(build, tmp_path, rows, {"v": "vector"}, columns=["split"]).notes


def test_saved_encoders_give_the_same_numbers_on_other_tables(build, tmp_path):
    first = graph_of(build, tmp_path, ROWS)
    some = [6, 2, 4]
    again = graph_of(build, tmp_path, taken(some), encoders_from=first)
    np.testing.assert_array_equal(again.nodes["n"].x, first.nodes["n"].x[sorted(some)])
    assert again.nodes["n"].feature_names == first.nodes["n"].feature_names
    assert again.encoders == first.encoders
    fresh = {**taken([0]), "kind": ["new"], "tags": [["new", "x"]]}
    x = graph_of(build, tmp_path, fresh, encoders_from=first).nodes["n"].x
    assert x[0, 2:9].tolist() == [0, 0, 0, 0, 1, 0, 0]


def test_saved_encoders_need_the_same_features(build, tmp_path):
    first = graph_of(build, tmp_path, ROWS, {"size": "log"})
    for features, words in (
        ({"kind": "onehot"}, "--encoders-from has the feature 'size', the spec has not"),
        ({"size": "log", "kind": "onehot"}, "--encoders-from has no feature 'kind'"),
        ({"size": "raw"}, "is 'raw' here and 'log' in --encoders-from"),
    ):
        with pytest.raises(DataError, match=words):
            graph_of(build, tmp_path, ROWS, features, encoders_from=first)


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(8)))
def test_shuffled_rows_give_the_same_bytes(build, tmp_path, order):
    content = graph_of(build, tmp_path, taken(range(8))).artifact.manifest.content
    assert graph_of(build, tmp_path, taken(order)).artifact.manifest.content == content


def test_statistics_of_many_rows_do_not_depend_on_order_or_threads(build, tmp_path):
    rng = np.random.default_rng(0)
    rows = {"id": np.arange(200_000), "v": rng.lognormal(0, 3, 200_000)}
    contents = set()
    for threads in (1, 4):
        order = rng.permutation(200_000)
        pq.write_table(pa.table({k: v[order] for k, v in rows.items()}), tmp_path / "n.parquet", row_group_size=10_000)
        features = {
            "v": "standard",
            "log": {"column": "v", "encoder": "log"},
            "q": {"column": "v", "encoder": "quantile"},
        }
        graph = build({"nodes": {"n": {"table": "n.parquet", "features": features}}}, threads=threads)
        contents.add(graph.artifact.manifest.content)
    assert len(contents) == 1
    np.testing.assert_allclose(
        graph.nodes["n"].x[:, 0], (rows["v"] - rows["v"].mean()) / rows["v"].std(), rtol=1e-4, atol=1e-6
    )


def test_an_encoder_of_ones_own(build, tmp_path):
    (tmp_path / "my_encoders.py").write_text(
        """
from dataclasses import dataclass
import numpy as np
from gnnctl.ingest.encoders import Encoder

@dataclass(kw_only=True)
class Length(Encoder):
    scale: float = 1.0
    def project(self, column, column_type):
        return f"CAST({column} AS VARCHAR)"
    def fit(self, column):
        self.state = {"most": column.query("SELECT max(len(value)) FROM {values}")[0][0], "rows": column.num_rows}
    def names(self, name):
        return [f"length of {name}"]
    def encode(self, values):
        return np.array([[self.scale * len(v.as_py()) / self.state["most"]] for v in values], np.float32)
"""
    )
    features = {"text": {"encoder": "my_encoders:Length", "scale": 2.0}}
    first = graph_of(build, tmp_path, ROWS, features)
    assert first.nodes["n"].feature_names == ["length of text"]
    assert first.nodes["n"].x.max() == 2.0
    again = graph_of(build, tmp_path, taken([1]), features, encoders_from=first)
    assert again.nodes["n"].x[0, 0] == first.nodes["n"].x[1, 0]

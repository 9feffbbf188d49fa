"""Features in other formats: what is stored, what is read, and everything between."""

import dataclasses

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.errors import ArtifactError
from gnnctl.graph import Graph, NodeStore, Stored, decode_features, encode_features
from gnnctl.graph.batch import Batch
from gnnctl.graph.features import FORMATS
from gnnctl.sampling.loader import Loader
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec

# Largest error, relative to a column's range (int8) or to the value.
ERRORS = {"float32": 0, "float16": 2.0**-11, "bfloat16": 2.0**-8, "int8": 0.5 / 254}


def graph_of(format, nodes=60, width=5):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 10, (nodes, width)).astype(np.float32)
    graph = Graph.from_coo(nodes, rng.integers(0, nodes, (2, 300)), x=x)
    values, scale = encode_features(x, format)
    graph.nodes["node"] = dataclasses.replace(graph.nodes["node"], x=values, x_scale=scale)
    return graph, x


def write(graph, path):
    with ArtifactWriter(path, Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    return path


@pytest.mark.parametrize("format", FORMATS)
@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32), rows=st.integers(0, 40), width=st.integers(0, 9), size=st.sampled_from([1e-3, 1, 1e4])
)
def test_what_is_encoded_comes_back(format, seed, rows, width, size):
    x = (np.random.default_rng(seed).normal(0.3, 1, (rows, width)) * size).astype(np.float32)
    found = decode_features(encode_features(x, format))
    spread = np.ptp(x, axis=0) if format == "int8" and rows else np.abs(x)
    assert found.shape == x.shape
    least = 2.0**-25 if format == "float16" else 0  # of subnormals
    assert np.all(np.abs(found - x) <= ERRORS[format] * spread * 1.001 + 1e-7 * size + least)


def test_rounding_is_torchs():
    x = np.random.default_rng(0).normal(0, 1e3, (1000, 7)).astype(np.float32)
    x[:4, 0] = np.inf, -np.inf, np.nan, -0.0
    x[4:6, 0] = np.array([0x7FFFFFFF, 0xFF800001], np.uint32).view(np.float32)  # NaNs whose bits would round away
    x[6:9, 0] = np.array([0x3F808000, 0x3F818000, 1], np.uint32).view(np.float32)  # ties, and a subnormal
    bits = encode_features(x, "bfloat16").values
    expected = torch.from_numpy(x).bfloat16().float().numpy()
    found = decode_features(Stored(bits, None))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        decode_features(encode_features(x, "float16")), torch.from_numpy(x).half().float().numpy()
    )


def test_int8_keeps_constant_columns_and_refuses_infinities():
    x = np.full((5, 2), 7.25, np.float32)
    np.testing.assert_array_equal(decode_features(encode_features(x, "int8")), x)
    x[0, 1] = np.inf
    with pytest.raises(ValueError, match="finite"):
        encode_features(x, "int8")


@pytest.mark.parametrize("format", FORMATS)
def test_a_graph_on_disk_is_the_graph_in_memory(format, tmp_path):
    graph, x = graph_of(format)
    opened = Graph.open(write(graph, tmp_path / "g"))
    store, there = graph.nodes["node"], opened.nodes["node"]
    assert there.x.dtype == store.x.dtype
    np.testing.assert_array_equal(there.features(), store.features())
    np.testing.assert_allclose(there.features(), x, atol=0.3)
    np.testing.assert_array_equal(there.features(np.array([7, 0, 7])), store.features()[[7, 0, 7]])
    assert opened.schema == graph.schema
    array = zarr.open_array(store=str(tmp_path / "g" / "nodes" / "node" / "x"), mode="r")
    assert array.attrs.asdict() == ({"dtype": "bfloat16"} if format == "bfloat16" else {})
    np.testing.assert_array_equal(array[...], store.x)


@pytest.mark.parametrize("format", FORMATS)
def test_models_see_float32(format, tmp_path):
    graph, _ = graph_of(format)
    opened = Graph.open(write(graph, tmp_path / "g"))
    expected = graph.nodes["node"].features()
    assert Batch.full(opened, "node").x["node"].dtype == torch.float32
    np.testing.assert_array_equal(Batch.full(opened, "node").x["node"].numpy(), expected)
    sampler = Sampler(opened, SampleSpec.uniform(opened.edge_types, (3, 2)))
    for batch in Loader(sampler, opened, "node", np.arange(60), batch_size=16, num_threads=2):
        np.testing.assert_array_equal(batch.x["node"].numpy(), expected[batch.node_id["node"].numpy()])
        assert batch.x["node"].dtype == torch.float32


def test_the_fingerprint_in_memory_tells_formats_and_scales_apart():
    graphs = [graph_of(format)[0] for format in FORMATS]
    store = graphs[-1].nodes["node"]
    other, _ = graph_of("int8")
    other.nodes["node"] = dataclasses.replace(store, x_scale=store.x_scale * 2)
    assert len({g.fingerprint for g in [*graphs, other]}) == 5


@pytest.mark.parametrize(
    ("x", "scale"),
    [
        (np.zeros((2, 3)), None),
        (np.zeros((2, 3), np.int32), None),
        (np.zeros((2, 3), np.int8), np.zeros((2, 2), np.float32)),
        (np.zeros((2, 3), np.int8), np.zeros((2, 3))),
    ],
)
def test_features_of_no_format_are_damage(x, scale, tmp_path):
    graph = Graph({"node": NodeStore(2, x=x, x_scale=scale)}, {})
    with pytest.raises(ArtifactError, match="features"):
        Graph.open(write(graph, tmp_path / "g"))

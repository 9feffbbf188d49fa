"""A graph whose features are stored in fewer bytes goes through every stage."""

import dataclasses

import pyarrow.parquet as pq
import pytest
from areas_task import write_graph, write_split

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.graph import Graph, Stored, decode_features, encode_features

FIT = ["--num-neighbors", "4,3", "--hidden", "8", "--epochs", "2", "--lr", "0.02"]


@pytest.mark.parametrize("format", ["bfloat16", "int8"])
def test_stages_read_features_of_other_formats(cli, tmp_path, format):
    """They find what they find where the rounded values are stored as float32."""
    graph = Graph.open(write_graph(tmp_path / "first"))
    store = graph.nodes["paper"]
    encoded = encode_features(store.features(), format)
    rounded = decode_features(encoded)
    found = []
    for name, stored in (("narrow", encoded), ("wide", Stored(rounded, None))):
        folder = tmp_path / name
        graph.nodes["paper"] = dataclasses.replace(store, x=stored.values, x_scale=stored.scale)
        with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {"format": name})) as writer:
            graph.write(writer)
        write_split(folder / "split", folder / "graph")
        for arguments in (
            ["train", folder / "split", "-o", folder / "model", *FIT],
            ["predict", folder / "model", "-o", folder / "predictions"],
            ["explain", folder / "model", "-o", folder / "why", "--node", "paper:p0000", "--algorithm", "saliency"],
            ["inspect", folder / "graph", "--verify"],
        ):
            code, _, err = cli(*arguments, "--quiet")
            assert code == 0, err
        predictions = pq.read_table(next((folder / "predictions").glob("*.parquet")))
        found.append((predictions.to_pylist(), pq.read_table(folder / "why" / "features.parquet").to_pylist()))
    assert found[0] == found[1]
    shown = {row["feature"]: row["seed_value"] for row in found[0][1] if row["seed_value"] is not None}
    assert [shown[f"x{i}"] for i in range(4)] == rounded[0].tolist()

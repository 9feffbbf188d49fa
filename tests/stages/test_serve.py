"""A graph on a server: the same weights and scores as from the disk, and every way in which it goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
import torch
from servers import done, refused, server_process, serving

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.errors import ArtifactError, ResourceError, UsageError
from gnnctl.graph.array_stores import ArrayGraph
from gnnctl.graph.batch import Batch
from gnnctl.graph.features import encode_features
from gnnctl.graph.graph import Graph
from gnnctl.graph.store_interfaces import FeatureStore, GraphStore
from gnnctl.remote import Connection, open_served
from gnnctl.remote.protocol import PROTOCOL, Request
from gnnctl.sampling.methods import MethodSpec, open_method
from gnnctl.sampling.spec import SampleSpec
from gnnctl.serving import GraphServer
from gnnctl.training.loop import Trainer

TRAIN = ["--epochs", "2", "--hidden", "8", "--device", "cpu", "--threads", "1", "--seed", "2", "--quiet"]
SAMPLED = ["--num-neighbors", "4,3", "--batch-size", "32", *TRAIN]


@pytest.fixture(scope="module")
def served(areas):
    with serving(areas, token="secret") as (_, address):
        yield address


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv("GNNCTL_TOKEN", "secret")


# -- the same numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("areas", ["--model", "sage", *SAMPLED]),
        ("areas", ["--model", "sage", *SAMPLED, "--disjoint", "--draw", "recent"]),
        ("papers", ["--model", "gcn", *SAMPLED]),
        ("areas", ["--model", "sage", "--sampler", "hgt", "--batch-size", "64", *TRAIN]),
        ("papers", ["--model", "gcn", "--sampler", "cluster", "--batch-size", "64", *TRAIN]),
        ("areas", ["--model", "sage", *TRAIN]),
    ],
    ids=["typed", "disjoint", "degrees", "hgt", "cluster", "full"],
)
def test_training_from_a_server_gives_the_weights_and_the_scores_of_training_from_the_disk(
    cli, tmp_path, request, folder, options
):
    at = request.getfixturevalue(folder)
    one, two = tmp_path / "one", tmp_path / "two"
    done(cli("train", at / "split", "-o", one, *options))
    with serving(at) as (_, address):
        shutil.copytree(at / "split", tmp_path / "split")  # where no graph is
        done(cli("train", tmp_path / "split", "-o", two, "--graph", address, *options))
        assert (one / "weights.safetensors").read_bytes() == (two / "weights.safetensors").read_bytes()
        assert (one / "metrics.json").read_bytes() == (two / "metrics.json").read_bytes()
        done(cli("predict", one, "-o", tmp_path / "here", "--quiet"))
        done(cli("predict", two, "-o", tmp_path / "there", "--graph", address, "--quiet"))
    here, there = (tmp_path / name / "predictions.parquet" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()
    refused(cli("predict", two, "-o", tmp_path / "again"), 4, "name it with --graph")


@pytest.mark.parametrize("format", ["float16", "int8"])
def test_batches_have_the_weights_and_features_of_edges_and_of_nodes_in_any_format(tmp_path, format):
    rng = np.random.default_rng(1)
    edges = rng.integers(0, 50, (2, 400))
    numbers = {"edge_weight": rng.random(400, np.float32), "edge_attr": rng.random((400, 3), np.float32)}
    graph = Graph.from_coo(50, edges, x=rng.random((50, 5), np.float32), **numbers)
    stored = encode_features(graph.nodes["node"].x, format)
    graph.nodes["node"] = replace(graph.nodes["node"], x=stored.values, x_scale=stored.scale)
    with ArtifactWriter(tmp_path / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    local, seeds = Graph.open(tmp_path / "graph"), np.array([3, 1, 40])
    with serving(tmp_path) as (_, address):
        remote = open_served(address)
        uniform = SampleSpec.uniform(local.edge_types, (4, 3), seed=5)
        for spec in (uniform, MethodSpec.parse("pinsage"), MethodSpec.parse("shadow:neighbors=3")):
            batches = []
            for one in (local, remote):
                subgraph = open_method(one, spec, features=True).sample(seeds, "node", 1)
                batches.append(Batch.from_subgraph(subgraph, one))
            here, there = batches
            assert subgraph.same_as(open_method(local, spec).sample(seeds, "node", 1))
            assert torch.equal(here.x["node"], there.x["node"])
            for t in local.edges:
                assert torch.equal(here.edge_weight[t], there.edge_weight[t])
                assert torch.equal(here.edge_attr[t], there.edge_attr[t])


def test_links_of_a_served_graph(cli, areas, tmp_path):
    links = ["--task", "link", "--edge-type", "author writes paper", "--disjoint", "0.3", "--quiet"]
    done(cli("split", areas / "graph", "-o", tmp_path / "links", *links, "--val", "0.1", "--test", "0.1"))
    train = ["train", tmp_path / "links", "--num-neighbors", "4,3", "--batch-size", "256", *TRAIN]
    done(cli(*train, "-o", tmp_path / "one"))
    with serving(areas) as (_, address):
        done(cli(*train, "-o", tmp_path / "two", "--graph", address))
        done(cli("predict", tmp_path / "one", "-o", tmp_path / "here", "--quiet"))
        done(cli("predict", tmp_path / "two", "-o", tmp_path / "there", "--graph", address, "--quiet"))
    one, two = (tmp_path / name for name in ("one", "two"))
    assert (one / "weights.safetensors").read_bytes() == (two / "weights.safetensors").read_bytes()
    assert (one / "metrics.json").read_bytes() == (two / "metrics.json").read_bytes()
    here, there = (tmp_path / name / "predictions.parquet" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_explanations_and_sampled_predictions_of_a_served_graph(cli, areas, served, tmp_path, token):
    model, remote = tmp_path / "model", ["--graph", served]
    done(cli("train", areas / "split", "-o", model, "--model", "sage", *SAMPLED))
    ids = Graph.open(areas / "graph").ids_of("paper", np.array([3, 40])).to_pylist()
    nodes = [text for i in ids for text in ("--node", f"paper:{i}")]
    fan_outs = ["--num-neighbors", "4,3", "--seed", "5"]
    for name, sampling in (("exact", []), ("sampled", fan_outs)):
        here, there = tmp_path / f"{name}-here", tmp_path / f"{name}-there"
        done(cli("explain", model, "-o", here, *nodes, *sampling, "--epochs", "5", "--quiet"))
        done(cli("explain", model, "-o", there, *nodes, *sampling, "--epochs", "5", "--quiet", *remote))
        files = sorted(f.name for f in here.iterdir() if f.name != "manifest.json")
        assert "explanation.html" in files
        for file in files:
            assert (here / file).read_bytes() == (there / file).read_bytes(), file
    done(cli("predict", model, "-o", tmp_path / "here", *fan_outs, "--quiet"))
    done(cli("predict", model, "-o", tmp_path / "there", *fan_outs, "--quiet", *remote))
    here, there = (tmp_path / name / "predictions.parquet" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()
    explain = ["explain", model, "-o", tmp_path / "no", *nodes, "--quiet"]
    refused(cli(*explain, "--graph", "grpc://127.0.0.1:1"), 5, "is not reached")
    refused(cli(*explain, "--tls-ca", areas / "graph" / "manifest.json"), 2, "--tls-ca is for a graph on a server")


def test_records_sampled_on_a_server_are_those_sampled_here(cli, areas, served, tmp_path, token):
    options = ["--num-neighbors", "4,3", "--batch-size", "32", "--epochs", "2", "--quiet"]
    done(cli("sample", areas / "split", "-o", tmp_path / "one", *options))
    done(cli("sample", areas / "split", "-o", tmp_path / "two", "--graph", served, *options))
    one, two = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("one", "two"))
    assert one["content"] == two["content"]


def test_the_pair_of_stores_reads_what_the_arrays_hold(areas, served):
    remote, local = open_served(served, token="secret"), Graph.open(areas / "graph")
    assert isinstance(remote.features, FeatureStore)
    assert isinstance(remote.structure, GraphStore)
    rows = np.array([7, 0, 7, 3])
    for name, store in local.nodes.items():
        assert remote.nodes[name].ids == store.ids
        assert remote.nodes[name].columns == store.columns
        if store.x is not None:
            assert np.array_equal(remote.nodes[name].features(rows), store.features(rows))
            assert np.array_equal(remote.nodes[name].features(), store.features())
    here = ArrayGraph({n: s.num_nodes for n, s in local.nodes.items()}, local.edges)
    for t in local.edges:
        assert all(np.array_equal(*pair) for pair in zip(remote.structure.csc(t), here.csc(t), strict=True))
        found, wanted = remote.structure.in_edges(t, rows), here.in_edges(t, rows)
        assert all(np.array_equal(*pair) for pair in zip(found, wanted, strict=True))
        assert remote.structure.num_edges(t) == here.num_edges(t)


# -- who may -----------------------------------------------------------------------------------------------------------


def test_a_wrong_or_missing_token_gets_nothing(cli, areas, served, tmp_path, monkeypatch):
    monkeypatch.delenv("GNNCTL_TOKEN", raising=False)
    train = ["train", areas / "split", "-o", tmp_path / "model", *SAMPLED, "--graph", served]
    refused(cli(*train), 5, "does not accept the token")
    wrong = tmp_path / "wrong"
    wrong.write_text("guess\n")
    refused(cli(*train, "--token-file", wrong), 5, "does not accept the token")
    client = flight.FlightClient(served)
    ask = Request("array", {"name": "nodes/paper/x", "start": 0, "stop": 1}).ticket()
    with pytest.raises(flight.FlightUnauthenticatedError):
        client.do_get(flight.Ticket(ask)).read_all()
    right = tmp_path / "right"
    right.write_text("secret\n")
    done(cli(*train, "--token-file", right))
    refused(cli("train", areas / "split", "-o", tmp_path / "m", "--token-file", right), 2, "--token-file")


def test_tls_with_a_certificate_of_ones_own(areas, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    make = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([openssl, *make.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    pair = (tmp_path / "cert.pem").read_bytes(), (tmp_path / "key.pem").read_bytes()
    with GraphServer(Graph.open(areas / "graph"), "grpc+tls://127.0.0.1:0", token="secret", tls=pair) as server:
        address = f"grpc+tls://localhost:{server.port}"
        graph = open_served(address, token="secret", tls_ca=tmp_path / "cert.pem")
        assert graph.num_nodes("paper") == Graph.open(areas / "graph").num_nodes("paper")
        with pytest.raises(ResourceError, match=r"certificate verify failed.*--tls-ca"):
            Connection(address, "secret")
        with pytest.raises(ResourceError, match="is not reached"):
            Connection(f"grpc://localhost:{server.port}", "secret", seconds=5)


# -- what is asked wrongly ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request("nonsense"), "there is no request 'nonsense'"),
        (Request("array", {"name": "../../secret", "start": 0, "stop": 1}), "there is no array"),
        (Request("table", {"name": "/etc/passwd"}), "there is no table"),
        (Request("array", {"name": "nodes/paper/x", "start": 0, "stop": 10**9}), "are not within"),
        (Request("array", {"name": "nodes/paper/x"}, {"rows": np.array([-1])}), "a row outside"),
        (Request("array", {"name": "nodes/paper/x", "start": "0", "stop": 1}), "wants 'start' as int"),
        (Request("sample", {"spec": {}, "node_type": "paper"}, {"rows": np.array([0])}), "no spec of sampling"),
        (Request("sample", {"spec": {"method": "os:system"}, "node_type": "paper"}), "no way of sampling"),
        (Request("sample", {"spec": {"method": "hgt"}, "node_type": "paper"}), "no spec of sampling"),
        (Request("array", {"name": "nodes/paper/x"}, {"rows": np.zeros(3 << 20, np.int64)}), "ask for less"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_one_line(served, request_, words):
    connection = Connection(served, "secret")
    with pytest.raises(UsageError, match="refuses") as refusal:
        list(connection.parts(request_)) if request_.do != "table" else connection.table(request_.words["name"])
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300
    connection.table("nodes/paper/ids")  # it goes on


def test_seeds_that_are_not_there_and_bytes_that_are_nothing(served):
    graph = open_served(served, token="secret")
    method = open_method(graph, SampleSpec.uniform(graph.edge_types, (2,)))
    with pytest.raises(UsageError, match="seeds: a row outside"):
        method.sample(np.array([10**6]), "paper", 1)
    with pytest.raises(UsageError, match="refuses"):
        method.sample(np.array([1, 1]), "paper", 1)  # twice
    client = flight.FlightClient(served)
    options = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer secret")])
    for ticket in (b"", b"x" * 100, Request("array").ticket()[:-30]):
        with pytest.raises(pa.ArrowInvalid, match="no request of gnnctl"):
            client.do_get(flight.Ticket(ticket), options)
    with pytest.raises(UsageError, match="no code of others"):
        open_method(graph, MethodSpec("some.module:Class"))
    assert method.sample(np.array([1]), "paper", 1).num_nodes


def test_another_protocol_is_told_apart_on_both_sides(served, monkeypatch):
    monkeypatch.setattr("gnnctl.remote.connection.PROTOCOL", PROTOCOL + 1)
    with pytest.raises(UsageError, match=f"protocol {PROTOCOL + 1} is asked for, this server speaks {PROTOCOL}"):
        Connection(served, "secret")
    monkeypatch.setattr("gnnctl.serving.server.check_protocol", lambda version: None)  # a server that does not look
    with pytest.raises(ArtifactError, match=f"speaks protocol {PROTOCOL}, this gnnctl {PROTOCOL + 1}"):
        Connection(served, "secret")


def test_another_graph_than_the_splits_is_refused(cli, papers, served, tmp_path, token):
    result = cli("train", papers / "split", "-o", tmp_path / "m", "--graph", served, *SAMPLED)
    refused(result, 4, "was made from another graph")


def test_a_cache_of_features_that_come_with_samples_is_refused(cli, areas, served, tmp_path, token):
    train = ("train", areas / "split", "-o", tmp_path / "m", "--graph", served, *SAMPLED)
    refused(cli(*train, "--feature-cache", "1M"), 2, "a server sends features with its samples")


def test_a_server_is_not_opened_to_everyone(cli, areas, monkeypatch):
    monkeypatch.delenv("GNNCTL_TOKEN", raising=False)
    refused(cli("serve", areas / "graph", "--host", "0.0.0.0"), 2, "without a token")


# -- processes ---------------------------------------------------------------------------------------------------------


def test_a_killed_server_is_one_line_and_training_resumes(cli, areas, tmp_path, monkeypatch):
    options = ["--num-neighbors", "4,3", "--batch-size", "32", "--save-seconds", "0", *TRAIN, "--epochs", "6"]
    train = ["train", areas / "split", "-o", tmp_path / "model", *options]
    save = Trainer._save
    with server_process(areas) as (process, address):

        def save_and_kill(trainer, *arguments, **named):
            save(trainer, *arguments, **named)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_save", save_and_kill)
            began = time.monotonic()
            err = refused(cli(*train, "--graph", address), 5, address)
            assert time.monotonic() - began < 30
            assert "training resumes" in err
    assert (tmp_path / "model.partial" / "state.pt").is_file()
    with serving(areas) as (_, address):
        done(cli(*train, "--graph", address))
    done(cli("train", areas / "split", "-o", tmp_path / "whole", *options))
    one, two = (tmp_path / name / "weights.safetensors" for name in ("model", "whole"))
    assert one.read_bytes() == two.read_bytes()

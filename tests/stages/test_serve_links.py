"""Links of a graph on a server: sampled there, in views that clients show it, with nothing of the edges held here."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.flight as flight
import pytest
import torch
from served_links import KNOWS, LIKED, LIKES, write_links, write_split
from servers import done, refused, server_process, serving

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.errors import ResourceError, UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch
from gnnctl.graph.seen import EDGE_PARTS
from gnnctl.remote import Connection, open_served
from gnnctl.remote.protocol import Request
from gnnctl.remote.view import pack_bits
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.link_sampler import LinkSampler, opposites_of
from gnnctl.sampling.methods import MethodSpec, open_method
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits.link import LinkSplit
from gnnctl.training.loop import Trainer

TRAIN = ["--epochs", "2", "--hidden", "8", "--device", "cpu", "--threads", "1", "--seed", "2", "--quiet"]
SAMPLED = ["--num-neighbors", "4,3", "--batch-size", "128", *TRAIN]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("links")
    write_links(folder)
    return folder


@pytest.fixture
def remote(folder):
    with serving(folder) as (server, address):
        yield server, open_served(address)


def wait_until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


# -- the same subgraphs ------------------------------------------------------------------------------------------------


SPECS = {
    "joint": {},
    "weighted": {"draw": "weighted", "replace": True},
    "shared": {"draw": "labor"},
    "both-ways": {"subgraph": "bidirectional"},
    "induced": {"subgraph": "induced"},
    "trees": {"disjoint": True},
    "before": {"disjoint": True, "time": "before", "draw": "recent"},
    "until": {"disjoint": True, "time": "until", "draw": "weighted"},
}


@pytest.mark.parametrize("name", SPECS)
def test_subgraphs_and_features_around_links_are_those_of_the_graph_here(folder, remote, name):
    for split in ("split", "times"):
        local, there = LinkSplit.open(folder / split), LinkSplit.open(folder / split, remote[1])
        spec = SampleSpec.uniform(local.graph.edge_types, (4, 3), seed=5, **SPECS[name])
        if spec.time is not None and split == "split":
            continue
        for part in ("train", "val"):
            numbers = np.arange(local.part(part).size)[3::7]
            batches, found = [], []
            for one in (local, there):
                negatives = LinkNegatives.of(one, 3, seed=4) if part == "train" else one.negatives[part]
                method = open_method(one.view(part), spec, features=True)
                types, opposite = one.target.edge_types, opposites_of(one)
                sampler = LinkSampler(method, one.part(part), types, negatives, opposite=opposite)
                found.append(sampler.sample(numbers, "person", 2 if part == "train" else 0))
                batches.append(Batch.from_subgraph(found[-1], one.view(part)))
            assert found[0].num_edges > 100
            assert found[1].same_as(found[0])
            assert found[1].features is not None
            assert (found[1].seed_times is None) == (spec.time is None)
            for attribute in ("x", "edge_weight", "edge_attr"):
                here, got = (getattr(batch, attribute) for batch in batches)
                assert here.keys() == got.keys()
                for key, values in here.items():
                    assert (values is None) == (got[key] is None)
                    assert values is None or torch.equal(values, got[key])


def test_other_samplers_around_links_of_one_type(folder, remote):
    local, there = LinkSplit.open(folder / "alone"), LinkSplit.open(folder / "alone", remote[1])
    for text in ("ppr", "hgt:neighbors=8"):
        found = []
        for one in (local, there):
            sampler = LinkSampler(
                open_method(one.view("train"), MethodSpec.parse(text)), one.part("train"), one.target.edge_types
            )
            found.append(sampler.sample(np.arange(10), "person", 1))
        assert found[1].same_as(found[0])


@pytest.mark.parametrize("method", ["uniform", "degree", "in-batch"])
def test_negatives_are_those_drawn_with_the_edges_here(folder, remote, method, monkeypatch):
    monkeypatch.setattr("gnnctl.sampling.served_negatives._AT_ONCE", 200)
    local, there = LinkSplit.open(folder / "split"), LinkSplit.open(folder / "split", remote[1])
    links = local.part("train")
    for corrupt, keep in (("either", False), ("src", True)):
        drawn = [
            LinkNegatives.of(one, 5, method=method, corrupt=corrupt, keep_known=keep, seed=9).draw(
                links.relation, links.src, links.dst, 3
            )
            for one in (local, there)
        ]
        assert len(drawn[0].src) > len(links.src)
        assert all(np.array_equal(*pair) for pair in zip(*drawn, strict=True))
    none = np.zeros(0, np.int64)
    assert len(LinkNegatives.of(there, 5, method=method, seed=9).draw(none, none, none, 3).src) == 0


def test_negatives_where_almost_everything_is_known(tmp_path):
    pairs = np.stack(np.nonzero(np.arange(30)[:, None] != (np.arange(30) * 7) % 30))
    graph = Graph.from_coo({"a": 30, "b": 30}, {EdgeType("a", "to", "b"): pairs})
    with ArtifactWriter(tmp_path / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    write_split(tmp_path / "split", tmp_path / "graph", graph.edge_types, val=0.0, test=0.0)
    with serving(tmp_path) as (_, address):
        drawn = []
        for one in (LinkSplit.open(tmp_path / "split"), LinkSplit.open(tmp_path / "split", open_served(address))):
            links = one.part("train")
            drawn.append(LinkNegatives.of(one, 2, corrupt="dst").draw(links.relation, links.src, links.dst, 1))
        assert all(np.array_equal(*pair) for pair in zip(*drawn, strict=True))
        assert len(drawn[0].src) > 0


def test_a_view_read_from_the_server_has_the_arrays_of_the_view_here(folder, remote):
    for split in ("split", "times"):
        local, there = LinkSplit.open(folder / split), LinkSplit.open(folder / split, remote[1])
        for part in ("train", "val", "test"):
            for t, wanted in local.view(part).edges.items():
                got = there.view(part).edges[t]
                for name in EDGE_PARTS:
                    values = getattr(wanted, name)
                    assert (values is None) == (getattr(got, name) is None)
                    assert values is None or np.array_equal(np.asarray(getattr(got, name)), values)


@pytest.mark.parametrize(
    ("split", "options"),
    [
        ("split", ["--model", "gcn", *SAMPLED, "--disjoint"]),
        ("times", ["--model", "sage", *SAMPLED, "--disjoint", "--time", "before", "--negative-method", "degree"]),
        ("split", ["--model", "sage", "--batch-size", "500", *TRAIN]),
    ],
    ids=["trees", "times", "full"],
)
def test_training_on_links_of_a_server_gives_the_same_weights_and_scores(cli, folder, tmp_path, split, options):
    train = ["train", folder / split, *options]
    done(cli(*train, "-o", tmp_path / "one"))
    with serving(folder) as (_, address):
        done(cli(*train, "-o", tmp_path / "two", "--graph", address))
        done(cli("predict", tmp_path / "two", "-o", tmp_path / "there", "--graph", address, "--quiet"))
    done(cli("predict", tmp_path / "one", "-o", tmp_path / "here", "--quiet"))
    for name in ("weights.safetensors", "metrics.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    here, there = (tmp_path / name / "predictions.parquet" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_training_on_labelled_edges_of_a_server(cli, folder, tmp_path, remote):
    split = ["split", folder / "graph", "-o", tmp_path / "split", "--task", "edge", "--quiet"]
    done(cli(*split, "--target", "person knows person.well"))
    train = ["train", tmp_path / "split", "--model", "gatv2", *SAMPLED, "--balanced"]
    done(cli(*train, "-o", tmp_path / "one"))
    done(cli(*train, "-o", tmp_path / "two", "--graph", remote[1].connection.address))
    for name in ("weights.safetensors", "metrics.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_records_around_links_of_a_server_are_those_made_here(cli, folder, tmp_path, remote):
    options = ["--num-neighbors", "4,3", "--batch-size", "200", "--epochs", "1", "--quiet"]
    done(cli("sample", folder / "times", "-o", tmp_path / "one", *options))
    graph = ["--graph", remote[1].connection.address]
    done(cli("sample", folder / "times", "-o", tmp_path / "two", *graph, *options))
    one, two = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("one", "two"))
    assert one["content"] == two["content"]
    done(cli("train", tmp_path / "one", "-o", tmp_path / "three", *TRAIN))
    done(cli("train", tmp_path / "two", "-o", tmp_path / "four", *graph, *TRAIN))
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("three", "four")]
    assert weights[0] == weights[1]


# -- what is held ------------------------------------------------------------------------------------------------------


def test_training_batches_read_no_edges(folder, remote, monkeypatch):
    asked = []
    ask = Connection.parts
    monkeypatch.setattr(Connection, "parts", lambda self, request: asked.append(request) or ask(self, request))
    split = LinkSplit.open(folder / "split", remote[1])
    spec = SampleSpec.uniform(split.graph.edge_types, (4, 3), disjoint=True)
    negatives = LinkNegatives.of(split, 2)
    method = open_method(split.view("train"), spec, features=True)
    sampler = LinkSampler(method, split.part("train"), split.target.edge_types, negatives)
    for start in (0, 50, 100):
        Batch.from_subgraph(sampler.sample(np.arange(start, start + 50), "person", 1), split.view("train"))
    done = [request.do for request in asked]
    # Two views, that of training and that of the links it knows: each type's edges in one request, then the seal.
    assert done.count("show") == 2 * 3
    assert done.count("seal") == 2
    assert done.count("links") == 3
    assert set(done) == {"show", "seal", "links", "negatives"}


def test_what_a_client_holds_is_let_go_of_when_it_goes(folder):
    script = (
        "import sys, numpy as np; from gnnctl.remote import open_served; from gnnctl.splits.link import LinkSplit\n"
        "split = LinkSplit.open(sys.argv[1], open_served(sys.argv[2]))\n"
        "print(split.view('train').on_server(), flush=True); sys.stdin.read()"
    )
    with serving(folder) as (server, address):
        command = [sys.executable, "-c", script, str(folder / "split"), address]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as client:
            name = client.stdout.readline().strip()
            assert len(name) == 32
            held = sum(server.held.values())
            graph = Graph.open(folder / "graph")
            assert held >= sum(e.row.nbytes + e.colptr.nbytes for e in graph.edges.values())
            client.kill()
        assert wait_until(lambda: server.held == {})
        with pytest.raises(ResourceError, match=r"has lost what it was shown.*training resumes"):
            list(open_served(address).connection.parts(Request("show", {"view": name}, {"bits": np.zeros(1, int)})))
        split = LinkSplit.open(folder / "split", open_served(address))
        split.view("train").on_server()
        assert sum(server.held.values()) == held
        del split
        assert wait_until(lambda: server.held == {})  # the same within a process that goes on


def test_views_beyond_the_account_are_refused_in_one_line(cli, tmp_path):
    rng = np.random.default_rng(0)
    graph = Graph.from_coo(1000, rng.integers(0, 1000, (2, 300_000)))  # 4 bytes an edge, and a bit
    with ArtifactWriter(tmp_path / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    write_split(tmp_path / "split", tmp_path / "graph", graph.edge_types, val=0.01, test=0.01)
    with serving(tmp_path, memory=1_200_000) as (server, address):
        train = ["train", tmp_path / "split", "-o", tmp_path / "m", "--graph", address, *SAMPLED]
        words = "a view of 1,316,401 bytes is over the 1,200,000 of a client: serve with more --memory"
        refused(cli(*train), 2, words)
        assert server.held == {}
    with serving(tmp_path, memory=2 << 20) as (server, address):
        split = LinkSplit.open(tmp_path / "split", open_served(address))
        split.view("train").on_server()
        with pytest.raises(UsageError, match=r"a view of 1,316,401 bytes beside 1,316,401 that it holds is over"):
            split.view("val").on_server()
        assert server.held
    # The server has ended, though a client still held a view.


# -- who may, and what goes wrong --------------------------------------------------------------------------------------


def test_without_the_token_no_view_is_opened(folder, monkeypatch):
    monkeypatch.delenv("GNNCTL_TOKEN", raising=False)
    with serving(folder, token="secret") as (server, address):
        client = flight.FlightClient(address)
        for request in (
            Request("view", {"edge_types": []}),
            Request("links", {"spec": {}}),
            Request("negatives", {"view": "0" * 32}),
        ):
            with pytest.raises(flight.FlightUnauthenticatedError):
                client.do_get(flight.Ticket(request.ticket())).read_all()
        assert server.held == {}
        connection = Connection(address, "secret")
        name, leave = connection.open_view([])
        connection.ask(Request("seal", {"view": name, "sha256": sha256_of()}))
        leave()


def sha256_of(*parts):
    import hashlib

    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def test_views_that_make_no_sense_are_refused(folder, remote):
    server, graph = remote
    connection = graph.connection

    def says(words, do, columns=None, **named):
        with pytest.raises(UsageError, match="refuses") as refusal:
            connection.ask(Request(do, named, columns or {}))
        assert words in str(refusal.value)

    with pytest.raises(UsageError, match="no edge type 'nothing'"):
        connection.open_view(["nothing"])
    count = graph.edges[LIKES].num_edges
    bits = pack_bits(np.arange(count) % 3 == 0)
    name, leave = connection.open_view([LIKES.key])
    at = {"view": name, "edge_type": LIKES.key}
    says("wants the column", "show", **at, first=0)
    says("wants a 'view'", "show", {"bits": bits}, edge_type=LIKES.key, first=0)
    says("not shown in their order", "show", {"bits": bits}, **at, first=1)
    says("too many", "show", {"bits": np.append(bits, 0)}, **at, first=0)
    says("shows no edges of", "show", {"bits": bits}, view=name, edge_type=KNOWS.key, first=0)
    says("not all edges", "seal", view=name, sha256="")
    says("not whole yet", "negatives", {"src": bits[:0], "dst": bits[:0]}, view=name, epoch=1, per_positive=1,
         edge_type=LIKES.key, method="uniform", corrupt="dst", exclude=True, loops=True, power=1.0, seed=0)  # fmt: skip
    connection.ask(Request("show", {**at, "first": 0}, {"bits": bits}))
    says("not those that were shown", "seal", view=name, sha256="0" * 64)
    connection.ask(Request("seal", {"view": name, "sha256": sha256_of(bits)}))
    # The reverse type shows all its edges, though two thirds of the forward ones are not there.
    both_ways = SampleSpec.uniform(graph.edge_types, (2,), subgraph="bidirectional").to_json()
    asked = {"view": name, "spec": both_ways, "node_type": "thing", "epoch": 1, "features": False}
    says("without their forward edges", "sample", {"rows": np.arange(3)}, **asked)
    leave()
    assert wait_until(lambda: server.held == {})
    name, leave = connection.open_view([])
    connection.ask(Request("seal", {"view": name, "sha256": sha256_of()}))
    spec = SampleSpec.uniform(graph.edge_types, (2,)).to_json()
    row = np.zeros(1, np.int64)
    sound = {"src": row, "dst": row, "group": row, "relation": row}
    words = {"view": name, "spec": spec, "epoch": 1, "features": False}
    words |= {"edge_types": [str(LIKES)], "opposite": [[str(LIKED)]]}
    assert connection.ask(Request("links", words, sound))
    for change, text in (
        ({"src": row + 70}, "a row outside 0..69 of 'person'"),
        ({"dst": row - 1}, "a row outside 0..49 of 'thing'"),
        ({"group": row + 1}, "not sorted by group"),
        ({"relation": row + 1}, "a relation outside"),
    ):
        says(text, "links", {**sound, **change}, **words)
    says("wants the column 'dst'", "links", {"src": row}, **words)
    says("wants 'edge_types' of the graph", "links", sound, **{**words, "edge_types": ["a b c"]})
    says("by fan-outs", "links", sound, **{**words, "spec": MethodSpec.parse("ppr").to_json()})
    says("over the", "negatives", {"src": row, "dst": row}, view=name, epoch=1, per_positive=1 << 40,
         edge_type=LIKES.key, method="uniform", corrupt="dst", exclude=True, loops=True, power=1.0, seed=0)  # fmt: skip
    leave()


def test_a_killed_server_is_one_line_and_training_on_links_resumes(cli, folder, tmp_path, monkeypatch):
    options = [*SAMPLED, "--save-seconds", "0", "--epochs", "4"]
    train = ["train", folder / "split", "-o", tmp_path / "model", *options]
    save = Trainer._save
    with server_process(folder) as (process, address):

        def save_and_kill(trainer, *arguments, **named):
            save(trainer, *arguments, **named)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_save", save_and_kill)
            refused(cli(*train, "--graph", address), 5, "training resumes")
    with serving(folder) as (_, address):
        done(cli(*train, "--graph", address))
    done(cli("train", folder / "split", "-o", tmp_path / "whole", *options))
    one, two = (tmp_path / name / "weights.safetensors" for name in ("model", "whole"))
    assert one.read_bytes() == two.read_bytes()


def test_a_server_without_views_is_told_in_one_line(folder, remote, monkeypatch):
    monkeypatch.setattr("gnnctl.remote.connection.VIEW", "nonsense")
    split = LinkSplit.open(folder / "split", remote[1])
    with pytest.raises((UsageError, ResourceError), match="there is no request 'nonsense'"):
        split.view("train").on_server()

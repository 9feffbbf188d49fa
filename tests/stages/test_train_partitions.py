"""Training in as many processes as a split has partitions: the run of one process over the whole graph."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from gnnctl.artifacts import Artifact
from gnnctl.errors import ArtifactError, ResourceError, UsageError
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.graph.store_interfaces import Key
from gnnctl.nn.models import ModelOptions
from gnnctl.processes import ALONE, Place, lost
from gnnctl.remote.connection import Connection
from gnnctl.sampling.share import Share
from gnnctl.serving.parts import Meeting, _address_towards
from gnnctl.training.inputs import TrainingInput
from gnnctl.training.options import TrainOptions
from gnnctl.training.partitions import share_of
from gnnctl.training.run import train_model

OPTIONS = [
    *("--hidden", "8", "--dropout", "0", "--threads", "1", "--lr", "0.001", "--epochs", "3"),
    *("--num-neighbors", "4,4", "--batch-size", "64", "--class-weights", "balanced"),
]


@pytest.fixture(scope="module")
def parted(areas, papers, tmp_path_factory):
    """A folder with splits in two partitions: `areas` of typed nodes, `papers` of nodes of one type, `links`."""
    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("parted")
    shutil.copytree(areas / "graph", folder / "graph")
    shutil.copytree(papers / "graph", folder / "papers-graph")
    links = ["--task", "link", "--edge-type", "author writes paper", "--disjoint", "0.3"]
    with pytest.MonkeyPatch.context() as patch:
        for words in (
            [folder / "graph", "-o", folder / "areas", "--target", "paper.area"],
            [folder / "papers-graph", "-o", folder / "papers", "--target", "paper.area"],
            [folder / "graph", "-o", folder / "links", *links],
        ):
            arguments = ["gnnctl", "split", *map(str, words), "--val", "0.2", "--partitions", "2", "--quiet"]
            patch.setattr(sys, "argv", arguments)
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code, arguments
    return folder


def curve(folder):
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in record.items() if name != "seconds" and value is not None} for record in records
    ]


@pytest.mark.parametrize("name", ["areas", "links"])
def test_two_processes_with_a_partition_each_give_the_run_of_one(cli, parted, certificate, tmp_path, name):
    options = OPTIONS if name == "areas" else OPTIONS[:-2]  # links have no classes
    code, _, error = cli("train", parted / name, "-o", tmp_path / "one", *options)
    assert code == 0, error
    fingerprint = Artifact.open(tmp_path / "one").fingerprint
    (parted / "graph").rename(parted / "away")  # nobody looks at the whole graph
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "gnnctl", "train"]
    files = {"--tls-cert": "cert.pem", "--tls-key": "key.pem", "--tls-ca": "cert.pem"}
    tls = [str(word) for flag, name in files.items() for word in (flag, certificate / name)]
    try:
        run = subprocess.run(
            [*command, str(parted / name), "-o", str(tmp_path / "two"), *options, *tls],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        (parted / "away").rename(parted / "graph")
    assert run.returncode == 0, run.stderr
    two = Artifact.open(tmp_path / "two")
    assert two.fingerprint == fingerprint
    assert (two.json("model")["processes"], two.json("model")["partitions"]) == (2, 2)
    assert "feature rows were read from other partitions" in run.stderr
    for expected, found in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
    own, shared = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for key, values in own.items():
        assert shared[key] == pytest.approx(values, abs=1e-6), key
    for part, expected in Artifact.open(tmp_path / "one").json("metrics").items():
        found = two.json("metrics")[part]
        assert found.pop("baseline", None) == expected.pop("baseline", None)
        present = {name: value for name, value in expected.items() if value is not None}
        assert {name: value for name, value in found.items() if value is not None} == pytest.approx(
            present, rel=1e-5, abs=1e-6
        )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The folder with cert.pem and key.pem of 127.0.0.1, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    make = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=parts"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *make.split(), *names], cwd=folder, check=True, capture_output=True)
    return folder


def meet(split, tls=(None, None), **words):
    """Two processes' inputs, met over Flight, and their meetings."""
    inputs = [TrainingInput.open(str(split), place=Place(n, 2, n, 2), **words) for n in range(2)]
    said, barrier = ["", ""], threading.Barrier(2)
    token = []

    def meeting(rank):
        def tell(value):
            said[rank] = value
            barrier.wait()
            return list(said)

        def first(make):
            if rank == 0:
                token.append(make())
            barrier.wait()
            return token[0]

        return Meeting(inputs[rank].split.graph, rank, None, first, tell, lost, *tls)

    with ThreadPoolExecutor(2) as pool:
        return inputs, list(pool.map(meeting, range(2)))


def trained(found, folder, model):
    """The sha256 of the weights, and the metrics."""
    folder.mkdir()
    options = ModelOptions(name=model, hidden=8, layers=2, dropout=0.0)
    training = TrainOptions(epochs=2, batch_size=found.batch_size, seed=3)
    cpu = torch.device("cpu")
    run = train_model(
        found.job(options.name), lambda m: found.batches(m, cpu, 2), options, training, folder, spec=found.spec
    )
    return run.weights, run.evaluation.metrics


@pytest.mark.parametrize(
    ("name", "model", "rules"),
    [("papers", "gcn", {}), ("links", "gat", {}), ("links", "sage", {"--disjoint": True})],
)
def test_a_process_that_asks_for_the_other_partition_learns_the_same_weights(parted, tmp_path, name, model, rules):
    words = {"num_neighbors": ["5,3"], "batch_size": 50, "rules": rules, "seed": 3}
    expected = trained(TrainingInput.open(str(parted / name), **words), tmp_path / "whole", model)
    [first, _], [meeting, other] = meet(parted / name, **words)
    graph = first.split.graph
    assert isinstance(graph, PartitionedGraph)
    rows, whole = np.flatnonzero(graph.index.owner["paper"] == 1)[:3], Artifact.open(parted / name).parent("graph")
    assert graph.fingerprint == whole.fingerprint
    assert trained(first, tmp_path / "parts", model) == expected
    x = whole.array("nodes/paper/x")
    assert np.array_equal(graph.nodes["paper"].x[rows], x[rows])
    with pytest.raises(UsageError, match="not in partition 1"):
        graph.owners[1].features(None).read(Key("paper", "x"), graph.part.rows("paper")[:1], np.empty_like(x[:1]))
    meeting.leave()
    other.wait()
    other._server.shutdown()
    with pytest.raises(ResourceError, match="one of its processes was lost"):
        graph.nodes["paper"].x[rows]
    meeting._server.shutdown()


def test_data_travel_by_tls_between_processes_that_have_a_certificate(cli, parted, areas, certificate, tmp_path):
    chain, key = certificate / "cert.pem", certificate / "key.pem"
    pair = (chain.read_bytes(), key.read_bytes())
    words = {"num_neighbors": ["5,3"]}
    [first, second], meetings = meet(parted / "papers", (pair, chain), **words)
    graph, x = first.split.graph, Artifact.open(parted / "papers").parent("graph").array("nodes/paper/x")
    rows = second.split.graph.part.rows("paper")[:3]
    assert np.array_equal(graph.nodes["paper"].x[rows], x[rows])
    port = meetings[1]._server.port
    with pytest.raises(ResourceError, match="is not reached"):
        Connection(f"grpc://127.0.0.1:{port}", "any", seconds=5)
    for meeting in meetings:
        meeting._server.shutdown()
    with pytest.raises(ResourceError, match=r"certificate verify failed.*--tls-ca"):
        meet(parted / "papers", (pair, None), **words)
    train = ("train", areas / "split", "-o", tmp_path / "m", "--num-neighbors", "4,4")
    for options, why in (
        (("--tls-cert", chain), "--tls-cert and --tls-key go together"),
        (("--tls-cert", chain, "--tls-key", key), "--tls-cert is for processes that have the graph in partitions"),
    ):
        code, _, error = cli(*train, *options)
        assert (code, why in error) == (2, True), error


def test_a_machine_is_found_by_the_address_that_leads_to_another(monkeypatch):
    assert _address_towards("127.0.0.1") == "127.0.0.1"

    def unknown(*words, **named):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ResourceError, match="no way to big: Name or service not known; set MASTER_ADDR"):
        _address_towards("big")
    monkeypatch.setenv("MASTER_ADDR", "big")
    assert (Place(0, 4, 0, 2).master, Place(0, 2, 0, 2).master) == ("big", None)


def test_every_seed_is_in_the_share_of_the_one_process_that_owns_it(parted):
    for name in ("areas", "links"):
        split = TrainingInput.open(str(parted / name), num_neighbors=["4,4"], place=Place(0, 2, 0, 2)).split
        part = split.part("train")
        count = len(part[0]) if name == "areas" else part.size
        seeds = part[0] if name == "areas" else np.arange(count)
        shares = [share_of(split, "train", Share(rank, 2)) for rank in range(2)]
        owned = [seeds[share.owner[seeds] == share.rank] for share in shares]
        assert sorted(np.concatenate(owned).tolist()) == sorted(seeds.tolist())
        assert max(map(len, owned)) < 0.75 * count
        assert share_of(split, "train", Share()) == Share()


def test_a_process_needs_its_own_partition_alone(parted, tmp_path):
    shutil.copytree(parted / "areas", tmp_path / "areas")
    shutil.rmtree(tmp_path / "areas" / "partitions" / "1")
    found = TrainingInput.open(str(tmp_path / "areas"), num_neighbors=["4,4"], place=Place(0, 2, 0, 2))
    mine = found.split.graph.part.rows("paper")
    assert found.split.graph.nodes["paper"].x[mine].shape == (len(mine), 4)
    with pytest.raises(ArtifactError, match="partitions/1"):
        TrainingInput.open(str(tmp_path / "areas"), num_neighbors=["4,4"], place=Place(1, 2, 1, 2))


def test_what_partitions_are_not_for_is_refused_in_one_line(cli, parted, areas, tmp_path):
    split, two = str(parted / "areas"), Place(0, 2, 0, 2)
    for words, why in (
        ({"place": Place(0, 3, 0, 3)}, "in 2 partitions, and there are 3 processes; start 2"),
        ({"place": two, "graph": parted / "graph"}, "--graph"),
    ):
        with pytest.raises(UsageError, match=why):
            TrainingInput.open(split, num_neighbors=["4,4"], **words)
    with pytest.raises(UsageError, match="partitions are sampled from"):
        TrainingInput.open(split, place=two).check_shared()
    assert not isinstance(TrainingInput.open(split, place=ALONE).split.graph, PartitionedGraph)


def test_split_says_how_good_its_partitions_are(cli, areas, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymetis", None)
    words = ["split", areas / "graph", "-o", tmp_path / "s", "--target", "paper.area", "--partitions", "3"]
    code, out, err = cli(*words, "--json")
    assert code == 0, err
    assert "3 partitions by streaming: " in err
    found = json.loads(out)["partitions"]
    assert found["method"] == "stream"
    assert 0 < found["cut"] < 1
    assert sum(found["nodes"]) == 360
    assert sum(found["seeds"]) == json.loads(out)["seeds"]["train"]
    made = Artifact.open(tmp_path / "s")
    assert made.manifest.summary["partitions"] == found
    assert made.manifest.options["partition_method"] == "stream"
    assert made.verify() == []
    content = made.content
    assert cli(*words, "--force", "-o", tmp_path / "t")[0] == 0
    assert Artifact.open(tmp_path / "t").content == content
    assert "partitions" in json.loads(cli(*words, "--json")[1])

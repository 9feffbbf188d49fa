"""Training around links on records that carry their features touches no feature store."""

import json
import shutil

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.graph import EdgeStore, NodeStore
from gnnctl.sampling.fixed_negatives import with_fixed_negatives
from gnnctl.sampling.links import LinkLoader
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.link_split import LinkOptions, split_links
from gnnctl.splits.link_target import LinkTarget
from gnnctl.training.link_sources import SampledLinkBatches
from gnnctl.training.link_trained import TrainedLinks

CITES, WRITES = EdgeType("paper", "cites", "paper"), EdgeType("person", "writes", "paper")
TRAIN = ["--epochs", "3", "--hidden", "8", "--device", "cpu", "--threads", "1", "--seed", "2", "--quiet"]
SAMPLE = ["--num-neighbors", "4,3", "--batch-size", "32", "--epochs", "2", "--seed", "3", "--quiet"]


def write(folder, *, typed, labelled=False, negatives=5):
    """A graph with features and weights, and a split of its links or of their labels."""
    draw = np.random.default_rng(4)
    types = [CITES, WRITES] if typed else [CITES]
    sizes = {"paper": 60, "person": 30} if typed else {"paper": 60}
    ends = {t: np.stack([draw.integers(0, sizes[e], 240) for e in (t.src, t.dst)]) for t in types}
    bare = Graph.from_coo(sizes, ends)
    nodes = {
        t: NodeStore(n, x=draw.standard_normal((n, 3)).astype(np.float32), feature_names=["a", "b", "c"])
        for t, n in sizes.items()
    }
    edges = {
        t: EdgeStore(e.colptr, e.row, weight=draw.random(e.num_edges).astype(np.float32)) for t, e in bare.edges.items()
    }
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        Graph(nodes, edges).write(writer)
    artifact = Artifact.open(folder / "graph")
    split = split_links(Graph.open(artifact), LinkTarget("link", types), LinkOptions(disjoint=0.3))
    if negatives:
        split = with_fixed_negatives(split, negatives)
    if labelled:
        parts = {n: p._replace(label=(p.src + p.dst) % 2) for n, p in split.parts.items()}
        target = LinkTarget("edge", types, column="kind", problem="multiclass", classes=["even", "odd"], num_outputs=2)
        split = LinkSplit(split.graph, target, parts, codes=split.codes)
    with ArtifactWriter(folder / "split", Recipe("split", "split", 1, {}, [Parent("graph", artifact)])) as writer:
        split.write(writer)
    return folder


def done(result):
    code, out, err = result
    assert code == 0, err
    return out


def curve(path, *names):
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [[json.loads(line).get(name) for name in names] for line in lines]


@pytest.mark.parametrize(("typed", "unit"), [(False, "batch"), (True, "seed")])
def test_links_are_learnt_and_judged_without_the_graphs_features(cli, tmp_path, typed, unit):
    own = write(tmp_path, typed=typed)
    chosen = [*SAMPLE, "--unit", unit, "--negatives", "2"]
    done(cli("sample", own / "split", "-o", own / "reference", *chosen))
    done(cli("sample", own / "split", "-o", own / "packed", *chosen, "--features", "packed", "--shard-size", "1"))
    assert "they are the same" in done(cli("inspect", own / "packed", "--verify", "--resample", "100%"))
    size = ["--batch-size", "32"] if unit == "seed" else []
    done(cli("train", own / "reference", "-o", own / "one", *TRAIN, *size))
    shutil.move(own / "graph" / "nodes", own / "nodes")
    shutil.copytree(own / "nodes", own / "graph" / "nodes", ignore=shutil.ignore_patterns("x"))
    done(cli("train", own / "packed", "-o", own / "two", *TRAIN, *size))
    assert curve(own / "one", "loss") == curve(own / "two", "loss")
    found = Artifact.open(own / "two").json("metrics")
    document = Artifact.open(own / "two").json("model")
    assert (document["scores"], document["links"]["eval_links"]) == ("sampled", 0)
    assert found["val"]["sampled_mrr"] == pytest.approx(Artifact.open(own / "two").manifest.summary["best_value"])
    assert "Metrics of the recorded neighbourhoods" in (own / "two" / "report.html").read_text()
    shutil.rmtree(own / "graph" / "nodes")
    shutil.move(own / "nodes", own / "graph" / "nodes")
    check_against_scores(own, found)
    done(cli("predict", own / "two", "-o", own / "scores", "--quiet"))


def check_against_scores(own, found):
    """Metrics of the split's own fixed negatives, from scores of records without packed features."""
    trained = TrainedLinks.open(Artifact.open(own / "two"))
    records = SubgraphRecords.open(own / "reference")
    for part in ("val", "test"):
        links, fixed = trained.split.part(part), trained.split.negatives[part]
        positive, negative = [], []
        with torch.no_grad():
            for batch in LinkLoader(
                records, trained.split.view(part), links, trained.split.target.edge_types, part=part, batch_size=32
            ):
                scores, n = trained.model(batch), batch.links.num_positives
                positive.append(scores[:n])
                negative.append(scores[n:])
        p, q = torch.cat(positive).numpy(), torch.cat(negative).numpy().reshape(len(links.src), -1)
        assert q.size == len(fixed.src)
        ranks = 1 + (q > p[:, None]).sum(1) + (q == p[:, None]).sum(1) / 2
        truth = np.concatenate([np.ones(len(p)), np.zeros(q.size)])
        every = np.concatenate([p, q.ravel()])
        expected = {
            "sampled_mrr": np.mean(1 / ranks),
            **{f"sampled_hits@{k}": np.mean(ranks <= k) for k in (1, 3, 10)},
            "auroc": roc_auc_score(truth, every),
            "average_precision": average_precision_score(truth, every),
        }
        assert {name: found[part][name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_labels_of_edges_have_the_curve_and_weights_of_the_graphs_features(cli, tmp_path):
    own = write(tmp_path, typed=True, labelled=True, negatives=0)
    for name, more in (("reference", []), ("packed", ["--features", "packed"])):
        done(cli("sample", own / "split", "-o", own / name, *SAMPLE, *more))
    done(cli("train", own / "reference", "-o", own / "one", *TRAIN))
    for path in (own / "graph" / "nodes").glob("*/x"):
        shutil.rmtree(path)
    done(cli("train", own / "packed", "-o", own / "two", *TRAIN))
    names = ("loss", "val_loss", "val_accuracy")
    assert curve(own / "one", *names) == curve(own / "two", *names)
    one, two = (own / name / "weights.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    best = Artifact.open(own / "two").manifest.summary["best_epoch"]
    metrics = Artifact.open(own / "two").json("metrics")
    assert metrics["val"]["accuracy"] == pytest.approx(curve(own / "two", "val_accuracy")[best - 1][0])


def test_without_fixed_negatives_or_of_some_links_nothing_is_trained(cli, tmp_path):
    own = write(tmp_path, typed=False, negatives=0)
    done(cli("sample", own / "split", "-o", own / "packed", *SAMPLE, "--features", "packed"))
    code, _, err = cli("train", own / "packed", "-o", own / "model", *TRAIN)
    assert (code, "--eval-negatives" in err, "links of val" in err) == (2, True, True), err
    code, _, err = cli("train", own / "packed", "-o", own / "model", *TRAIN, "--eval-links", "3")
    assert (code, "--eval-links" in err) == (2, True), err
    assert not (own / "model").exists()


def test_a_second_reading_shuffles_the_records(tmp_path, cli):
    own = write(tmp_path, typed=False)
    one = [*SAMPLE, "--unit", "seed", "--epochs", "1"]
    done(cli("sample", own / "split", "-o", own / "records", *one))
    records = SubgraphRecords.open(own / "records")
    source = SampledLinkBatches(
        records.split, records.description.spec, 32, torch.device("cpu"), records=records, num_threads=0
    )

    def pairs(epoch):
        return [
            [batch.node_id["paper"][end[: batch.num_seeds]].tolist() for end in (batch.links.src, batch.links.dst)]
            for batch in source.train(epoch)
        ]

    first, second = pairs(1), pairs(2)
    assert first == pairs(1)
    assert first != second
    assert sorted(p for b in first for p in zip(*b, strict=True)) == sorted(
        p for b in second for p in zip(*b, strict=True)
    )

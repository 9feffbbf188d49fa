"""Batches of links: the same from every source, on the fly or stored, and without what they are to predict."""

import io
import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sampling_cases import shop_graph, write_link_split
from test_store import Run
from torch_geometric.utils import k_hop_subgraph

from gnnctl.artifacts import ArtifactWriter
from gnnctl.artifacts.manifest import SCHEMAS
from gnnctl.errors import ArtifactError, DataError, UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.join import join, joined_recipe
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.link_produce import LinkProducer, numbers_of
from gnnctl.sampling.link_sampler import LinkSampler, opposites_of
from gnnctl.sampling.links import LinkLoader
from gnnctl.sampling.methods import MethodSpec, open_method
from gnnctl.sampling.plan import RecordPlan, Shard
from gnnctl.sampling.records import from_arrow
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.stream import StreamRecords, write_stream
from gnnctl.splits import Links, LinkSplit, LinkTarget
from gnnctl.splits.link_split import LinkOptions, split_links

BUYS, BACK = EdgeType("user", "buys", "item"), EdgeType("item", "rev_buys", "user")
KNOWS = EdgeType("user", "knows", "user")


class LinkRun(Run):
    """What the stage does with a split of links."""

    def __init__(self, path, unit="batch", method="uniform", form="parquet", batch_size=16, **rules):
        self.split = LinkSplit.open(path)
        self.spec = SampleSpec.uniform(self.split.graph.edge_types, (4, 3), seed=5, **rules)
        self.negatives = LinkNegatives.of(self.split, 3, method=method, seed=5)
        self.plan = RecordPlan(numbers_of(self.split), unit, batch_size, 2, 5)
        self.producer = LinkProducer.of(self.split, self.spec, self.plan, self.negatives)
        self.form = form

    def loader(self, source=None, part="train", epoch=1, **options):
        view = self.split.view(part)
        chosen = {"batch_size": 16, "shuffle_seed": 5 if part == "train" else None, "degrees": True, **options}
        return LinkLoader(
            source or Sampler(view, self.spec),
            view,
            self.split.part(part),
            self.split.target.edge_types,
            self.negatives if part == "train" else self.split.negatives[part],
            opposite=opposites_of(self.split),
            part=part,
            epoch=epoch,
            **chosen,
        )


def arrays(batch):
    """Every array of a batch, by name."""
    links = batch.links
    yield from (("relation", links.relation), ("src", links.src), ("dst", links.dst), ("of", links.negative_of))
    for name in ("x", "node_id", "edge_weight", "edge_attr"):
        for key, value in getattr(batch, name).items():
            yield f"{name} {key}", value
    for key, edges in batch.edge_index.items():
        yield from ((f"colptr {key}", edges.colptr), (f"row {key}", edges.row))
        yield f"degree {key}", torch.stack([v for v in batch.degree[key] if v is not None and v.ndim == 1][:1])


def assert_same(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other) > 1
    for a, b in zip(one, other, strict=True):
        assert (a.node_counts, a.edge_counts, a.num_seeds) == (b.node_counts, b.edge_counts, b.num_seeds)
        assert a.links.num_positives == b.links.num_positives == a.num_seeds
        for (name, x), (_, y) in zip(arrays(a), arrays(b), strict=True):
            assert (x is None) == (y is None), name
            assert x is None or (x.dtype == y.dtype and x.numpy().tobytes() == y.numpy().tobytes()), name


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(link_split_path, threads):
    run = LinkRun(link_split_path)
    assert_same(run.loader(num_threads=0), run.loader(num_threads=threads))


@pytest.mark.parametrize(("unit", "disjoint"), [("batch", False), ("seed", False), ("batch", True), ("seed", True)])
def test_every_source_gives_the_same_bytes(link_split_path, tmp_path, unit, disjoint):
    run = LinkRun(link_split_path, unit, disjoint=disjoint)
    artifact = run.write(tmp_path / "samples")
    assert artifact.verify() == []
    jsonschema.validate(artifact.json("subgraphs"), json.loads((SCHEMAS / "subgraphs.json").read_text()))
    records, sent = SubgraphRecords.open(artifact), io.BytesIO()
    assert write_stream(sent, run.recipe(), records.description, run.producer.records(0, run.plan.records, 2))
    sent.seek(0)
    stream = StreamRecords(sent)
    for part, epoch in (("train", 1), ("train", 2), ("val", 0), ("test", 0)):
        live = list(run.loader(None, part, epoch))
        assert_same(live, run.loader(records, part, epoch, num_threads=2))
        assert_same(live, run.loader(stream, part, epoch))
        assert len(run.loader(records, part, epoch)) == len(live)


def test_shards_and_threads_make_identical_records(link_split_path, tmp_path):
    run = LinkRun(link_split_path)
    whole = run.write(tmp_path / "whole", threads=1)
    assert LinkRun(link_split_path, form="arrow").write(tmp_path / "other", threads=2).content == whole.content
    for i in (1, 2):
        run.write(tmp_path / f"part{i}", Shard(i, 2))
    recipe, shards = joined_recipe([tmp_path / "part2", tmp_path / "part1"])
    with ArtifactWriter(tmp_path / "joined", recipe) as writer:
        join(writer, shards)
    joined = SubgraphRecords.open(tmp_path / "joined")
    assert (joined.artifact.fingerprint, joined.artifact.content) == (whole.fingerprint, whole.content)
    for part in ("train", "val"):
        [one] = list(SubgraphRecords.open(whole).blocks(part, int(part == "train")))
        [other] = list(joined.blocks(part, int(part == "train")))
        for i in range(len(one)):
            assert one.columns.subgraph(i).same_as(other.columns.subgraph(i))


def test_records_say_which_link_each_seed_is_of(link_split_path, tmp_path):
    run = LinkRun(link_split_path)
    batch = next(iter(run.producer.records(0, 1, 0))).batch
    [seeds], [relation] = batch.column("seeds").to_pylist(), batch.column("relation").to_pylist()
    assert [s["role"] for s in seeds[:8]] == ["src", "dst"] + ["negative"] * 6
    assert [s["group"] for s in seeds] == np.repeat(np.arange(16), 8).tolist()
    for group in range(16):
        t = run.split.target.edge_types[relation[group]]
        assert [s["type"] for s in seeds[8 * group : 8 * group + 8]] == [t.src, t.dst] * 4
    assert batch.column("labels").null_count == 1


@pytest.mark.parametrize("disjoint", [False, True])
def test_a_batch_holds_its_links(link_split_path, disjoint):
    run, seen = LinkRun(link_split_path, disjoint=disjoint), []
    types = run.split.target.edge_types
    for batch in run.loader():
        links, rows = batch.links, []
        for relation, src, dst in zip(*(v.tolist() for v in (links.relation, links.src, links.dst)), strict=True):
            t = types[relation]
            rows.append((relation, int(batch.node_id[t.src][src]), int(batch.node_id[t.dst][dst])))
        seen += rows[: links.num_positives]
        for (relation, src, dst), of in zip(rows[links.num_positives :], links.negative_of.tolist(), strict=True):
            positive = rows[of]
            assert relation == positive[0]
            assert src == positive[1] or dst == positive[2]
        assert batch.y is None
    part = run.split.part("train")
    assert sorted(seen) == sorted(zip(part.relation.tolist(), part.src.tolist(), part.dst.tolist(), strict=True))


@pytest.mark.parametrize("part", ["train", "val", "test"])
@pytest.mark.parametrize("disjoint", [False, True])
def test_no_batch_has_an_edge_it_predicts(link_split_path, part, disjoint):
    run, links = LinkRun(link_split_path, disjoint=disjoint), None
    links = run.split.part(part)
    forbidden = {t: set() for t in run.split.graph.edge_types}
    for relation, src, dst in zip(links.relation.tolist(), links.src.tolist(), links.dst.tolist(), strict=True):
        if relation == 0:
            forbidden[BUYS].add((src, dst))
            forbidden[BACK].add((dst, src))
        else:
            forbidden[KNOWS] |= {(src, dst), (dst, src)}
    spec = replace(run.spec, num_neighbors=dict.fromkeys(run.split.graph.edge_types, (-1, -1)))
    met = 0
    for batch in run.loader(Sampler(run.split.view(part), spec), part, int(part == "train")):
        for t, edges in batch.edge_index.items():
            col = np.repeat(np.arange(edges.num_dst), np.diff(edges.colptr.numpy()))
            src, dst = batch.node_id[t.src].numpy()[edges.row.numpy()], batch.node_id[t.dst].numpy()[col]
            pairs = set(zip(src.tolist(), dst.tolist(), strict=True))
            met += len(pairs)
            assert not pairs & forbidden[t]
    assert met


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([0.2, 0.6]), st.sampled_from(["val", "train"]))
def test_views_hide_links_and_their_reverses_in_any_graph(seed, disjoint, sees):
    rng = np.random.default_rng(seed)
    graph = shop_graph(int(rng.integers(8, 25)), int(rng.integers(6, 20)), seed)
    types = [BUYS, KNOWS] if rng.random() < 0.6 else [KNOWS]
    try:
        split = split_links(graph, LinkTarget("link", types), LinkOptions(disjoint=disjoint, test_sees=sees, seed=seed))
    except DataError:  # a part that a graph as small as this leaves empty
        reject()
    for part in ("train", "val", "test"):
        view, links = split.view(part), split.part(part)
        forbidden = {t: set() for t in graph.edge_types}
        for relation, src, dst in zip(links.relation.tolist(), links.src.tolist(), links.dst.tolist(), strict=True):
            forbidden[types[relation]].add((src, dst))
            forbidden[BACK if types[relation] == BUYS else KNOWS].add((dst, src))
        spec = SampleSpec.uniform(graph.edge_types, (-1, -1))
        for batch in LinkLoader(Sampler(view, spec), view, links, types, batch_size=50):
            for t, edges in batch.edge_index.items():
                col = np.repeat(np.arange(edges.num_dst), np.diff(edges.colptr.numpy()))
                src, dst = batch.node_id[t.src].numpy()[edges.row.numpy()], batch.node_id[t.dst].numpy()[col]
                assert not set(zip(src.tolist(), dst.tolist(), strict=True)) & forbidden[t]


def test_trees_hide_links_that_are_messages_too(tmp_path):
    run = LinkRun(write_link_split(tmp_path, disjoint=0.0), disjoint=True)
    view = run.split.view("train")
    hidden = shown = 0
    for batch in run.loader(Sampler(view, replace(run.spec, num_neighbors=dict.fromkeys(view.edge_types, (-1, -1))))):
        links = batch.links
        buys = np.flatnonzero(links.relation[: links.num_positives].numpy() == 0)
        edges = batch.edge_index[BUYS]
        for i in buys:
            src, dst = int(links.src[i]), int(links.dst[i])
            into = edges.row[edges.colptr[dst] : edges.colptr[dst + 1]].tolist()
            assert src not in into
            hidden += 1
            shown += len(into)
    assert hidden > 50
    assert shown > 0


def test_trees_of_links_in_time_see_what_came_before(tmp_path):
    split = LinkSplit.open(write_link_split(tmp_path, predicted=("user buys item",), disjoint=0.0, times=True))
    view, links = split.view("train"), split.part("train")
    spec = SampleSpec.uniform(view.edge_types, (-1, -1), disjoint=True, time="before", seed=1)
    negatives = LinkNegatives.of(split, 2)
    edges = 0
    found = LinkSampler(Sampler(view, spec), links, split.target.edge_types, negatives).sample(np.arange(30), "", 1)
    assert np.array_equal(found.links.times, links.time[:30])
    for t in (BUYS, BACK):
        e = found.edges[t]
        limit = links.time[:30][found.node_group[t.dst][e.col()]]
        assert np.all(view.edges[t].time[e.pos] < limit)
        edges += len(e.row)
    assert edges > 100


@pytest.mark.parametrize("seed", [0, 1])
def test_all_neighbours_are_those_of_the_peer(seed):
    rng = np.random.default_rng(seed)
    edges = np.unique(rng.integers(0, 60, (2, 150)), axis=1)
    graph = Graph.from_coo(60, edges)
    [t] = graph.edge_types
    pairs = edges[:, rng.permutation(edges.shape[1])[:24]]
    links = Links(np.zeros(24, np.int64), pairs[0], pairs[1], np.full(24, -1))
    batches = list(LinkLoader(Sampler(graph, SampleSpec({t: (-1, -1)})), graph, links, [t], batch_size=8))
    for i, batch in enumerate(batches):
        ends = torch.from_numpy(pairs[:, 8 * i : 8 * i + 8])
        near, _, _, _ = k_hop_subgraph(ends.unique(), 1, torch.from_numpy(edges), num_nodes=60)
        reached, among, _, _ = k_hop_subgraph(ends.unique(), 2, torch.from_numpy(edges), num_nodes=60)
        rows, e = batch.node_id["node"], batch.edge_index[t]
        assert sorted(rows.tolist()) == reached.tolist()
        col = np.repeat(np.arange(e.num_dst), np.diff(e.colptr))
        mine = torch.stack([rows[e.row.long()], rows[col]])
        wanted = among[:, torch.isin(among[1], near)]  # the last hop's nodes need no messages
        assert sorted(map(tuple, mine.T.tolist())) == sorted(map(tuple, wanted.T.tolist()))
        assert torch.equal(torch.stack([rows[batch.links.src], rows[batch.links.dst]]), ends)
    assert len(batches) == 3


@pytest.mark.parametrize("name", ["shadow", "cluster", "hgt"])
def test_other_samplers_take_links_of_one_node_type(name):
    graph = shop_graph()
    spec = MethodSpec.parse(name, 1)
    store = graph.edges[KNOWS]
    dst = np.repeat(np.arange(60), np.diff(store.colptr))
    links = Links(np.zeros(len(dst), np.int64), store.row.astype(np.int64), dst, np.arange(len(dst)))
    negatives = LinkNegatives(graph, [KNOWS], per_positive=1)
    for batch in LinkLoader(open_method(graph, spec), graph, links, [KNOWS], negatives, batch_size=40, shuffle_seed=1):
        own = batch.links
        src, dst = (batch.node_id["user"][ends[: own.num_positives]].numpy() for ends in (own.src, own.dst))
        assert set(zip(src.tolist(), dst.tolist(), strict=True)) <= set(
            zip(links.src.tolist(), links.dst.tolist(), strict=True)
        )


def test_in_batch_negatives_are_ends_of_the_batch(link_split_path):
    run = LinkRun(link_split_path, method="in-batch")
    for batch in run.loader():
        links = batch.links
        n = links.num_positives
        for relation in (0, 1):
            mine = links.relation == relation
            ends = [set(end[:n][mine[:n]].tolist()) for end in (links.src, links.dst)]
            assert set(links.src[n:][mine[n:]].tolist()) <= ends[0]
            assert set(links.dst[n:][mine[n:]].tolist()) <= ends[1]
    with pytest.raises(UsageError, match="in-batch negatives depend on the batch"):
        LinkRun(link_split_path, "seed", method="in-batch")


def test_labels_come_with_their_links():
    graph = shop_graph()
    store = graph.edges[BUYS]
    dst = np.repeat(np.arange(40), np.diff(store.colptr))
    src, label = store.row.astype(np.int64), np.arange(len(dst)) % 3
    links = Links(np.zeros(len(dst), np.int64), src, dst, np.arange(len(dst)), None, label)
    known = dict(zip(zip(src.tolist(), dst.tolist(), strict=True), label.tolist(), strict=True))
    spec = SampleSpec.uniform(graph.edge_types, (3,))
    for options in ({}, {"balanced": True}):
        for batch in LinkLoader(Sampler(graph, spec), graph, links, [BUYS], batch_size=30, shuffle_seed=2, **options):
            ends = (batch.node_id["user"][batch.links.src], batch.node_id["item"][batch.links.dst])
            assert batch.y.tolist() == [known[pair] for pair in zip(*(e.tolist() for e in ends), strict=True)]
            assert batch.links.negative_of is None
            if options and len(batch.y) == 30:
                assert np.bincount(batch.y).tolist() == [10, 10, 10]


def test_damaged_records_of_links_are_refused(link_split_path, tmp_path):
    import pyarrow as pa

    run = LinkRun(link_split_path)
    batch = next(iter(run.producer.records(0, 1, 0))).batch
    layout, graph = run.producer.layout, run.split.view("train")
    assert from_arrow(batch, layout, None, graph, "file").columns.link_batch() is not None
    seeds = batch.column("seeds").to_pylist()[0]

    def changed(at, name, value):
        bad = [dict(seed) for seed in seeds]
        bad[at][name] = value
        columns = [pa.array([bad], f.type) if f.name == "seeds" else batch.column(f.name) for f in batch.schema]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    other = (seeds[0]["node"] + 1) % 40
    for at, name, value, message in [
        (0, "role", "negative", "roles or types"),
        (0, "type", "item" if seeds[0]["type"] == "user" else "user", "roles or types"),
        (0, "node", other, "the ends of links are not the first nodes"),
        (1, "group", 1, "of different groups"),
    ]:
        with pytest.raises(ArtifactError, match=message):
            from_arrow(changed(at, name, value), layout, None, graph, "file")
    for relation, message in (([9] * 16, "a link has no relation"), ([0] * 15, "a group has no link")):
        columns = [pa.array([relation], f.type) if f.name == "relation" else batch.column(f.name) for f in batch.schema]
        with pytest.raises(ArtifactError, match=message):
            from_arrow(pa.RecordBatch.from_arrays(columns, schema=batch.schema), layout, None, graph, "file")

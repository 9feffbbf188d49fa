"""Samples around links: against the written contract, and what their trees must not see."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sampling_cases import rich_cases, rich_graph
from sampling_reference import link_word, sample_many

from gnnctl.errors import DataError, UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.link_columns import LinkLayout
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.link_sampler import LinkSampler, opposites
from gnnctl.sampling.merge import merge
from gnnctl.sampling.methods import MethodSpec, open_method
from gnnctl.sampling.records import Block, from_arrow, record_digests, to_arrow
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits import Links

few = settings(deadline=None, max_examples=60)


def ends_of(graph, edge_type):
    store = graph.edges[edge_type]
    return store.row.astype(np.int64), np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))


def links_of(graph, edge_types, time=None):
    """Every edge of some types as a link."""
    ends = [ends_of(graph, t) for t in edge_types]
    counts = [len(src) for src, _ in ends]
    return Links(
        np.repeat(np.arange(len(edge_types)), counts),
        np.concatenate([src for src, _ in ends]),
        np.concatenate([dst for _, dst in ends]),
        np.concatenate([np.arange(count) for count in counts]),
        time,
    )


@st.composite
def link_cases(draw, disjoint=None):
    """(sampler of links with negatives, numbers of a batch, epoch)"""
    graph, spec, _, _, epoch, _ = draw(rich_cases())
    filled = [t for t in graph.edge_types if graph.edges[t].num_edges]
    assume(filled)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    types = [t for t in filled if rng.random() < 0.6] or filled[:1]
    spec = replace(spec, replace=spec.replace and not spec.disjoint)
    if disjoint is not None and spec.disjoint != disjoint:
        spec = replace(spec, disjoint=disjoint, time=None, draw="uniform", replace=False)
    count = sum(graph.edges[t].num_edges for t in types)
    links = links_of(graph, types, rng.integers(-6, 16, count) if spec.time or rng.random() < 0.5 else None)
    negatives = LinkNegatives(
        graph,
        types,
        per_positive=int(rng.integers(0, 4)),
        corrupt=str(rng.choice(["src", "dst", "both", "either"])),
        seed=3,
    )
    opposite = {t: [u for u in graph.edge_types if (u.src, u.dst) == (t.dst, t.src)][:1] for t in types}
    sampler = LinkSampler(Sampler(graph, spec), links, types, negatives, opposite=opposite)
    return sampler, rng.permutation(count)[: int(rng.integers(1, 9))], epoch, opposite


def seeds_of(links):
    """(type, row, group) of every end, first mention first."""
    t = links.edge_types
    for src, dst, group in zip(links.src.tolist(), links.dst.tolist(), links.group.tolist(), strict=True):
        yield t[links.relation[group]].src, src, group
        yield t[links.relation[group]].dst, dst, group


@few
@given(link_cases())
def test_a_sample_around_links_repeats_the_written_contract(case):
    sampler, numbers, epoch, opposite = case
    spec, graph = sampler._method.spec, sampler.graph
    found = sampler.sample(numbers, "", epoch)
    links = found.links
    firsts = [links.group.tolist().index(g) for g in range(len(links.relation))]
    ends = [(links.edge_types[links.relation[g]], int(links.src[i]), int(links.dst[i])) for g, i in enumerate(firsts)]
    hidden = {(t, g, src, dst) for g, (t, src, dst) in enumerate(ends)}
    hidden |= {(u, g, dst, src) for g, (t, src, dst) in enumerate(ends) for u in opposite[t]}
    times = links.times if spec.time is not None else None
    nodes, edges = sample_many(
        graph, spec, list(seeds_of(links)), epoch, ("link", [link_word(*e) for e in ends]), times,
        hidden if spec.disjoint else (),
    )  # fmt: skip
    for t in graph.node_types:
        assert found.nodes[t].tolist() == [n[0] for n in nodes[t]]
        assert found.node_hops(t).tolist() == [n[1] for n in nodes[t]]
        if spec.disjoint:
            assert found.node_group[t].tolist() == [n[2] for n in nodes[t]]
    for t in graph.edge_types:
        e = found.edges[t]
        assert list(zip(e.row.tolist(), e.col().tolist(), e.pos.tolist(), strict=True)) == edges[t]


@few
@given(link_cases(disjoint=True))
def test_no_tree_sees_its_own_link(case):
    sampler, numbers, epoch, opposite = case
    found = sampler.sample(numbers, "", epoch)
    links = found.links
    for g in range(len(links.relation)):
        first = links.group.tolist().index(g)
        t, src, dst = links.edge_types[links.relation[g]], links.src[first], links.dst[first]
        for u, a, b in [(t, src, dst), *((u, dst, src) for u in opposite[t])]:
            e = found.edges[u]
            rows, cols = found.nodes[u.src][e.row], found.nodes[u.dst][e.col()]
            inside = (found.node_group[u.dst][e.col()] == g) & (found.node_hops(u.dst)[e.col()] == 0)
            assert not np.any(inside & (rows == a) & (cols == b))


@few
@given(link_cases(disjoint=True))
def test_trees_do_not_depend_on_the_links_beside_them(case):
    sampler, numbers, epoch, _ = case
    whole = sampler.sample(numbers, "", epoch)
    for g, number in enumerate(numbers):
        alone = sampler.sample(np.array([number]), "", epoch)
        for t in sampler.graph.node_types:
            mine = whole.node_group[t] == g
            assert np.array_equal(whole.nodes[t][mine], alone.nodes[t])
        for t in sampler.graph.edge_types:
            mine = whole.node_group[t.dst][whole.edges[t].col()] == g
            assert np.array_equal(whole.edges[t].pos[mine], alone.edges[t].pos)


@few
@given(link_cases(disjoint=False), st.randoms())
def test_joint_samples_are_of_the_set_of_links(case, random):
    sampler, numbers, epoch, _ = case
    shuffled = numbers.copy()
    random.shuffle(shuffled)
    one, other = sampler.sample(numbers, "", epoch), sampler.sample(shuffled, "", epoch)
    for t in sampler.graph.node_types:
        assert sorted(one.nodes[t]) == sorted(other.nodes[t])
    for t in sampler.graph.edge_types:
        assert sorted(one.edges[t].pos) == sorted(other.edges[t].pos)
    pairs = [sorted(zip(s.links.src.tolist(), s.links.dst.tolist(), strict=True)) for s in (one, other)]
    assert pairs[0] == pairs[1]


@few
@given(link_cases())
def test_records_of_single_links_merge(case):
    sampler, numbers, epoch, _ = case
    spec = sampler._method.spec
    assume(spec.merge_law_holds)
    records = [sampler.sample(np.array([number]), "", epoch) for number in numbers]
    assert merge(records, sampler.graph, spec).same_as(sampler.sample(numbers, "", epoch))


@few
@given(link_cases())
def test_every_end_is_where_the_links_say(case):
    sampler, numbers, epoch, _ = case
    found = sampler.sample(numbers, "", epoch)
    links, ends = found.links, found.links.ends()
    assert {t: int(c[0]) for t, c in found.node_counts.items() if c[0]} == {
        t: len(rows) for t, rows in ends.rows.items() if len(rows)
    }
    for (t, row, group), local in zip(seeds_of(links), ends.local.ravel().tolist(), strict=True):
        assert found.nodes[t][local] == row
        if links.disjoint:
            assert found.node_group[t][local] == group


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32), st.sampled_from(["uniform", "degree", "in-batch"]), st.sampled_from(["dst", "src", "either"])
)
def test_negatives_are_no_known_edges(seed, method, corrupt):
    rng = np.random.default_rng(seed)
    graph = rich_graph(rng, 2, 3, most_edges=60)
    types = [t for t in graph.edge_types if graph.edges[t].num_edges]
    assume(types)
    links = links_of(graph, types)
    drawn = LinkNegatives(graph, types, per_positive=3, method=method, corrupt=corrupt, seed=seed)
    sampler = LinkSampler(Sampler(graph, SampleSpec.uniform(graph.edge_types, (2,))), links, types, drawn)
    numbers = rng.permutation(len(links.src))[:20]
    groups = sampler.links_of(numbers, 1)
    relation = groups.relation[groups.group]
    known = {
        (r, s, d) for r, t in enumerate(types) for s, d in zip(*(e.tolist() for e in ends_of(graph, t)), strict=True)
    }
    for r, s, d, positive in zip(
        relation.tolist(), groups.src.tolist(), groups.dst.tolist(), groups.positive, strict=True
    ):
        assert ((r, s, d) in known) == positive
    if method != "in-batch":
        one = sampler.links_of(numbers[:1], 1)
        first = groups.group == 0
        assert np.array_equal(one.src, groups.src[first])
        assert np.array_equal(one.dst, groups.dst[first])


def test_degrees_that_weigh_are_those_of_the_view():
    edges = np.array([[0, 1, 2, 3, 4], [5, 5, 5, 5, 6]])
    whole, view = Graph.from_coo(10, edges), Graph.from_coo(10, edges[:, 4:])
    [t] = whole.edge_types
    links = links_of(whole, [t])
    for exclude, graph, allowed in ((False, view, {6}), (False, None, {5, 6})):
        drawn = LinkNegatives(whole, [t], view=graph, per_positive=20, method="degree", exclude=exclude)
        found = drawn.draw(links.relation, links.src, links.dst, 1)
        assert set(found.dst.tolist()) == allowed


def test_opposites_are_generated_reverses_and_undirected_types():
    buys, back, knows = EdgeType("u", "buys", "i"), EdgeType("i", "rev_buys", "u"), EdgeType("u", "knows", "u")
    graph = Graph.from_coo({"u": 3, "i": 3}, {buys: [[0, 1], [1, 2]], back: [[1, 2], [0, 1]], knows: [[0, 1], [1, 0]]})
    assert opposites(graph, buys) == []  # a namesake is no generated reverse
    edges = dict(graph.edges)
    edges[back] = replace(edges[back], forward=np.array([0, 1]))
    edges[knows] = replace(edges[knows], undirected=True)
    graph = Graph(graph.nodes, edges)
    assert opposites(graph, buys) == [back]
    assert opposites(graph, back) == [buys]
    assert opposites(graph, knows) == [knows]


def test_what_cannot_be_is_refused():
    buys = EdgeType("u", "buys", "i")
    graph = Graph.from_coo({"u": 3, "i": 3}, {buys: [[0, 1], [1, 2]]})
    links = links_of(graph, [buys])
    spec = SampleSpec.uniform([buys], (2,), disjoint=True)
    with pytest.raises(UsageError, match="--replace: the tree of a link could not hide it"):
        LinkSampler(Sampler(graph, replace(spec, replace=True)), links, [buys])
    with pytest.raises(UsageError, match="--subgraph induced"):
        LinkSampler(Sampler(graph, replace(spec, subgraph="induced")), links, [buys])
    with pytest.raises(UsageError, match="one node type"):
        LinkSampler(open_method(graph, MethodSpec.parse("hgt")), links, [buys])
    with pytest.raises(ValueError, match="3 are not as many for each of 2 links"):
        LinkSampler(Sampler(graph, spec), links, [buys], Links(*np.zeros((4, 3), np.int64)))
    timed = Graph.from_coo({"u": 3, "i": 3}, {buys: [[0, 1], [1, 2]]}, edge_time={buys: np.array([1, 2])})
    with pytest.raises(DataError, match="the links have no time"):
        LinkSampler(Sampler(timed, replace(spec, time="before")), links, [buys])
    with pytest.raises(ValueError, match="per_positive: expected 0 or more"):
        LinkNegatives(graph, [buys], per_positive=-1)
    with pytest.raises(ValueError, match="corrupt: expected dst"):
        LinkNegatives(graph, [buys], corrupt="neither")


@few
@given(link_cases())
def test_records_of_links_are_read_as_they_were_written(case):
    sampler, numbers, epoch, _ = case
    assume(len(numbers) > 4)  # a record without links has no times to tell
    spec, graph = sampler._method.spec, sampler.graph
    subgraphs = [sampler.sample(part, "", epoch) for part in (numbers[:3], numbers[3:4], numbers[4:])]
    links = LinkLayout(sampler.edge_types, sampler.disjoint)
    layout = Layout.of(graph, spec.hops, sampler.edge_types[0].src, spec.disjoint, time=spec.time, links=links)
    assert Layout.from_json(layout.to_json()) == layout
    block = Block(RecordColumns.of(subgraphs, layout), 0, "train", 1, np.arange(len(numbers)))
    read = from_arrow(to_arrow(block), layout, "int64", graph, "test")
    assert record_digests(read) == record_digests(block)
    halves = Block.joined([read.rows(0, 1), read.rows(1, 3)])
    for i, subgraph in enumerate(subgraphs):
        assert read.columns.subgraph(i).same_as(subgraph)
        assert halves.columns.subgraph(i).same_as(subgraph)
        assert len(halves.labels_of(i)) == len(subgraph.links.relation)
    assert np.concatenate([halves.labels_of(i) for i in range(3)]).tolist() == list(range(len(numbers)))


@few
@given(link_cases(disjoint=False), st.sampled_from(["induced", "bidirectional"]))
def test_widened_samples_keep_the_ends_first(case, wide):
    sampler, numbers, epoch, _ = case
    graph, spec = sampler.graph, replace(sampler._method.spec, subgraph=wide, replace=False)
    widened = LinkSampler(Sampler(graph, spec), sampler.links, sampler.edge_types, sampler._negatives)
    plain = LinkSampler(Sampler(graph, replace(spec, subgraph="directional")), sampler.links, sampler.edge_types,
                        sampler._negatives).sample(numbers, "", epoch)  # fmt: skip
    found = widened.sample(numbers, "", epoch)
    for t in graph.node_types:
        assert np.array_equal(found.nodes[t], plain.nodes[t])
        assert found.node_counts[t][0] == plain.node_counts[t][0]
    for t in graph.edge_types:
        assert set(plain.edges[t].pos.tolist()) <= set(found.edges[t].pos.tolist()) or spec.hops == 1
        if wide == "induced":
            src, dst = ends_of(graph, t)
            into = found.nodes[t.dst] if spec.hops > 1 else found.nodes[t.dst][: found.node_counts[t.dst][0]]
            among = np.flatnonzero(np.isin(src, found.nodes[t.src]) & np.isin(dst, into))
            assert sorted(found.edges[t].pos.tolist()) == among.tolist()

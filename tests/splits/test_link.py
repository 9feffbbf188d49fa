"""What must hold of every split of links, however it was made."""

import numpy as np
import pytest
from hypothesis import assume, currently_in_test_context, given, settings
from hypothesis import strategies as st
from shop_links import BOUGHT, BUYS, KNOWS, REV_BUYS, SEES, shop

from gnnctl.artifacts import Artifact, ArtifactWriter, Recipe
from gnnctl.errors import ArtifactError, DataError, UsageError
from gnnctl.splits import (
    PARTS,
    By,
    Fractions,
    LinkOptions,
    LinkSplit,
    Moving,
    NodeSplit,
    find_edge_target,
    find_link_target,
    open_split,
    split_links,
)
from gnnctl.splits.by import by_hash
from gnnctl.splits.keyed import keyed_hashes
from gnnctl.splits.link_groups import ends_of

SHARES = Fractions(0.25, 0.25)
MANY = settings(max_examples=60, deadline=None)
FEW = settings(max_examples=25, deadline=None)

WAYS = st.sampled_from([By(), By("time"), By("column", "split"), By("inductive"), By("inductive", "user")])
SEEDS = st.integers(0, 400)


def target_of(graph, task):
    if task == "edge":
        return find_edge_target(graph, "user buys item.rate")
    return find_link_target(graph, [str(BUYS), str(KNOWS), str(SEES)], [BOUGHT])


def split(graph, task="link", **options):
    options.setdefault("reverses", {BUYS: [BOUGHT]})
    options.setdefault("fractions", SHARES)
    try:
        return split_links(graph, target_of(graph, task), LinkOptions(**options))
    except DataError as error:
        if currently_in_test_context():
            assume("has no links" not in str(error))
        raise


def pairs(graph, edge_type):
    return list(zip(*(end.tolist() for end in ends_of(graph, edge_type)), strict=True))


def faces(view):
    """By predicted type every link that any edge of a view gives away, written source first."""
    undirected = {(a, b) for a, b in pairs(view, KNOWS)}
    return {
        BUYS: {*pairs(view, BUYS), *((a, b) for t in (REV_BUYS, BOUGHT) for b, a in pairs(view, t))},
        KNOWS: undirected | {(b, a) for a, b in undirected},
        SEES: set(pairs(view, SEES)),
    }


def links_of(made, name):
    """By type the pairs of a part."""
    part = made.part(name)
    return {
        t: list(zip(part.src[part.relation == i].tolist(), part.dst[part.relation == i].tolist(), strict=True))
        for i, t in enumerate(made.target.edge_types)
    }


@MANY
@given(seed=SEEDS, by=WAYS, disjoint=st.sampled_from([0.0, 0.5]), sees=st.sampled_from(["val", "train"]))
@pytest.mark.parametrize("task", ["link", "edge"])
def test_no_view_gives_away_what_its_part_predicts(task, seed, by, disjoint, sees):
    made = split(shop(seed), task, by=by, disjoint=disjoint, test_sees=sees, seed=seed)
    for name in PARTS[0 if disjoint else 1 :]:
        shown = faces(made.view(name))
        for t, found in links_of(made, name).items():
            assert not shown[t] & set(found), (name, t)
    # and what is not yet judged is not seen before
    for earlier, later in (("train", "val"), ("train", "test"), ("val", "test")):
        shown = faces(made.view(earlier))
        for t, found in links_of(made, later).items():
            assert not shown[t] & set(found), (earlier, later, t)


@MANY
@given(seed=SEEDS, by=WAYS, disjoint=st.sampled_from([0.0, 0.5]))
@pytest.mark.parametrize("task", ["link", "edge"])
def test_no_link_is_in_two_parts(task, seed, by, disjoint):
    made = split(shop(seed), task, by=by, disjoint=disjoint, seed=seed)
    for i, t in enumerate(made.target.edge_types):
        found = []
        for name in PARTS:
            each = links_of(made, name)[t]
            found.append({tuple(sorted(p)) for p in each} if t == KNOWS else set(each))
            if task == "link":
                assert len(found[-1]) == len(each), "a link is listed once"
        assert sum(map(len, found)) == len(set.union(*found))
        for name in PARTS:
            links = made.part(name).take(made.part(name).relation == i)
            assert (np.diff(links.pos) > 0).all()
            src, dst = ends_of(made.graph, t)
            np.testing.assert_array_equal(src[links.pos], links.src)
            np.testing.assert_array_equal(dst[links.pos], links.dst)


@FEW
@given(seed=SEEDS, by=WAYS)
def test_every_edge_is_accounted_for(seed, by):
    graph = shop(seed)
    made = split(graph, "edge", by=by, seed=seed, disjoint=0.3, repeats="drop")
    assert sum(links.size for links in made.parts.values()) + sum(made.counts.values()) == graph.edges[BUYS].num_edges


@FEW
@given(seed=SEEDS, by=WAYS, task=st.sampled_from(["link", "edge"]), shuffle=st.integers(0, 9))
def test_the_order_of_the_tables_does_not_matter(seed, by, task, shuffle):
    made = [
        split(shop(seed, order=order), task, by=by, seed=seed, disjoint=0.4)
        for order in (None, np.random.default_rng(shuffle))
    ]
    for name in PARTS:
        for one, other in zip(made[0].part(name), made[1].part(name), strict=True):
            np.testing.assert_array_equal(one, other)
    assert made[0].codes.keys() == made[1].codes.keys()
    for t, codes in made[0].codes.items():
        np.testing.assert_array_equal(codes, made[1].codes[t])


@FEW
@given(seed=SEEDS, by=st.sampled_from([By("inductive"), By("inductive", "user")]), support=st.sampled_from([0.0, 0.5]))
def test_inductive_training_knows_no_unseen_node(seed, by, support):
    graph = shop(seed, users=30, items=30, edges=120)
    made = split(graph, by=by, seed=seed, support=support)
    chosen = ["user", "item"] if by.column is None else ["user"]
    parts = {name: by_hash(keyed_hashes(graph.nodes[name].ids, seed, "id"), SHARES) for name in chosen}
    parts = {name: parts.get(name, np.zeros(graph.num_nodes(name), np.int8)) for name in graph.node_types}
    for number, name in enumerate(PARTS):
        for t in graph.edge_types:
            src, dst = ends_of(made.view(name), t)
            assert max(parts[t.src][src].max(initial=0), parts[t.dst][dst].max(initial=0)) <= number
        links = made.part(name)
        for i, t in enumerate(made.target.edge_types):
            mine = links.take(links.relation == i)
            last = np.maximum(parts[t.src][mine.src], parts[t.dst][mine.dst])
            assert (last == number).all()
    if support:
        src, dst = ends_of(made.view("test"), BUYS)
        assert made.counts["message_only"] > 0
        assert (np.maximum(parts["user"][src], parts["item"][dst]) == 2).any()


@FEW
@given(seed=SEEDS, gap=st.integers(0, 4), repeats=st.sampled_from(["drop", "keep"]), by=st.sampled_from(["time"]))
def test_no_view_holds_what_comes_later(seed, gap, repeats, by):
    graph = shop(seed, edges=150)
    made = split(graph, by=By(by), moving=Moving(gap=gap), repeats=repeats, reverses={})
    first = {name: int(made.part(name).time.min()) for name in PARTS}
    last = {name: int(made.part(name).time.max()) for name in PARTS}
    assert last["train"] + gap < first["val"]
    assert last["val"] + gap < first["test"]
    for name in ("val", "test"):
        for store in made.view(name).edges.values():
            assert (store.time < first[name]).all()
    for store in made.view("train").edges.values():
        assert (store.time < first["val"] - gap).all()


def test_a_link_that_comes_again_counts_once_or_each_time():
    graph = shop(3, edges=200)
    once = split(graph, by=By("time"), reverses={})
    each = split(graph, by=By("time"), reverses={}, repeats="keep")
    crossing = set(links_of(each, "train")[BUYS]) & set(links_of(each, "test")[BUYS])
    assert crossing
    assert not set(links_of(once, "train")[BUYS]) & set(links_of(once, "test")[BUYS])
    assert any("come again in a later part" in text for text in once.warnings)
    assert not any("come again" in text for text in each.warnings)


@FEW
@given(seed=SEEDS)
def test_links_added_later_move_nobody(seed):
    before, after = shop(seed, edges=60), shop(seed, edges=60)
    src, dst = ends_of(after, BUYS)
    more = np.random.default_rng(seed).integers(0, 9, (2, 40))
    added = {t: np.stack(ends_of(after, t)) for t in (KNOWS, SEES, BOUGHT)}
    added[BUYS] = np.concatenate([np.stack([src, dst]), more], 1)
    ids = {name: after.nodes[name].ids for name in after.node_types}
    grown = type(after).from_coo({"user": 12, "item": 9}, added, ids=ids)
    target = find_link_target(before, [str(BUYS)])
    made = [split_links(g, target, LinkOptions(fractions=SHARES, seed=seed)) for g in (before, grown)]
    for name in PARTS:
        assert set(links_of(made[0], name)[BUYS]) <= set(links_of(made[1], name)[BUYS])


@FEW
@given(seed=SEEDS, by=WAYS)
def test_a_view_is_the_graph_without_what_it_hides(seed, by):
    graph = shop(seed)
    made = split(graph, by=by, seed=seed)
    for number, name in enumerate(PARTS):
        view = made.view(name)
        view.check()
        assert view is made.view(name)
        for t, store in view.edges.items():
            codes = made.codes.get(t, np.zeros(graph.edges[t].num_edges, np.int8))
            kept = np.flatnonzero(codes <= number)
            assert pairs(view, t) == [pairs(graph, t)[e] for e in kept]
            np.testing.assert_array_equal(store.time, graph.edges[t].time[kept])
            assert store.columns is None
        back = view.edges[REV_BUYS]
        forward = pairs(view, BUYS)
        assert [forward[e] for e in back.forward] == [(a, b) for b, a in pairs(view, REV_BUYS)]
        np.testing.assert_array_equal(back.time, view.edges[BUYS].time[back.forward])


def test_labels_are_those_of_their_edges():
    graph = shop(1)
    made = split(graph, "edge")
    rates = graph.edges[BUYS].columns["rate"].to_pylist()
    for name in PARTS:
        links = made.part(name)
        assert [made.target.classes[v] for v in links.label] == [rates[e] for e in links.pos]
    assert made.target.problem == "multiclass"
    assert made.counts["without_label"] == sum(r is None for r in rates)


def test_a_given_split_is_exact_where_nothing_is_twice():
    graph = shop(5, users=60, items=60, edges=50)
    made = split(graph, by=By("column", "split"))
    words = graph.edges[BUYS].columns["split"].to_pylist()
    names = {"train": "train", "valid": "val", "test": "test"}
    stated = {p: names[w] for p, w in zip(pairs(graph, BUYS), words, strict=True) if w}
    found = {p: name for name in PARTS for p in links_of(made, name)[BUYS]}
    assert found == stated


def test_both_directions_stand_for_an_undirected_link():
    made = split(shop(2, users=80, edges=400))
    ups = [a < b for name in PARTS for a, b in links_of(made, name)[KNOWS]]
    assert 0.3 < np.mean(ups) < 0.7
    assert len(links_of(made, "train")[KNOWS]) / len(ups) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("task", ["link", "edge"])
@pytest.mark.parametrize("by", [By(), By("time"), By("inductive")], ids=str)
def test_what_is_written_is_read(tmp_path, task, by):
    graph = shop(4, users=30, items=30, edges=200)
    with ArtifactWriter(tmp_path / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    made = split(graph, task, by=by, disjoint=0.3)
    with ArtifactWriter(tmp_path / "split", Recipe("split", "split", 1, {})) as writer:
        made.write(writer)
    read = open_split(tmp_path / "split", type(graph).open(tmp_path / "graph"))
    assert isinstance(read, LinkSplit)
    assert read.target == made.target
    assert read.summary() == made.summary()
    for name in PARTS:
        for one, other in zip(read.part(name), made.part(name), strict=True):
            np.testing.assert_array_equal(one, other)
        for t, store in made.view(name).edges.items():
            np.testing.assert_array_equal(read.view(name).edges[t].row, store.row)
    with pytest.raises(ArtifactError, match="name a split of nodes"):
        NodeSplit.open(Artifact.open(tmp_path / "split"), graph)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "--edge-type is needed"),
        (["user buys shop"], "no such edge type"),
        (["buys"], "no such edge type"),
        (["item rev_buys user"], "generated as the reverse"),
        (["item bought_by user"], "is a reverse"),
        (["all", "user sees user"], "stands for every type"),
    ],
)
def test_an_edge_type_that_cannot_be_predicted(texts, says):
    with pytest.raises(UsageError, match=says):
        find_link_target(shop(), texts, [BOUGHT])


def test_all_is_every_forward_type():
    assert find_link_target(shop(), ["all"], [BOUGHT]).edge_types == [BUYS, KNOWS, SEES]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"by": By("group", "x")}, "is for nodes"),
        ({"disjoint": 1.0}, "--disjoint 1.0"),
        ({"by": By("inductive"), "support": -0.1}, "--support -0.1"),
        ({"support": 0.5}, "--support: not with --by random"),
        ({"moving": Moving(gap=1)}, "--gap and --windows: not with --by random"),
        ({"names": {"x": "val"}}, "--map: not with"),
        ({"repeats": "keep"}, "--repeats: not with"),
        ({"by": By("inductive", "shop")}, "no predicted link has an end of type 'shop'"),
    ],
)
def test_options_that_do_not_go_together(options, says):
    with pytest.raises(UsageError, match=says):
        split(shop(), **options)


def test_no_times_no_split_by_time():
    with pytest.raises(UsageError, match="have no times"):
        split(shop(timed=False), by=By("time"))
    with pytest.raises(DataError, match="keeps no column 'when'"):
        split(shop(), by=By("time", "when"))

"""Each rule of the audit: a planted leak that it finds and names, and a clean split about which it is silent."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from shop_links import BOUGHT, BUYS, shop

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.splits import NodeSplit, Target
from gnnctl.splits.audit import Subject, audit
from gnnctl.splits.by import By, Fractions
from gnnctl.splits.link_split import LinkOptions, split_links
from gnnctl.splits.link_target import LinkTarget
from gnnctl.splits.node import split_nodes

EDGE = EdgeType("node", "to", "node")


def nodes(n=120, *, x=None, label=None, columns=None, time=None, edges=None, edge_time=None, part=None, seed=0):
    """A split of n nodes with random features and labels of two classes, every third of a part."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n) if label is None else label
    x = rng.normal(size=(n, 4)).astype(np.float32) if x is None else x
    part = np.arange(n) % 3 if part is None else part
    table = pa.table({"label": pa.array(label), **(columns or {})})
    edges = np.stack([np.arange(n - 1), np.arange(1, n)]) if edges is None else edges
    ids = {"node": pa.array([f"n{i:03}" for i in range(n)])}
    graph = Graph.from_coo({"node": n}, {EDGE: edges}, x={"node": x}, columns={"node": table}, ids=ids,
                           time=None if time is None else {"node": time},
                           edge_time=None if edge_time is None else {EDGE: edge_time})  # fmt: skip
    target = Target("node", "label", "multiclass", [0, 1], 2)
    parts = {}
    for number, name in enumerate(("train", "val", "test")):
        rows = np.flatnonzero(part == number)
        parts[name] = (rows, label[rows])
    return NodeSplit(graph, target, parts)


def links(**options):
    graph = shop(users=40, items=30, edges=200)
    target = LinkTarget("link", options.pop("edge_types", [BUYS]))
    return split_links(graph, target, LinkOptions(**options))


def outcome(split, rule, **about):
    (found,) = audit(Subject(split, **about), [rule]).outcomes
    return found


def leaks(split, rule, **about):
    """The leaks that a rule finds, as text."""
    return [str(f) for f in outcome(split, rule, **about).findings if f.level == "leak"]


def test_seeds_of_two_parts():
    clean = nodes()
    assert outcome(clean, "overlap").status == "clean"
    rows, labels = clean.part("test")
    train = clean.part("train")
    both = (np.append(rows, train[0][5]), np.append(labels, train[1][5]))
    planted = dataclasses.replace(
        clean, parts={**clean.parts, "test": tuple(np.array(v)[np.argsort(both[0])] for v in both)}
    )
    (found,) = leaks(planted, "overlap")
    assert f"n{train[0][5]:03}" in found


def test_links_that_messages_pass_along():
    clean = links(disjoint=0.3)
    assert not leaks(clean, "reachable")
    assert not leaks(clean, "crossing")
    pos = clean.part("test").pos[:1]
    shown = {t: codes.copy() for t, codes in clean.codes.items()}
    shown[BUYS][pos] = 0
    planted = dataclasses.replace(clean, codes=shown)
    (found, *_) = leaks(planted, "reachable")
    graph, link = clean.graph, clean.part("test").take(np.array([0]))
    assert f"{graph.ids_of('user', link.src)[0]} -> {graph.ids_of('item', link.dst)[0]}" in found


def test_all_training_links_as_messages_are_a_note():
    found = outcome(links(disjoint=0.0), "reachable")
    assert found.status == "note"


def test_a_type_that_says_the_same_backwards():
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 30, (2, 200)), axis=1)
    other = rng.integers(0, 30, (2, 200))
    for says, clean in ((pairs[::-1], False), (other, True)):
        graph = Graph.from_coo({"user": 30, "item": 30}, {BUYS: pairs, BOUGHT: np.ascontiguousarray(says)})
        split = split_links(graph, LinkTarget("link", [BUYS]), LinkOptions(disjoint=0.3))
        found = outcome(split, "inverse")
        assert (found.status == "clean") == clean
        assert clean or str(BOUGHT) in str(found.findings[0])


def test_links_repeated_in_another_part():
    clean = links(disjoint=0.3)
    test, train = clean.part("test"), clean.part("train")
    twice = test._replace(
        **{name: np.append(getattr(test, name), getattr(train, name)[0]) for name in ("relation", "src", "dst", "pos")},
        time=None if test.time is None else np.append(test.time, train.time[0]),
    )
    planted = dataclasses.replace(clean, parts={**clean.parts, "test": twice})
    assert leaks(planted, "crossing")
    assert leaks(planted, "overlap")


def test_links_whose_ends_have_later_edges():
    found = outcome(links(by=By("random")), "future", heeded="before")
    assert found.status == "note"  # heeding is for training: links are scored in the whole view of their part
    assert "split --by time" in found.findings[0].fix
    assert leaks(links(by=By("random")), "future", options={"by": "time"}, heeded="before")
    assert outcome(links(by=By("time")), "future", options={"by": "time"}).status == "clean"


def test_seeds_that_see_the_future():
    time = np.arange(120) * 10
    order = np.sort(np.random.default_rng(0).integers(0, 3, 120))
    backwards = np.stack([np.arange(1, 120), np.arange(119)])  # each node sees the next one
    planted = nodes(time=time, part=order, edges=backwards)
    by = {"by": "time:time"}
    assert leaks(planted, "future", options=by)
    assert not leaks(planted, "future", options=by, heeded="before")
    assert outcome(planted, "future").status == "note"  # a split by chance foretells nothing
    assert outcome(nodes(time=time, part=order), "future", options=by).status == "clean"
    assert outcome(nodes(), "future").status == "not applicable"


def test_groups_in_several_parts():
    group = pa.array([f"g{i // 4}" for i in range(120)])
    planted = nodes(columns={"family": group})
    (found,) = leaks(planted, "groups", groups=("family",))
    assert "'family'" in found
    apart = nodes(columns={"family": group}, part=np.arange(120) // 4 % 3)
    assert outcome(apart, "groups", groups=("family",)).status == "clean"


def test_a_column_that_looks_like_groups_is_a_note():
    label = np.arange(120) // 4 % 2
    likely = nodes(columns={"family": pa.array([f"g{i // 4}" for i in range(120)])}, label=label)
    assert outcome(likely, "groups").status == "note"


def test_duplicate_rows():
    x = np.random.default_rng(1).normal(size=(120, 4)).astype(np.float32)
    label = np.random.default_rng(2).integers(0, 2, 120)
    x[2], label[2] = x[0], label[0]  # a test row is a training row
    (found,) = leaks(nodes(x=x, label=label), "duplicates")
    assert "n002 (test) / n000 (train)" in found
    assert outcome(nodes(), "duplicates").status == "clean"
    assert outcome(nodes(x=np.ones((120, 4), np.float32)), "duplicates").status == "not applicable"


def test_a_feature_that_gives_the_label_away():
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, 120)
    x = rng.normal(size=(120, 4)).astype(np.float32)
    assert outcome(nodes(x=x, label=label), "giveaway").status == "clean"
    x[:, 2] = label * 3 + rng.random(120)
    assert leaks(nodes(x=x, label=label), "giveaway")


def test_rows_in_another_order_give_the_same_findings():
    x = np.random.default_rng(1).normal(size=(120, 4)).astype(np.float32)
    label = np.random.default_rng(2).integers(0, 2, 120)
    x[2], label[2] = x[0], label[0]
    one = audit(Subject(nodes(x=x, label=label)))
    again = audit(Subject(nodes(x=x, label=label)))
    assert one.to_json() == again.to_json()


def test_by_name():
    with pytest.raises(UsageError, match="no such rule"):
        audit(Subject(nodes()), ["group"])
    allowed = audit(Subject(nodes(columns={"f": pa.array(["a"] * 120)}), groups=("f",)), ["groups"], ["groups"])
    assert allowed.outcomes[0].status == "allowed"
    assert not allowed.to_json()["leaks"]


def test_splits_of_ours_are_clean():
    whole = nodes()
    made = split_nodes(whole.graph, whole.target, By(), Fractions(0.1, 0.2))
    assert not [o.rule for o in audit(Subject(made)).outcomes if o.status == "leak"]

"""The vectors of schemas/picks.md, against plain Python and against the native sampler."""

import re
from pathlib import Path

import numpy as np
from sampling_reference import GOLDEN, MASK, absorb, draw, fnv, link_word, mix, permutation, prefix, share, weighted

import gnnctl
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.graph import EdgeStore, NodeStore
from gnnctl.sampling.keys import name_hash
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.trees import HiddenEdges, Trees

TEXT = (Path(gnnctl.__file__).parent / "schemas" / "picks.md").read_text()
VECTORS = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", TEXT.split("## Vectors")[1], re.MULTILINE))
KEY = absorb(0, 7, 3, fnv("paper cites paper"), 42)


def vector(start):
    [found] = [value for name, value in VECTORS.items() if name.startswith(start)]
    return found


def numbers(text):
    return [[int(n) for n in part.split()] for part in re.split("[,;] ", text)]


def test_hashes_and_keys():
    assert vector('name("paper cites') == hex(fnv("paper cites paper")) == hex(name_hash("paper cites paper"))
    assert vector('name("paper")') == ", ".join(hex(fnv(n)) for n in ("paper", "budget", "shuffle"))
    assert vector("mix(0)") == f"{mix(0):#x}, {mix(1):#x}"
    assert vector("key(1)") == f"{absorb(0, 1):#x}, {absorb(0, 1, 2):#x}"
    assert vector("K = key") == hex(KEY)
    assert vector("random(K, 0)") == ", ".join(hex(mix((KEY + (i + 1) * GOLDEN) & MASK)) for i in range(3))


def native(degree, fan_out, replace, disjoint=False):
    t = EdgeType("paper", "cites", "paper")
    edges = np.stack([np.arange(degree), np.full(degree, 42)])
    if disjoint:
        edges = np.concatenate([np.array([[42], [9]]), edges], axis=1)
    graph = Graph.from_coo({"paper": max(degree, 50)}, {t: edges})
    spec = SampleSpec({t: (fan_out,) * (1 + disjoint)}, replace=replace, disjoint=disjoint, seed=7)
    found = Sampler(graph, spec).sample(np.array([9 if disjoint else 42]), "paper", 3).edges[t].pos
    return (found[1:] - 1 if disjoint else found).tolist()


def test_picks():
    for take, degree in ((4, 5), (6, 300), (6, 60000)):
        without, repeated = numbers(vector(f"{take} of {degree} without"))
        assert without == permutation(KEY, degree, take) == native(degree, take, False)
        assert repeated == [draw(KEY, i, degree) for i in range(take)] == native(degree, take, True)
    key = absorb(0, 7, 3, fnv("paper"), fnv("paper cites paper"), 9, 42)
    assert numbers(vector("4 of 300, disjoint")) == [permutation(key, 300, 4)] == [native(300, 4, False, True)]


def into_42(degree, fan_out, seeds=(42,), times=None, node_times=None, weights=None, **rules):
    """What node 42 takes of in-edges from nodes 0, 1, ...; 42 is the only in-neighbour of 9."""
    t = EdgeType("paper", "cites", "paper")
    size = max(degree, 50)
    counts = np.zeros(size, np.int64)
    counts[[9, 42]] = 1, degree
    row = np.concatenate([[42], np.arange(degree)]).astype(np.int32)
    weight = None if weights is None else np.concatenate([[1], weights]).astype(np.float32)
    graph = Graph(
        {"paper": NodeStore(size, time=node_times)},
        {t: EdgeStore(np.concatenate([[0], np.cumsum(counts)]), row, weight=weight)},
    )
    sampler = Sampler(graph, SampleSpec({t: (fan_out,) * (1 + ("time" in rules))}, seed=7, **rules))
    found = sampler.sample(np.array(seeds), "paper", 3, times).edges[t].pos
    return [p - 1 for p in found.tolist() if p > 0]


def test_weighted_picks():
    weights = [0.5, 2, 0, 1, 8, 0.25]
    without, repeated = numbers(vector("weights 0.5"))
    assert without == weighted(KEY, prefix(weights), 4, False, False) == into_42(6, 4, weights=weights, draw="weighted")
    found = into_42(6, 6, weights=weights, draw="weighted", replace=True)
    assert repeated == weighted(KEY, prefix(weights), 6, False, True) == found
    giant = [1.0] * 300
    giant[7] = 1e9
    [picks] = numbers(vector("300 weights"))
    assert picks == weighted(KEY, prefix(giant), 4, False, False) == into_42(300, 4, weights=giant, draw="weighted")


def test_labor_and_timed_picks():
    key = absorb(0, 7, 3, fnv("labor"), fnv("paper"))
    assert vector("L = key") == f"{key:#x}; {absorb(key, 0):#x}"
    [picks] = numbers(vector("4 of sources"))
    assert picks == sorted(range(8), key=lambda r: absorb(key, r))[:4] == into_42(8, 4, draw="labor")
    key = absorb(0, 7, 3, fnv("paper"), fnv("paper cites paper"), 9, -100 & MASK, 42)
    [picks] = numbers(vector("4 of 300, run seed"))
    early = np.full(300, -200)
    timed = into_42(300, 4, [9], np.array([-100]), early, disjoint=True, time="before")
    assert picks == permutation(key, 300, 4) == timed


def test_picks_of_the_tree_of_a_link():
    word = link_word("user buys item", 3, 8)
    key = absorb(0, 7, 3, fnv("link"), fnv("paper cites paper"), word, 42)
    text, picks = vector("W = word").split("; ")
    assert text == f"{word:#x}"
    assert numbers(picks) == [permutation(key, 300, 4)]
    hidden = sorted({permutation(key, 300, 1)[0], 5})
    assert numbers(vector("the same, of which")) == [[j for j in permutation(key, 300, 6) if j not in hidden][:4]]
    t = EdgeType("paper", "cites", "paper")
    graph = Graph.from_coo({"paper": 300}, {t: np.stack([np.arange(300), np.full(300, 42)])})
    sampler = Sampler(graph, SampleSpec({t: (4,)}, disjoint=True, seed=7))
    seeds, group = {"paper": np.array([42])}, {"paper": np.zeros(1, np.int32)}
    for unseen, start in (([], "W = word"), (hidden, "the same, of which")):
        edges = {t: HiddenEdges(np.array([0, len(unseen)]), np.array(unseen, np.int64))}
        trees = Trees("link", np.array([word], np.uint64), group, None, edges)
        assert [sampler.sample_many(seeds, 3, trees).edges[t].pos.tolist()] == numbers(vector(start).split("; ")[-1])


def test_budget():
    key = absorb(0, 7, 3, fnv("budget"), 42)
    for budget, takes, given in zip((20, 8), ([10, 2, 9, 7], [5, 1, 5, 5]), numbers(vector("budget 20")), strict=True):
        assert share(key, takes, budget) == given
        types = [EdgeType("paper", f"r{i}", "paper") for i in range(4)]
        graph = Graph.from_coo(
            {"paper": 50}, {t: np.stack([np.arange(n), np.full(n, 42)]) for t, n in zip(types, takes, strict=True)}
        )
        subgraph = Sampler(graph, SampleSpec.uniform(types, (-1,), budget=(budget,), seed=7)).sample(
            np.array([42]), "paper", 3
        )
        assert [subgraph.edge_counts[t][0] for t in types] == given


def test_order_of_an_epoch():
    rows = np.concatenate(batches(np.arange(10), 4, shuffle=True, seed=7, epoch=3))
    assert [rows.tolist()] == numbers(vector("rows 0"))
    again = np.concatenate(batches(np.arange(10)[::-1], 3, shuffle=True, seed=7, epoch=3))
    assert np.array_equal(rows, again)

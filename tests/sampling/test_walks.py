import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import random_graph
from sampling_reference import absorb, draw, fnv, mix
from scipy.stats import chisquare

from gnnctl.graph import EdgeType, Graph
from gnnctl.sampling.adjacency import homogeneous
from gnnctl.sampling.walks import Walker

few = settings(deadline=None, max_examples=40)
WEIGHTS = np.array([0, 1, 2.5, 0.25], np.float32)


def weighted_graph(rng, nodes=30, edges=150):
    coo = rng.integers(0, nodes, (2, edges))
    return Graph.from_coo(nodes, coo, edge_weight=rng.choice(WEIGHTS, edges))


def list_of(graph, t, v, direction):
    """(neighbours, weights) of one node, from the edges themselves."""
    store = graph.edges[t]
    weight = np.ones(store.num_edges, np.float32) if store.weight is None else store.weight
    if direction == "in":
        part = slice(store.colptr[v], store.colptr[v + 1])
        return store.row[part], weight[part]
    col = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
    part = store.row == v
    return col[part], weight[part]


def walk_again(graph, start, number, length, metapath, direction, weighted, seed, epoch):
    first = metapath[0].dst if direction == "in" else metapath[0].src
    key = absorb(0, seed, epoch, fnv("walk"), fnv(first), start, number)
    walk = [start]
    for step in range(length):
        found = -1
        if walk[-1] >= 0:
            neighbours, weights = list_of(graph, metapath[step % len(metapath)], walk[-1], direction)
            sums = np.cumsum(weights.astype(np.float64))
            if weighted and len(sums) and sums[-1] > 0:
                share = (mix((key + (step + 1) * 0x9E3779B97F4A7C15) % 2**64) >> 11) * 2.0**-53 * sums[-1]
                found = int(neighbours[np.searchsorted(sums, share, side="right")])
            elif not weighted and len(neighbours):
                found = int(neighbours[draw(key, step, len(neighbours))])
        walk.append(found)
    return walk


@few
@given(st.integers(0, 2**32), st.sampled_from(["in", "out"]), st.booleans(), st.integers(0, 2**64 - 1))
def test_walks_repeat_the_written_rule(case, direction, weighted, seed):
    rng = np.random.default_rng(case)
    graph = weighted_graph(rng)
    starts = rng.integers(0, 30, 8)
    found = Walker(graph, direction).walk(starts, 6, seed=seed, epoch=3, walks=2, weighted=weighted)
    expected = [
        walk_again(graph, int(s), w, 6, graph.edge_types, direction, weighted, seed, 3)
        for s in starts
        for w in range(2)
    ]
    assert found.tolist() == expected


@few
@given(st.integers(0, 2**32), st.sampled_from(["in", "out"]))
def test_metapaths_go_from_type_to_type(case, direction):
    rng = np.random.default_rng(case)
    sizes = {"a": 20, "b": 15}
    there, back, within = EdgeType("b", "x", "a"), EdgeType("a", "y", "b"), EdgeType("a", "z", "a")
    graph = Graph.from_coo(
        sizes,
        {
            t: np.stack([rng.integers(0, sizes[t.src], 40), rng.integers(0, sizes[t.dst], 40)])
            for t in (there, back, within)
        },
    )
    metapath = [within, there, back] if direction == "in" else [within, back, there]
    starts = rng.integers(0, 20, 5)
    found = Walker(graph, direction).walk(starts, 7, seed=1, epoch=2, metapath=metapath)
    expected = [walk_again(graph, int(s), 0, 7, metapath, direction, False, 1, 2) for s in starts]
    assert found.tolist() == expected
    with pytest.raises(ValueError, match=r"^metapath: step 1 does not end where the next begins"):
        Walker(graph, direction).walk(starts, 4, seed=1, metapath=[*metapath[:2], within])
    # what would not close into a circle may be walked once
    assert Walker(graph, direction).walk(starts, 2, seed=1, metapath=metapath[:2]).shape == (5, 3)
    with pytest.raises(ValueError, match=r"^metapath"):
        Walker(graph, direction).walk(starts, 3, seed=1, metapath=metapath[:2])


def test_weighted_steps_have_the_probabilities_of_the_weights():
    rng = np.random.default_rng(5)
    graph = Graph.from_coo(9, np.stack([np.arange(1, 9), np.zeros(8, int)]), edge_weight=rng.choice(WEIGHTS[1:], 8))
    weight = graph.edges[graph.edge_types[0]].weight
    steps = Walker(graph).walk(np.zeros(1, np.int64), 1, seed=3, walks=60_000, weighted=True)[:, 1]
    assert chisquare(np.bincount(steps, minlength=9)[1:], weight / weight.sum() * 60_000).pvalue > 1e-4


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("p", "q"), [(1, 1), (0.25, 4), (4, 0.25), (1e6, 1), (1e-6, 1e-6), (1, 1e5)])
def test_second_order_steps_have_the_exact_probabilities(p, q, weighted):
    rng = np.random.default_rng(8)
    coo = np.unique(rng.integers(0, 8, (2, 34)), axis=1)
    graph = Graph.from_coo(8, coo, edge_weight=rng.choice(WEIGHTS[1:], coo.shape[1]))
    store = graph.edges[graph.edge_types[0]]
    step = np.zeros((8, 8))  # [v, x]
    for v in range(8):
        neighbours, weights = list_of(graph, graph.edge_types[0], v, "in")
        np.add.at(step[v], neighbours, weights if weighted else 1.0)
    walks = Walker(graph).node2vec(np.arange(8), 3, p=p, q=q, seed=7, walks=20_000, weighted=weighted)
    tested = 0
    for t in range(8):
        for v in range(8):
            taken = walks[(walks[:, 1] == t) & (walks[:, 2] == v), 3]
            if len(taken) < 500:
                continue
            bias = np.where(np.arange(8) == t, 1 / p, np.where(step[t] > 0, 1.0, 1 / q)) * step[v]
            if bias.sum() == 0:
                assert np.all(taken == -1)
                continue
            expected = bias / bias.sum() * len(taken)
            counts = np.bincount(taken, minlength=8)
            rare = expected < 5  # chi-square wants five of each
            assert np.all(counts[expected == 0] == 0)
            assert counts[rare].sum() <= 5 * expected[rare].sum() + 15
            if (~rare).sum() > 1:
                common = counts[~rare]
                share = expected[~rare] / expected[~rare].sum() * common.sum()
                assert chisquare(common, share).pvalue > 1e-5
                tested += 1
    assert tested >= (8 if p > 1e-3 else 1)
    assert store.num_edges > 0


def test_times_may_put_lists_out_of_order():
    # the same lists, in another order: membership must not rely on it
    rng = np.random.default_rng(2)
    graph = Graph.from_coo(12, np.unique(rng.integers(0, 12, (2, 80)), axis=1))
    store = graph.edges[graph.edge_types[0]]
    mixed = store.row.copy()
    for v in range(12):
        rng.shuffle(mixed[store.colptr[v] : store.colptr[v + 1]])
    walks = [
        Walker(g).node2vec(np.arange(12), 2, p=0.5, q=3, seed=7, walks=4000)
        for g in (graph, homogeneous(store.colptr, mixed), homogeneous(store.colptr, mixed.astype(np.int64)))
    ]
    assert np.array_equal(walks[1], walks[2])
    counts = [np.bincount((w[:, 0] * 12 + w[:, 1]) * 12 + w[:, 2], minlength=12**3) for w in walks]
    seen = counts[0] + counts[1] > 40
    spread = (counts[0] - counts[1])[seen] / np.sqrt((counts[0] + counts[1])[seen])
    assert abs(spread).max() < 5


@pytest.mark.parametrize("second_order", [False, True])
def test_threads_and_other_starts_change_nothing(second_order):
    rng = np.random.default_rng(0)
    graph = weighted_graph(rng, 500, 3000)
    starts = rng.integers(0, 500, 700)

    def run(some, threads=1, length=9):
        walker = Walker(graph, num_threads=threads)
        if second_order:
            return walker.node2vec(some, length, p=0.3, q=2, seed=4, epoch=1, walks=3, weighted=True)
        return walker.walk(some, length, seed=4, epoch=1, walks=3, weighted=True)

    whole = run(starts)
    assert np.array_equal(run(starts, 2), whole)
    assert np.array_equal(run(starts, 5), whole)
    assert np.array_equal(run(starts[::-1].copy()).reshape(700, 3, 10)[::-1].reshape(-1, 10), whole)
    assert np.array_equal(run(starts[100:101]), whole[300:303])
    assert np.array_equal(run(starts, length=4), whole[:, :5])  # a shorter walk begins a longer one
    found = {}
    workers = [threading.Thread(target=lambda i=i: found.update({i: run(starts[i::4].copy())})) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert all(np.array_equal(found[i], whole.reshape(700, 3, 10)[i::4].reshape(-1, 10)) for i in range(4))


def test_epochs_seeds_and_walks_differ():
    graph = weighted_graph(np.random.default_rng(1), 50, 1000)
    walker, starts = Walker(graph), np.arange(50)
    first = walker.walk(starts, 5, seed=1, epoch=1)
    assert not np.array_equal(first, walker.walk(starts, 5, seed=1, epoch=2))
    assert not np.array_equal(first, walker.walk(starts, 5, seed=2, epoch=1))
    two = walker.walk(starts, 5, seed=1, epoch=1, walks=2)
    assert np.array_equal(two[::2], first)
    assert not np.array_equal(two[1::2], first)


def test_dead_ends_nothing_and_a_graph_of_one_node():
    line = Graph.from_coo(4, np.array([[0, 1, 2], [1, 2, 3]]))
    assert Walker(line).walk(np.array([3]), 5, seed=0).tolist() == [[3, 2, 1, 0, -1, -1]]
    assert Walker(line, "out").walk(np.array([2]), 3, seed=0).tolist() == [[2, 3, -1, -1]]
    assert Walker(line).node2vec(np.array([3]), 5, p=2, q=2, seed=0).tolist() == [[3, 2, 1, 0, -1, -1]]
    assert Walker(line).walk(np.zeros(0, np.int64), 2, seed=0).shape == (0, 3)
    assert Walker(line).walk(np.array([1]), 0, seed=0).tolist() == [[1]]
    assert Walker(line).walk(np.array([1]), 2, seed=0, walks=0).shape == (0, 3)
    alone = homogeneous(np.zeros(2, np.int64), np.zeros(0, np.int32))
    assert Walker(alone).walk(np.array([0]), 2, seed=0).tolist() == [[0, -1, -1]]
    no_weight = Graph.from_coo(2, np.array([[0], [1]]), edge_weight=np.zeros(1, np.float32))
    assert Walker(no_weight).walk(np.array([1]), 2, seed=0, weighted=True).tolist() == [[1, -1, -1]]


def test_a_hub_of_many_neighbours():
    degree = 1_000_000
    colptr = np.array([0, degree, *range(degree + 1, 2 * degree + 1)])
    row = np.concatenate([np.arange(1, degree + 1), np.zeros(degree)]).astype(np.int32)
    walks = Walker(homogeneous(colptr, row)).node2vec(np.zeros(1, np.int64), 4, p=1e6, q=1, seed=0, walks=300)
    assert np.all(walks[:, 2] == 0)  # leaves lead nowhere else
    assert np.all(walks[:, 3] != walks[:, 1])
    assert len(np.unique(walks[:, 1])) > 295


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"starts": np.array([30])}, "starts"),
        ({"starts": np.array([-1])}, "starts"),
        ({"starts": np.array([1.0])}, "starts"),
        ({"starts": np.zeros((2, 2), np.int64)}, "starts"),
        ({"starts": np.arange(8)[::2]}, "starts"),
        ({"starts": [1, 2]}, "starts"),
        ({"length": -1}, "length"),
        ({"length": 2**50}, "length"),
        ({"walks": -1}, "walks"),
        ({"walks": 2**62}, "length"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"epoch": -1}, "epoch"),
        ({"weighted": True}, "weighted"),
        ({"metapath": []}, "metapath"),
        ({"metapath": [EdgeType("node", "no", "node")]}, "metapath"),
        ({"p": 0.0}, "p"),
        ({"q": -1.0}, "q"),
        ({"q": float("nan")}, "q"),
        ({"p": float("inf")}, "p"),
    ],
)
def test_bad_arguments_are_refused_by_name(change, named):
    graph = Graph.from_coo(30, np.random.default_rng(0).integers(0, 30, (2, 100)))
    given = {"starts": np.arange(3), "length": 2, "seed": 0, **change}
    with pytest.raises((ValueError, TypeError), match=f"^{named}"):
        if {"p", "q"} & set(change):
            Walker(graph).node2vec(**{"p": 1.0, "q": 1.0, **given})
        else:
            Walker(graph).walk(**given)


def test_bad_graphs_are_refused():
    colptr, row = np.array([0, 1, 2]), np.array([0, 1], np.int32)
    for bad_colptr, bad_row, bad_weight, named in [
        (colptr[::-1].copy(), row, None, "colptr"),
        (colptr + 1, row, None, "colptr"),
        (colptr.astype(np.int32), row, None, "colptr"),
        (colptr, row + 1, None, "row"),
        (colptr, row - 1, None, "row"),
        (colptr, row[:1], None, "colptr"),
        (colptr, row.astype(np.int16), None, "row"),
        (colptr, np.zeros(4, np.int32)[::2], None, "row"),
        (colptr, row, np.ones(3, np.float32), "weight"),
        (colptr, row, np.ones(2), "weight"),
    ]:
        with pytest.raises((ValueError, TypeError), match=named):
            Walker(homogeneous(bad_colptr, bad_row, bad_weight))
    for bad in (-1, np.nan, np.inf):  # no probabilities, but no matter to walks that do not draw by them
        walker = Walker(homogeneous(colptr, row, np.array([1, bad], np.float32)))
        assert walker.walk(np.arange(2), 1, seed=0).tolist() == [[0, 0], [1, 1]]
        with pytest.raises(ValueError, match=r"^weighted"):
            walker.walk(np.arange(2), 1, seed=0, weighted=True)
    with pytest.raises(ValueError, match=r"^direction"):
        Walker(homogeneous(colptr, row), "up")
    with pytest.raises(ValueError, match=r"^graph: colptr"):
        Walker(homogeneous(colptr[::-1].copy(), row), "out")
    typed = random_graph(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^metapath"):
        Walker(typed).walk(np.arange(1), 2, seed=0)


anything = st.one_of(
    st.none(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(-5, 5), max_size=3),
    st.sampled_from([np.zeros((2, 2)), np.array([5]), np.array([], np.int64), np.array(["a"])]),
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(["starts", "length", "walks", "seed", "epoch", "metapath", "p", "q"]), anything)
def test_fuzzed_arguments_never_crash(name, value):
    if name in ("length", "walks") and isinstance(value, int) and 10_000 < value < 2**40:
        return
    graph = Graph.from_coo(30, np.random.default_rng(0).integers(0, 30, (2, 100)))
    given = {"starts": np.arange(3), "length": 2, "seed": 0, name: value}
    try:
        if name in ("p", "q"):
            Walker(graph).node2vec(**{"p": 1.0, "q": 1.0, **given})
        else:
            Walker(graph).walk(**given)
    except (ValueError, TypeError):
        pass

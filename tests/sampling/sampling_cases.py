"""Random typed graphs and specs for the tests of sampling."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.graph import EdgeStore, NodeStore
from gnnctl.sampling.spec import SampleSpec


def random_graph(rng, num_types=3, num_relations=4, most_nodes=40, most_edges=200, names="abc"):
    sizes = {names[i]: int(rng.integers(1, most_nodes)) for i in range(num_types)}
    edges = {}
    for r in range(num_relations):
        t = EdgeType(names[int(rng.integers(num_types))], f"r{r}", names[int(rng.integers(num_types))])
        count = int(rng.integers(0, most_edges))
        edges[t] = np.stack([rng.integers(0, sizes[t.src], count), rng.integers(0, sizes[t.dst], count)])
    return Graph.from_coo(sizes, edges)


def rich_graph(rng, num_types=2, num_relations=4, most_nodes=30, most_edges=300):
    """A graph with weights (zeros and giants among them), node times and edge times, each on some of its types."""
    names = "abc"[:num_types]
    sizes = {name: int(rng.integers(1, most_nodes)) for name in names}
    times = {name: rng.integers(-5, 15, sizes[name]) if rng.random() < 0.6 else None for name in names}
    edges = {}
    for r in range(num_relations):
        t = EdgeType(names[int(rng.integers(num_types))], f"r{r}", names[int(rng.integers(num_types))])
        count = int(rng.integers(0, most_edges))
        row, col = rng.integers(0, sizes[t.src], count), rng.integers(0, sizes[t.dst], count)
        time = rng.integers(-5, 15, count) if r == 0 or rng.random() < 0.5 else None
        seen = np.maximum(
            np.full(count, -(2**63)) if time is None else time,
            np.full(count, -(2**63)) if times[t.src] is None else times[t.src][row],
        )
        order = np.lexsort((row, seen, col))
        weight = rng.choice([0.0, 0.5, 1.0, 3.0, 1e9], count, p=[0.2, 0.3, 0.3, 0.15, 0.05]).astype(np.float32)
        edges[t] = EdgeStore(
            np.concatenate([[0], np.cumsum(np.bincount(col, minlength=sizes[t.dst]))]),
            row[order].astype(np.int32),
            weight=weight if r == 0 or rng.random() < 0.5 else None,
            time=None if time is None else time[order],
        )
    return Graph({name: NodeStore(sizes[name], time=times[name]) for name in names}, edges)


def graph_before(graph, last):
    """The graph without the edges that become visible at ``last`` or later."""
    cut = {}
    for t, e in graph.edges.items():
        col = np.repeat(np.arange(len(e.colptr) - 1), np.diff(e.colptr))
        keep = np.ones(len(e.row), bool)
        for time in (e.time, None if graph.nodes[t.src].time is None else graph.nodes[t.src].time[e.row]):
            keep &= True if time is None else time < last
        colptr = np.concatenate([[0], np.cumsum(np.bincount(col[keep], minlength=len(e.colptr) - 1))])
        weight, time = (None if a is None else a[keep] for a in (e.weight, e.time))
        cut[t] = EdgeStore(colptr, e.row[keep], weight=weight, time=time)
    return Graph(graph.nodes, cut)


@st.composite
def rich_cases(draw):
    """(graph, spec, seeds, node_type, epoch, times) over every way of drawing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    graph = rich_graph(
        rng, draw(st.integers(1, 3)), draw(st.integers(1, 4)), most_edges=draw(st.sampled_from([20, 400]))
    )
    hops = draw(st.integers(1, 3))
    way = draw(st.sampled_from(["uniform", "weighted", "recent", "labor"]))
    disjoint = way != "labor" and draw(st.booleans())
    spec = SampleSpec(
        {t: tuple(int(x) for x in rng.choice([-1, 0, 1, 2, 3, 5, 40], hops)) for t in graph.edge_types},
        replace=way in ("uniform", "weighted") and draw(st.booleans()),
        disjoint=disjoint,
        budget=tuple(int(x) for x in rng.integers(-1, 12, hops)) if draw(st.booleans()) else None,
        draw=way,
        time=draw(st.sampled_from([None, "before", "until"])) if disjoint else None,
        seed=draw(st.integers(0, 2**64 - 1)),
    )
    node_type = graph.node_types[int(rng.integers(len(graph.node_types)))]
    count = int(rng.integers(1, min(8, graph.num_nodes(node_type)) + 1))
    seeds = rng.permutation(graph.num_nodes(node_type))[:count].astype(np.int64)
    times = None if spec.time is None else rng.integers(-6, 16, count)
    return graph, spec, seeds, node_type, draw(st.integers(0, 100)), times


@st.composite
def cases(draw, non_increasing=False, budget=False, replace=None, disjoint=None):
    """(graph, spec, seeds, node_type, epoch)"""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    types, relations = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    graph = random_graph(rng, types, relations)
    hops = draw(st.integers(1, 3))
    fan_outs = {}
    for t in graph.edge_types:
        k = [int(x) for x in rng.choice([-1, 0, 1, 2, 3, 5, 9], hops)]
        if non_increasing:
            k = sorted(k, key=lambda x: -np.inf if x < 0 else -x)
        if budget:
            k = [k[0]] * hops
        fan_outs[t] = tuple(k)
    caps = tuple(sorted((int(x) for x in rng.integers(0, 12, hops)), reverse=True)) if budget else None
    spec = SampleSpec(
        fan_outs,
        replace=draw(st.booleans()) if replace is None else replace,
        disjoint=draw(st.booleans()) if disjoint is None else disjoint,
        budget=caps,
        seed=draw(st.integers(0, 2**64 - 1)),
    )
    node_type = graph.node_types[int(rng.integers(types))]
    count = int(rng.integers(1, min(8, graph.num_nodes(node_type)) + 1))
    seeds = rng.permutation(graph.num_nodes(node_type))[:count].astype(np.int64)
    return graph, spec, seeds, node_type, draw(st.integers(0, 100))


def typed_graph(papers=300, authors=80):
    """Papers that cite and have authors; features, weights and labels."""
    import pyarrow as pa

    rng = np.random.default_rng(11)
    cites, writes = EdgeType("paper", "cites", "paper"), EdgeType("author", "writes", "paper")
    written = EdgeType("paper", "rev_writes", "author")
    pairs = rng.integers(0, [[authors], [papers]], (2, 700))
    return Graph.from_coo(
        {"paper": papers, "author": authors},
        {cites: rng.integers(0, papers, (2, 2500)), writes: pairs, written: pairs[::-1]},
        x={"paper": rng.random((papers, 6), dtype=np.float32)},
        edge_weight={cites: rng.random(2500, dtype=np.float32)},
        columns={"paper": pa.table({"area": pa.array([f"area {i}" for i in rng.integers(0, 4, papers)])})},
        ids={"paper": pa.array([f"p{i:03}" for i in range(papers)]), "author": pa.array(range(authors))},
    )


def write_split(folder):
    """Path of a split artifact in ``folder``, its graph beside it."""
    from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
    from gnnctl.splits import find_target, split_nodes

    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        typed_graph().write(writer)
    graph = Graph.open(folder / "graph")
    split = split_nodes(graph, find_target(graph, "paper.area"), seed=1)
    parent = Parent("graph", Artifact.open(folder / "graph"))
    with ArtifactWriter(folder / "split", Recipe("split", "split", 1, {}, [parent])) as writer:
        split.write(writer)
    return folder / "split"


def shop_graph(users=60, items=40, seed=5, times=False):
    """Users who buy items, with the generated reverse, know each other both ways round, and view items."""
    rng = np.random.default_rng(seed)
    buys, back = EdgeType("user", "buys", "item"), EdgeType("item", "rev_buys", "user")
    knows, views = EdgeType("user", "knows", "user"), EdgeType("user", "views", "item")
    bought = np.unique(rng.integers(0, [[users], [items]], (2, 300)), axis=1)
    known = np.unique(np.sort(rng.integers(0, users, (2, 120)), axis=0), axis=1)
    known = np.concatenate([known, known[::-1][:, known[0] != known[1]]], axis=1)
    viewed = rng.integers(0, [[users], [items]], (2, 200))
    when = rng.integers(0, 100, bought.shape[1])
    graph = Graph.from_coo(
        {"user": users, "item": items},
        {buys: bought, back: bought[::-1], knows: known, views: viewed},
        x={"user": rng.random((users, 5), dtype=np.float32)},
        edge_weight={buys: rng.random(bought.shape[1], dtype=np.float32)},
        edge_time={buys: when, back: when} if times else None,
    )
    edges = dict(graph.edges)
    ends = {t: np.stack([e.row, np.repeat(np.arange(len(e.colptr) - 1), np.diff(e.colptr))]) for t, e in edges.items()}
    places = {(s, d): i for i, (s, d) in enumerate(ends[buys].T.tolist())}
    forward = np.array([places[d, s] for s, d in ends[back].T.tolist()], np.int64)
    edges[back] = replace(edges[back], forward=forward)
    edges[knows] = replace(edges[knows], undirected=True)
    return Graph(graph.nodes, edges)


def write_link_split(
    folder, *, predicted=("user buys item", "user knows user"), disjoint=0.4, negatives=3, times=False
):
    """Path of a split of links in ``folder``, its graph beside it."""
    from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
    from gnnctl.sampling.fixed_negatives import with_fixed_negatives
    from gnnctl.splits import By
    from gnnctl.splits.link_split import LinkOptions, split_links
    from gnnctl.splits.link_target import LinkTarget

    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        shop_graph(times=times).write(writer)
    graph = Graph.open(folder / "graph")
    target = LinkTarget("link", [EdgeType.parse(t) for t in predicted])
    split = split_links(graph, target, LinkOptions(by=By("time") if times else By(), disjoint=disjoint, seed=2))
    split = with_fixed_negatives(split, negatives, "either", 2)
    parent = Parent("graph", Artifact.open(folder / "graph"))
    with ArtifactWriter(folder / "split", Recipe("split", "split", 1, {}, [parent])) as writer:
        split.write(writer)
    return folder / "split"

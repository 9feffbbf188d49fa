"""A small graph with every kind of edge that can be a link's other face: duplicates, directions, reverse types."""

import dataclasses

import numpy as np
import pyarrow as pa

from gnnctl.graph import EdgeStore, EdgeType, Graph
from gnnctl.splits.link_groups import ends_of

BUYS = EdgeType("user", "buys", "item")
REV_BUYS = EdgeType("item", "rev_buys", "user")
BOUGHT = EdgeType("item", "bought_by", "user")  # a reverse that nothing declares by itself
KNOWS = EdgeType("user", "knows", "user")
SEES = EdgeType("user", "sees", "user")


def shop(seed=0, users=12, items=9, edges=60, timed=True, order=None):
    """Buys (with a generated and a plain reverse type), knows (undirected), sees (directed); all with duplicates.

    Args:
        order: a generator that shuffles the edges as they come.
    """
    rng = np.random.default_rng(seed)
    given, times, kept = {}, {}, {}
    buys = np.stack([rng.integers(0, users, edges), rng.integers(0, items, edges)])
    half = np.stack([rng.integers(0, users, edges // 2), rng.integers(0, users, edges // 2)])
    apart = half[:, half[0] != half[1]]
    when = {t: rng.integers(0, 40, edges) for t in (BUYS, BOUGHT)}
    half_when = rng.integers(0, 40, apart.shape[1])
    given[BUYS] = buys
    given[BOUGHT] = np.stack([rng.integers(0, items, edges), rng.integers(0, users, edges)])
    given[BOUGHT][:, : edges // 2] = buys[::-1, : edges // 2]
    given[KNOWS], when[KNOWS] = np.concatenate([apart, apart[::-1]], 1), np.concatenate([half_when, half_when])
    given[SEES] = np.stack([rng.integers(0, users, edges), rng.integers(0, users, edges)])
    when[SEES] = rng.integers(0, 40, edges)
    rates = rng.integers(1, 4, edges)
    words = np.asarray(["train", "valid", "test", ""])
    halves = rng.integers(0, 4, apart.shape[1])
    said = {BUYS: rng.integers(0, 4, edges), KNOWS: np.concatenate([halves, halves]), SEES: rng.integers(0, 4, edges)}
    for t, coo in given.items():
        shuffled = np.arange(coo.shape[1]) if order is None else order.permutation(coo.shape[1])
        given[t], times[t] = coo[:, shuffled], when[t][shuffled]
        if t in said:
            columns = {"split": pa.array(words[said[t]][shuffled].tolist())}
            if t == BUYS:
                columns["rate"] = pa.array([None if i % 11 == 5 else int(r) for i, r in enumerate(rates)])
                columns["rate"] = columns["rate"].take(pa.array(shuffled))
            kept[t] = pa.table(columns)
    ids = {"user": pa.array([f"u{i:03}" for i in range(users)]), "item": pa.array([f"i{i:03}" for i in range(items)])}
    graph = Graph.from_coo(
        {"user": users, "item": items}, given, edge_time=times if timed else None, edge_columns=kept, ids=ids
    )
    edges_by_type = dict(graph.edges)
    edges_by_type[KNOWS] = dataclasses.replace(edges_by_type[KNOWS], undirected=True)
    edges_by_type[REV_BUYS] = reversed_store(graph, BUYS)
    return Graph(graph.nodes, edges_by_type)


def reversed_store(graph, edge_type):
    """What ingest writes for `reverse = true`."""
    store = graph.edges[edge_type]
    src, dst = ends_of(graph, edge_type)
    visible = np.zeros(len(src), np.int64) if store.time is None else store.time
    forward = np.lexsort((np.arange(len(src)), dst, visible, src))
    colptr = np.concatenate([[0], np.cumsum(np.bincount(src, minlength=graph.num_nodes(edge_type.src)))])
    time = None if store.time is None else store.time[forward]
    return EdgeStore(colptr, dst[forward].astype(np.int32), time=time, forward=forward)

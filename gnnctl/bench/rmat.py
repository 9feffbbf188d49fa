"""Seeded random graphs to measure on: RMAT (homogeneous and typed) and uniform.

RMAT (Chakrabarti, Zhan, Faloutsos: "R-MAT: A Recursive Model for Graph Mining", 2004) drops each edge into one quadrant
of the adjacency matrix per bit of the node ids. Degrees come out as skewed as in social and citation graphs; ids are
permuted afterwards, so that hubs do not lie side by side in memory.
"""

from dataclasses import replace

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import DEFAULT_EDGE, DEFAULT_NODE, EdgeStore, Graph, NodeStore
from gnnctl.graph.types import EdgeType

QUADRANTS = (0.57, 0.19, 0.19, 0.05)
TIMES = 1 << 30
CHUNK = 1 << 20  # edges drawn at a time; keeps the drawn bits in the cache's reach
TYPED_NODES = {"author": 400_000, "paper": 600_000, "institution": 10_000, "topic": 50_000}
TYPED_EDGES = {
    EdgeType("paper", "cites", "paper"): 5_000_000,
    EdgeType("author", "writes", "paper"): 3_000_000,
    EdgeType("paper", "rev_writes", "author"): 3_000_000,
    EdgeType("paper", "has", "topic"): 2_000_000,
    EdgeType("topic", "rev_has", "paper"): 2_000_000,
    EdgeType("author", "works_at", "institution"): 1_000_000,
    EdgeType("institution", "rev_works_at", "author"): 1_000_000,
}
TYPED_SCALE = 20  # the scale that the counts above stand for


def rmat(scale: int, edge_factor: int = 16, *, features: int = 0, seed: int = 0) -> Graph:
    """A homogeneous RMAT graph with ``2**scale`` nodes and exactly ``edge_factor`` times as many distinct edges.

    Args:
        scale: base-2 logarithm of the number of nodes.
        edge_factor: edges per node.
        features: width of the normal random features; 0: none.
        seed: the same seed gives the same graph, whatever the machine.

    Raises:
        UsageError: so many edges would fill more than a quarter of the matrix.
    """
    rng = np.random.default_rng([seed, scale, edge_factor])
    n = 1 << scale
    nodes = {DEFAULT_NODE: _nodes(n, features, rng)}
    rename = rng.permutation(n)
    return Graph(nodes, {DEFAULT_EDGE: _edges(rename, rename, n * edge_factor, rng)})


def power_law(num_nodes: int, num_edges: int, *, features: int = 0, seed: int = 0) -> Graph:
    """A homogeneous RMAT graph of any number of nodes, and exactly so many distinct edges.

    Raises:
        UsageError: see :func:`rmat`.
    """
    rng = np.random.default_rng([seed, num_nodes, num_edges])
    nodes = {DEFAULT_NODE: _nodes(num_nodes, features, rng)}
    rename = rng.permutation(num_nodes)
    return Graph(nodes, {DEFAULT_EDGE: _edges(rename, rename, num_edges, rng)})


def typed_rmat(scale: int = TYPED_SCALE, *, features: int = 0, seed: int = 0) -> Graph:
    """A typed RMAT graph: 4 node types and 7 edge types; at scale 20, 1.06M nodes and 17M edges.

    Two of the pairs of types run both ways, but their edges are drawn apart: nothing can profit from their symmetry.

    Raises:
        UsageError: see :func:`rmat`.
    """
    rng = np.random.default_rng([seed, scale, 7])
    factor = 2.0 ** (scale - TYPED_SCALE)
    counts = {name: max(int(count * factor), 64) for name, count in TYPED_NODES.items()}
    nodes = {name: _nodes(count, features, rng) for name, count in counts.items()}
    # One renaming a type for all its edge types: a hub as a source is a hub as a target too, as in real graphs.
    rename = {name: rng.permutation(count) for name, count in counts.items()}
    edges = {
        t: _edges(rename[t.src], rename[t.dst], max(int(count * factor), 256), rng) for t, count in TYPED_EDGES.items()
    }
    return Graph(nodes, edges)


def with_draws(graph: Graph, *, timed: bool, seed: int = 0) -> Graph:
    """The graph with what drawing may go by: heavy-tailed weights of edges; where ``timed`` also times of nodes,
    uniform, in-edges sorted by their source's."""
    rng = np.random.default_rng(seed + 1)
    nodes = dict(graph.nodes)
    if timed:
        nodes = {name: replace(store, time=rng.integers(0, TIMES, store.num_nodes)) for name, store in nodes.items()}
    edges = {}
    for t, store in graph.edges.items():
        weight = (rng.pareto(2, store.num_edges) + 0.01).astype(np.float32)
        row, times = store.row, nodes[t.src].time
        if times is not None:
            dst = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
            row = row[np.lexsort((times[row], dst))]
        edges[t] = replace(store, weight=weight, row=row)
    return Graph(nodes, edges)


def uniform(num_nodes: int, num_edges: int, *, features: int = 0, seed: int = 0) -> Graph:
    """A homogeneous graph of ``num_edges`` edges with independent uniform ends (parallel edges may occur)."""
    rng = np.random.default_rng([seed, num_nodes, num_edges])
    keys = np.sort(rng.integers(0, num_nodes * num_nodes, num_edges))
    return Graph({DEFAULT_NODE: _nodes(num_nodes, features, rng)}, {DEFAULT_EDGE: _csc(keys, num_nodes, num_nodes)})


def _nodes(count: int, features: int, rng: np.random.Generator) -> NodeStore:
    if not features:
        return NodeStore(count)
    x = rng.standard_normal((count, features), dtype=np.float32)
    return NodeStore(count, x=x, feature_names=[f"x{i}" for i in range(features)])


def _edges(rename_src: np.ndarray, rename_dst: np.ndarray, wanted: int, rng: np.random.Generator) -> EdgeStore:
    """Exactly ``wanted`` distinct edges; duplicates are drawn again, and the last surplus dropped at random.

    ``rename_*``: permutations of the sources' and the targets' ids.
    """
    num_src, num_dst = len(rename_src), len(rename_dst)
    if wanted > num_src * num_dst // 4:
        raise UsageError(
            f"{wanted:,} distinct edges between {num_src:,} and {num_dst:,} nodes are too dense",
            fix="raise the scale or lower the edge factor",
        )
    keys = np.zeros(0, np.int64)
    while len(keys) < wanted:
        missing = wanted - len(keys)
        drawn = [keys]
        # Some will be duplicates; a tenth more spares most graphs a further sort.
        for start in range(0, missing + missing // 10 + 64, CHUNK):
            src, dst = _draw(min(CHUNK, missing + missing // 10 + 64 - start), num_src, num_dst, rng)
            drawn.append(rename_dst[dst] * num_src + rename_src[src])
        keys = np.sort(np.concatenate(drawn))
        keys = keys[np.append(True, keys[1:] != keys[:-1])]
    if len(keys) > wanted:
        keys = np.delete(keys, rng.choice(len(keys), len(keys) - wanted, replace=False))
    return _csc(keys, num_src, num_dst)


def _draw(count: int, num_src: int, num_dst: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``count`` RMAT edges as two int64 arrays; where a side is no power of two its ids are scaled down."""
    bits = max((num_src - 1).bit_length(), (num_dst - 1).bit_length(), 1)
    a, b, c, _ = (np.uint16(round(p * 65536)) for p in QUADRANTS)
    ab, abc = a + b, a + b + c
    src, dst = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for _ in range(bits):
        draw = rng.integers(0, 65536, count, dtype=np.uint16)
        below = draw >= ab  # quadrants c and d
        src = 2 * src + below
        dst = 2 * dst + (((draw >= a) & ~below) | (draw >= abc))
    return src * num_src >> bits, dst * num_dst >> bits


def _csc(keys: np.ndarray, num_src: int, num_dst: int) -> EdgeStore:
    """Edges from sorted keys ``dst * num_src + src``."""
    colptr = np.searchsorted(keys, np.arange(num_dst + 1, dtype=np.int64) * num_src).astype(np.int64)
    row = keys % num_src
    return EdgeStore(colptr, row.astype(np.int32 if num_src < 2**31 else np.int64))

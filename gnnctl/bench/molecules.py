"""Molecules to measure on what sees whole graphs: chains with rings, atoms of four kinds at places, bonds of two."""

import numpy as np
import pyarrow as pa

from gnnctl.graph.graph import EdgeStore, Graph, NodeStore
from gnnctl.graph.graphs import GraphSet
from gnnctl.graph.types import EdgeType

KINDS = np.array([1, 6, 7, 8])
LEAST, MOST = 12, 28  # atoms
BOND = 1.5  # its length


def molecules(count: int, seed: int = 0) -> Graph:
    """``count`` molecules of 12 to 28 atoms: a chain, and for every eight atoms a bond that closes a ring of six."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(LEAST, MOST + 1, count)
    ptr = np.concatenate([[0], np.cumsum(sizes)])
    bonds, places = [], []
    for first, size in zip(ptr[:-1], sizes, strict=True):
        ends = [(i, i + 1) for i in range(size - 1)] + [(i, i + 5) for i in range(0, size - 5, 8)]
        bonds.append(first + np.array(ends).T)
        steps = rng.normal(size=(size, 3))
        places.append(np.cumsum(BOND * steps / np.linalg.norm(steps, axis=1, keepdims=True), axis=0))
    one_way = np.concatenate(bonds, axis=1)
    order = rng.integers(0, 2, one_way.shape[1])
    src, dst = np.concatenate([one_way, one_way[::-1]], axis=1)
    by_dst = np.lexsort((src, dst))
    total = int(ptr[-1])
    colptr = np.concatenate([[0], np.cumsum(np.bincount(dst, minlength=total))])
    kind = rng.integers(0, len(KINDS), total)
    columns = {name: values.astype(np.float32) for name, values in zip("xyz", np.concatenate(places).T, strict=True)}
    atoms = NodeStore(
        total,
        x=np.eye(len(KINDS), dtype=np.float32)[kind],
        columns=pa.table({**columns, "atomic_number": KINDS[kind]}),
        feature_names=[f"kind{number}" for number in KINDS],
    )
    kinds = np.eye(2, dtype=np.float32)[np.concatenate([order, order])[by_dst]]
    edges = EdgeStore(colptr, src[by_dst].astype(np.int32), edge_attr=kinds, feature_names=["single", "double"])
    graphs = GraphSet(NodeStore(count), {"atom": ptr})
    return Graph({"atom": atoms}, {EdgeType("atom", "bond", "atom"): edges}, graphs=graphs)

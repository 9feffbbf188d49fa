"""Batches of whole graphs: contiguous rows and edges of each, put one after the other."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gnnctl.graph.batch import Batch
from gnnctl.graph.degrees import gathered_degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graph import Graph
from gnnctl.graph.graphs import GRAPH
from gnnctl.graph.types import EdgeType


def graphs_batch(
    graph: Graph,
    rows: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    degrees: bool = False,
    columns: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> Batch:
    """A batch of B whole graphs; what belongs to them is read once, and nothing else is.

    Args:
        graph: a data set of many graphs.
        rows: (B,) int64 of the graphs, in any order, repetitions allowed.
        labels: of the graphs; integers become int64, floats float32.
        degrees: also gather degrees (models with ``needs_degree``); no edge leaves a graph, so they are exact.
        columns: by node type and name (N,) numbers of all nodes, for models that take them; see
            :func:`~gnnctl.graph.kept.numeric_columns`.

    Returns:
        A batch whose seeds are the graphs: ``ptr`` says which of its nodes are whose.

    Raises:
        ValueError: the graph is none of many graphs.
    """
    graphs = graph.graphs
    if graphs is None:
        raise ValueError("graph: expected a data set of many graphs")
    first = {t: ptr[rows] for t, ptr in graphs.ptr.items()}
    counts = {t: ptr[rows + 1] - first[t] for t, ptr in graphs.ptr.items()}
    ptr = {t: _summed(c) for t, c in counts.items()}
    nodes = {t: ranges(first[t], counts[t]) for t in graph.nodes}
    x = {t: _tensor(store.features(nodes[t])) for t, store in graph.nodes.items()}
    edge_index: dict[EdgeType, EdgeIndex] = {}
    weight: dict[EdgeType, Tensor | None] = {}
    attribute: dict[EdgeType, Tensor | None] = {}
    for t, store in graph.edges.items():
        start = store.colptr[first[t.dst]]
        size = store.colptr[first[t.dst] + counts[t.dst]] - start
        positions = ranges(start, size)
        # An edge's source moves as far as the nodes of its graph do.
        row = store.row[positions] + np.repeat(ptr[t.src][:-1] - first[t.src], size)
        in_edges = store.colptr[nodes[t.dst] + 1] - store.colptr[nodes[t.dst]]
        edge_index[t] = EdgeIndex(
            torch.from_numpy(_summed(in_edges)), torch.from_numpy(row.astype(store.row.dtype, copy=False)),
            len(nodes[t.src]), len(nodes[t.dst]), validate=False,
        )  # fmt: skip
        weight[t] = _tensor(None if store.weight is None else store.weight[positions])
        attribute[t] = _tensor(None if store.edge_attr is None else store.edge_attr[positions])
    y = None if labels is None else np.asarray(labels)
    return Batch(
        x=x,
        node_id={t: torch.from_numpy(found) for t, found in nodes.items()},
        edge_index=edge_index,
        edge_weight=weight,
        edge_attr=attribute,
        node_type=GRAPH,
        num_seeds=len(rows),
        y=None if y is None else torch.from_numpy(y.astype(np.float32 if y.dtype.kind == "f" else np.int64)),
        degree={t: gathered_degrees(graph, t, nodes[t.src], nodes[t.dst]) for t in graph.edges} if degrees else None,
        ptr={t: torch.from_numpy(p) for t, p in ptr.items()},
        largest={t: int(c.max(initial=0)) for t, c in counts.items()},
        graph_x=_tensor(graphs.table.features(np.asarray(rows))),
        columns={
            t: {name: torch.from_numpy(values[nodes[t]]) for name, values in named.items()}
            for t, named in (columns or {}).items()
        },
    )


def ranges(first: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(sum of counts,) int64: ``first[i], first[i] + 1, ...``, ``counts[i]`` of them, for every i."""
    ends = np.cumsum(counts)
    found: np.ndarray = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - counts), counts)
    return found


def _summed(counts: np.ndarray) -> np.ndarray:
    ptr = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr


def _tensor(values: np.ndarray | None) -> Tensor | None:
    return None if values is None else torch.from_numpy(values)

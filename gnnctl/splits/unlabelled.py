"""Nodes of a graph dealt out without any label, for objectives that need none."""

import numpy as np
import pyarrow as pa

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.splits.by import Fractions, by_hash
from gnnctl.splits.keyed import keyed_hashes
from gnnctl.splits.node import PARTS, NodeSplit
from gnnctl.splits.target import Target

HELD_OUT = 0.1  # of the nodes, to validate on


def unlabelled_split(graph: Graph, node_type: str | None = None, seed: int = 0) -> NodeSplit:
    """All nodes of a type: a tenth, by the hash of their ids, for validation, the others for training; no labels.

    Args:
        node_type: None: that of the spec's label, or the only one.

    Raises:
        UsageError: an unknown type, or several to choose from.
    """
    chosen = node_type or _only(graph)
    if chosen not in graph.nodes:
        raise UsageError(f"the graph has no node type '{chosen}'", fix=f"it has {', '.join(graph.node_types)}")
    store = graph.nodes[chosen]
    ids = store.ids if store.ids is not None else pa.array(np.arange(store.num_nodes))
    dealt = by_hash(keyed_hashes(ids, seed, "id"), Fractions(val=HELD_OUT, test=0.0))
    parts = {}
    for number, name in enumerate(PARTS):
        rows = np.flatnonzero(dealt == number).astype(np.int64)
        parts[name] = (rows, np.zeros(len(rows), np.int64))
    return NodeSplit(graph, Target(chosen, "", "none", None, 0), parts)


def _only(graph: Graph) -> str:
    labelled = [name for name, store in graph.nodes.items() if store.label is not None]
    found = labelled if len(labelled) == 1 else graph.node_types
    if len(found) != 1:
        raise UsageError("which nodes shall get embeddings?", fix=f"pass --node-type, one of {', '.join(found)}")
    return found[0]

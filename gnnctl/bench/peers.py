"""torch-geometric's models on the same graph, to be measured beside ours where it is installed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gnnctl.graph.graph import Graph

PEER = "torch-geometric"
PEER_SORTED = "torch-geometric, sorted EdgeIndex"


def peer_sides(
    name: str, graph: Graph, hidden: int, layers: int, device: torch.device, notes: list[str]
) -> dict[str, tuple[nn.Module, Callable[[], Tensor]]]:
    """The peer's model over a plain unsorted ``edge_index`` and over its own sorted EdgeIndex with filled caches.

    Returns:
        Side -> (module, forward). Empty, with a note, where torch-geometric or a counterpart is missing.
    """
    if not graph.schema.is_homogeneous:
        notes.append(f"{PEER} was not measured: the graph has several types")
        return {}
    try:
        from torch_geometric import EdgeIndex
        from torch_geometric.nn import GCN, GIN, GraphSAGE
    except ImportError:
        notes.append(f"{PEER} was not measured: it is not installed")
        return {}
    classes: dict[str, Any] = {"gcn": GCN, "sage": GraphSAGE, "gin": GIN}
    (node_type,) = graph.node_types
    (edges,) = graph.edges.values()
    x_array = graph.nodes[node_type].features()
    if name not in classes or x_array is None:
        notes.append(f"{PEER} was not measured for {name}: " + ("no features" if x_array is None else "no counterpart"))
        return {}
    x = torch.from_numpy(x_array).to(device)
    col = np.repeat(np.arange(len(edges.colptr) - 1), np.diff(edges.colptr))
    coo = torch.from_numpy(np.stack([edges.row.astype(np.int64), col]))
    shuffled = coo[:, torch.randperm(coo.shape[1], generator=torch.Generator().manual_seed(0))].to(device)
    size = (len(x_array), len(x_array))
    ordered = EdgeIndex(coo.to(device), sort_order="col", sparse_size=size).fill_cache_()
    model = classes[name](x.shape[1], hidden, layers, hidden).to(device).train()
    return {
        PEER: (model, lambda: model(x, shuffled)),
        PEER_SORTED: (model, lambda: model(x, ordered)),
    }

"""torch-geometric's models and edges, to be measured beside ours where it is installed."""

from typing import Any

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex

PEER = "torch-geometric"
PEER_SORTED = "torch-geometric, sorted EdgeIndex"


def peer_model(name: str, x: Tensor | None, hidden: int, layers: int, notes: list[str]) -> nn.Module | None:
    """The peer's model of the same size, or None with a note where it or a counterpart is missing."""
    try:
        from torch_geometric import nn as peer
    except ImportError:
        notes.append(f"{PEER} was not measured: it is not installed")
        return None
    classes: dict[str, Any] = {
        "gcn": peer.GCN,
        "sage": peer.GraphSAGE,
        "gin": peer.GIN,
        "gat": peer.GAT,
        "gatv2": lambda *sizes: peer.GAT(*sizes, v2=True),
        "edge": peer.EdgeCNN,
    }
    if name not in classes or x is None:
        notes.append(f"{PEER} was not measured for {name}: " + ("no features" if x is None else "no counterpart"))
        return None
    model: nn.Module = classes[name](x.shape[1], hidden, layers, hidden)
    return model


def peer_edges(edges: EdgeIndex) -> tuple[Tensor, Any]:
    """A plain ``edge_index`` in no order, and the peer's own sorted EdgeIndex with filled caches."""
    from torch_geometric import EdgeIndex as PeerEdgeIndex

    coo = edges.coo()
    order = torch.randperm(coo.shape[1], generator=torch.Generator().manual_seed(0)).to(coo.device)
    size = (edges.num_src, edges.num_dst)
    return coo[:, order], PeerEdgeIndex(coo, sort_order="col", sparse_size=size).fill_cache_()

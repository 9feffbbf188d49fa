"""Predictions that do not depend on the batch: exact, layer by layer, or sampled seed by seed.

Exact inference computes one layer for every node that a later layer needs before it begins the next, in blocks of
destination nodes sized by their in-edges, so memory is bounded by the block and by two layers of representations.
"""

import numpy as np
import torch
from torch import nn

from gnnctl.console import Progress, no_progress
from gnnctl.graph.graph import Graph
from gnnctl.training.store import DEFAULT_MEMORY

EDGE_BUDGET = 1 << 20  # in-edges plus nodes of a block
NODE_CHUNK = 1 << 15  # nodes encoded, or classified, at a time


@torch.no_grad()
def exact_logits(
    model: nn.Module,
    graph: Graph,
    node_type: str,
    rows: np.ndarray,
    *,
    device: torch.device | str = "cpu",
    edge_budget: int = EDGE_BUDGET,
    memory: int = DEFAULT_MEMORY,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Logits from the whole k-hop neighbourhood of each row, (len(rows), num_outputs) float32 in the order of ``rows``.

    Models without layers of their own (``exact_layers``) get full-fan-out batches of a few seeds each.
    """
    model.eval()
    device = torch.device(device)
    rows = np.asarray(rows, dtype=np.int64)
    if not getattr(model, "exact_layers", False):
        return full_fan_out_logits(model, graph, node_type, rows, device=device, progress=progress)
    inference = _LayerwiseInference(model, graph, device, edge_budget, progress)
    return inference.run(node_type, rows, memory)

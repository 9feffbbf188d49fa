"""Exact representations of all nodes that links may end at, each from its whole neighbourhood in a view."""

import numpy as np
import torch
from torch import Tensor

from gnnctl.console import Progress, no_progress
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import Graph
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.light_gcn_model import LightGCNModel
from gnnctl.nn.models.link_model import PairModel
from gnnctl.nn.models.shallow import Embedding
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.inference import exact_logits, logits_of, mapped_ids
from gnnctl.training.layerwise import EDGE_BUDGET, Layerwise, NodeIds
from gnnctl.training.store import DEFAULT_MEMORY


@torch.no_grad()
def represent_all(
    model: PairModel,
    view: Graph,
    device: torch.device,
    *,
    node_ids: NodeIds | None = None,
    memory: int = DEFAULT_MEMORY,
    progress: Progress = no_progress,
    processes: Processes = ALONE,
) -> dict[str, Tensor]:
    """By end type (N, width) float32 on ``device``; layer by layer, so that no node is computed twice.

    Args:
        model: in eval mode on ``device``.
        view: the graph that messages pass over.
        node_ids: of another graph than the model's, by node type each row's row in that one, -1 for none.
        memory: bytes of representations between two layers that are kept in memory.
        processes: that compute them together; all get all.
    """
    rows = {t: np.arange(view.num_nodes(t), dtype=np.int64) for t in model.end_types}
    if isinstance(model.nodes, Embedding) and node_ids is None:
        return {t: model.nodes.table(t).detach() for t in rows}
    if isinstance(model.nodes, LightGCNModel):
        light = model.nodes

        def propagated() -> dict[str, Tensor]:
            batch = mapped_ids(Batch.full(view, model.end_types[0], degrees=False), node_ids)
            return {t: values.cpu() for t, values in light.representations(batch.to(device)).items()}

        return {t: values.to(device) for t, values in processes.first(propagated).items()}
    if isinstance(model.nodes, GNN):
        found = Layerwise(model.nodes, view, device, node_ids, EDGE_BUDGET, memory, progress, processes).outputs(
            rows, entered=False
        )
        return {t: torch.from_numpy(values).to(device) for t, (values, _) in found.items()}
    if processes.share.among > 1:
        nodes = model.nodes
        return {
            t: torch.from_numpy(
                logits_of(nodes, view, t, part, None, device=device, progress=progress, processes=processes)
            ).to(device)
            for t, part in rows.items()
        }
    return {
        t: torch.from_numpy(
            exact_logits(model.nodes, view, t, part, device=device, memory=memory, node_ids=node_ids, progress=progress)
        ).to(device)
        for t, part in rows.items()
    }

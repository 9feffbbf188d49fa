"""Predictions that do not depend on the batch: exact, from the whole k-hop neighbourhood, or sampled seed by seed."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gnnctl.console import Progress, no_progress
from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import Graph
from gnnctl.sampling.methods import Spec, open_method
from gnnctl.sampling.ordered import ordered_map
from gnnctl.sampling.spec import ALL, SampleSpec
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.graphs import graph_outputs
from gnnctl.training.layerwise import EDGE_BUDGET, Layerwise, NodeIds
from gnnctl.training.shared_rows import joined
from gnnctl.training.store import DEFAULT_MEMORY

SAMPLING_THREADS = 2


def exact_logits(
    model: nn.Module,
    graph: Graph,
    node_type: str,
    rows: np.ndarray,
    *,
    device: torch.device | str = "cpu",
    edge_budget: int = EDGE_BUDGET,
    memory: int = DEFAULT_MEMORY,
    node_ids: NodeIds | None = None,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Logits from the whole neighbourhood of each row, (len(rows), num_outputs) float32 in the order of ``rows``.

    Models with layers of their own (``exact_layers``) go layer by layer in bounded memory; those that see the graph at
    once (``whole_graph``) get all of it; others, such as imported classes, get batches that hold the seeds' whole
    neighbourhood.

    Args:
        rows: (n,) int64, any order, repetitions allowed.
        edge_budget, memory: see :class:`Layerwise`; no result depends on them beyond the rounding of float32 sums.
        node_ids: for another graph than the model's, by node type each row's row in that one, -1 for none.

    Raises:
        UsageError: an imported model that does not say how many layers it has.
    """
    return exact_outputs(
        model,
        graph,
        node_type,
        rows,
        device=device,
        edge_budget=edge_budget,
        memory=memory,
        node_ids=node_ids,
        progress=progress,
        entered=False,
    )[0]


def exact_outputs(
    model: nn.Module,
    graph: Graph,
    node_type: str,
    rows: np.ndarray,
    *,
    device: torch.device | str = "cpu",
    edge_budget: int = EDGE_BUDGET,
    memory: int = DEFAULT_MEMORY,
    node_ids: NodeIds | None = None,
    progress: Progress = no_progress,
    entered: bool = True,
) -> tuple[np.ndarray, np.ndarray | None]:
    """As :func:`exact_logits`, and what entered the last layer (n, width), None for a model that does not say.

    The rows of a model of whole graphs are graphs.

    Args:
        entered: False where only the logits are wanted.
    """
    model.eval()
    device = torch.device(device)
    rows = np.asarray(rows, dtype=np.int64)
    if getattr(model, "whole_graphs", False):
        return graph_outputs(model, graph, rows, device=device, progress=progress)
    if getattr(model, "exact_layers", False):
        return Layerwise(model, graph, device, node_ids, edge_budget, memory, progress).run(
            node_type, rows, entered=entered
        )
    if getattr(model, "whole_graph", False):
        return whole_outputs(model, graph, node_type, rows, device, node_ids)
    layers = getattr(model, "num_layers", None)
    if not isinstance(layers, int):
        raise UsageError(
            f"{type(model).__name__} does not say how many hops it looks at", fix="give the class num_layers"
        )
    return full_fan_out_logits(
        model, graph, node_type, rows, layers, device=device, node_ids=node_ids, progress=progress
    ), None


@torch.no_grad()
def whole_outputs(
    model: Any,
    graph: Graph,
    node_type: str,
    rows: np.ndarray,
    device: torch.device,
    node_ids: NodeIds | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """As :func:`exact_outputs`, of a model that sees the whole graph at once, in memory."""
    degrees = bool(getattr(model, "needs_degree", False))
    batch = mapped_ids(Batch.full(graph, node_type, rows, degrees=degrees), node_ids).to(device)
    represented: Tensor | None = None
    if (represent := getattr(model, "represent", None)) is not None:
        represented = represent(batch)
        logits: Tensor = model.output(represented)
    else:
        logits = model(batch)
    return logits.float().cpu().numpy(), None if represented is None else represented.float().cpu().numpy()


def logits_of(
    model: nn.Module,
    graph: Graph,
    node_type: str,
    rows: np.ndarray,
    spec: Spec | None,
    *,
    device: torch.device | str = "cpu",
    progress: Progress = no_progress,
    processes: Processes = ALONE,
) -> np.ndarray:
    """Logits with every neighbour, or, given a spec, from neighbourhoods of the rows' own that are sampled by it.

    Args:
        processes: that compute them together: layer by layer, or each an equal part of the rows; a model that sees the
            whole graph at once is the first one's.
    """

    def of(part: np.ndarray) -> np.ndarray:
        if spec is None:
            return exact_logits(model, graph, node_type, part, device=device, progress=progress)
        return sampled_logits(model, graph, node_type, part, spec, device=device, progress=progress)

    if processes.share.among == 1:
        return of(rows)
    if spec is None and getattr(model, "exact_layers", False) and not getattr(model, "whole_graphs", False):
        model.eval()
        shared = Layerwise(model, graph, torch.device(device), progress=progress, processes=processes)
        return shared.run(node_type, np.asarray(rows, dtype=np.int64), entered=False)[0]
    if spec is None and getattr(model, "whole_graph", False):
        return processes.first(lambda: of(rows))
    first, last, counted = processes.share.stretch(len(rows), filled=True)
    own = of(rows[first:last])
    return joined(own if counted else own[:0], np.empty((len(rows), own.shape[1]), np.float32), processes)


@torch.no_grad()
def full_fan_out_logits(
    model: nn.Module,
    graph: Graph,
    node_type: str,
    rows: np.ndarray,
    layers: int,
    *,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    node_ids: NodeIds | None = None,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Exact logits of any model, from batches that hold the seeds' whole ``layers``-hop neighbourhood."""
    spec = SampleSpec.uniform(graph.edge_types, (ALL,) * layers)
    unique, inverse = np.unique(rows, return_inverse=True)
    found = _batched_logits(model, graph, node_type, unique, spec, batch_size, torch.device(device), node_ids, progress)
    return found[inverse]


@torch.no_grad()
def sampled_logits(
    model: nn.Module,
    graph: Graph,
    node_type: str,
    rows: np.ndarray,
    spec: Spec,
    *,
    batch_size: int = 1024,
    device: torch.device | str = "cpu",
    node_ids: NodeIds | None = None,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Logits from a sampled neighbourhood of each row's own, (len(rows), num_outputs) float32.

    Args:
        spec: disjoint fan-outs, so that no row's neighbourhood depends on the others, or another way of sampling.
        batch_size: rows at a time; no result depends on it beyond the rounding of float32 sums.

    Raises:
        ValueError: a spec that is not disjoint.
    """
    if not spec.disjoint:
        if isinstance(spec, SampleSpec):
            raise ValueError("spec: sampled prediction needs disjoint=True, else a score would depend on its batch")
        batch_size = 1
    return _batched_logits(model, graph, node_type, rows, spec, batch_size, torch.device(device), node_ids, progress)


@torch.no_grad()
def _batched_logits(
    model: nn.Module,
    graph: Graph,
    node_type: str,
    rows: np.ndarray,
    spec: Spec,
    batch_size: int,
    device: torch.device,
    node_ids: NodeIds | None,
    progress: Progress,
) -> np.ndarray:
    model.eval()
    rows = np.ascontiguousarray(rows, dtype=np.int64)
    sampler = open_method(graph, spec, features=True)
    degrees = bool(getattr(model, "needs_degree", False))

    def load(seeds: np.ndarray) -> Batch:
        subgraph = sampler.sample(seeds, node_type, 0)
        return mapped_ids(Batch.from_subgraph(subgraph, graph, degrees=degrees), node_ids)

    parts = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    found: list[np.ndarray] = []
    with progress(total=len(rows), desc="predict", unit="node") as bar:
        for batch in ordered_map(load, parts, SAMPLING_THREADS):
            logits: Tensor = model(batch.to(device))
            found.append(logits.float().cpu().numpy())
            bar.update(batch.num_seeds)
    if not found:
        empty: Tensor = model(load(rows).to(device))
        return empty.float().cpu().numpy()
    return np.concatenate(found)


def mapped_ids(batch: Batch, node_ids: NodeIds | None) -> Batch:
    """The batch with its ``node_id`` translated to rows of the graph that the model was trained on."""
    if node_ids is not None:
        batch.node_id = {t: torch.from_numpy(node_ids[t][rows.numpy()]) for t, rows in batch.node_id.items()}
    return batch

"""What `bench compile` measures beside each other: our model, and torch-geometric's of the same size."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from gnnctl.bench.molecules import molecules
from gnnctl.bench.peers import PEER, PEER_SORTED, peer_edges, peer_model
from gnnctl.graph.batch import Batch
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graph import Graph
from gnnctl.graph.graph_batches import graphs_batch
from gnnctl.nn import ModelOptions, build_model
from gnnctl.nn.models.registry import models
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits import Target
from gnnctl.training.graphs import columns_for
from gnnctl.training.models import model_for

if TYPE_CHECKING:
    from gnnctl.bench.compile import CompileOptions, Work

OURS, OURS_UNSORTED = "gnnctl", "gnnctl, unsorted edges"
SAMPLED_BATCHES = 8
MOLECULES = 256


@dataclass(frozen=True)
class Side:
    """One library's form of a piece of work.

    Attributes:
        module: whose parameters get gradients.
        call: of one input; gives the outputs.
        inputs: that steps take in turns.
        gradients: of the outputs, one for each input.
        compiles: whether it is measured compiled, too.
    """

    module: nn.Module
    call: Callable[[Any], Tensor]
    inputs: list[Any]
    gradients: list[Tensor]
    compiles: bool = True


def sides_of(
    name: str,
    work: "Work",
    graph: Graph,
    node_type: str,
    options: "CompileOptions",
    device: torch.device,
    notes: list[str],
) -> dict[str, Side]:
    """By name; those that cannot be measured are missing, with a note.

    Beside the whole graph with its edges sorted, ours is also measured with edges that every step brings in another
    order: sorting them is part of the step. What sees a graph at once, and gives outputs of graphs, is measured on
    molecules of its own, which stand for the graph.
    """
    if on_molecules(name):
        return {OURS: _of_molecules(name, work, options, device)}
    layers = 1 if name == "linkx" else options.layers
    torch.manual_seed(options.seed)
    model_options = ModelOptions(name=name, hidden=options.hidden, layers=layers, dropout=0.0)
    model: Any = build_model(model_options, graph.schema, node_type, options.hidden).to(device)
    model.train(work != "inference")
    batches = _sampled(graph, node_type, model, layers, options) if work == "sampled" else [_whole(graph, node_type)]
    batches = [batch.to(device) for batch in batches]
    draw = torch.Generator().manual_seed(options.seed)
    gradients = [torch.randn(b.num_seeds, options.hidden, generator=draw).to(device) for b in batches]
    found = {OURS: Side(model, model, batches, gradients)}
    if not graph.schema.is_homogeneous:
        if options.against_peer:
            notes.append(f"{PEER} was not measured: the graph has several types")
        return found
    (edge_type,) = graph.edge_types
    if work == "full":
        batch = batches[0]
        order = torch.randperm(batch.edge_index[edge_type].num_edges, generator=draw).to(device)
        coo = batch.edge_index[edge_type].coo()[:, order]

        def unsorted(coo: Tensor) -> Tensor:
            count = batch.num_nodes(node_type)
            out: Tensor = model(replace(batch, edge_index={edge_type: EdgeIndex.from_coo(coo, count)[0]}))
            return out

        found[OURS_UNSORTED] = Side(model, unsorted, [coo], gradients, compiles=False)
    if options.against_peer:
        peer = peer_model(name, batches[0].x[node_type], options.hidden, layers, notes)
        if peer is not None:
            peer = peer.to(device).train(work != "inference")
            found |= _peers(peer, [(b.x[node_type], b.edge_index[edge_type], b.num_seeds) for b in batches], gradients)
    return found


def on_molecules(name: str) -> bool:
    """Whether a model is measured on whole molecules."""
    known = models().get(name)
    return known is not None and known.whole and "graph" in known.tasks


def _of_molecules(name: str, work: "Work", options: "CompileOptions", device: torch.device) -> Side:
    graph = molecules(MOLECULES, options.seed)
    torch.manual_seed(options.seed)
    # DimeNet++'s last weights are zeros otherwise, and zeros tell nothing.
    parameters: dict[str, Any] = {"output_init": "orthogonal"} if name == "dimenet++" else {}
    model_options = ModelOptions(
        name=name, parameters=parameters, hidden=options.hidden, layers=options.layers, dropout=0.0
    )
    target = Target("graph", "value", "regression", None, 1, task="graph")
    model: Any = model_for(target, model_options, graph.schema).to(device)
    model.train(work != "inference")
    columns = columns_for(model, graph)
    order, batches = np.random.default_rng(options.seed).permutation(MOLECULES), []
    for rows in np.split(order, SAMPLED_BATCHES if work == "sampled" else 1):
        batch = graphs_batch(graph, rows, degrees=bool(getattr(model, "needs_degree", False)), columns=columns)
        prepare = getattr(model, "prepare", None)
        batches.append((batch if prepare is None else prepare(batch)).to(device))
    return Side(model, model, batches, [torch.randn(b.num_seeds, 1).to(device) for b in batches])


def _whole(graph: Graph, node_type: str) -> Batch:
    return Batch.full(graph, node_type, np.arange(graph.num_nodes(node_type), dtype=np.int64))


def _sampled(graph: Graph, node_type: str, model: Any, layers: int, options: "CompileOptions") -> list[Batch]:
    spec = SampleSpec.parse(graph, [",".join([str(options.fan_out)] * layers)], seed=options.seed)
    sampler, rng = Sampler(graph, spec), np.random.default_rng(options.seed)
    total, found = graph.num_nodes(node_type), []
    for i in range(SAMPLED_BATCHES):
        rows = rng.choice(total, min(options.batch_size, total), replace=False)
        batch = Batch.from_subgraph(sampler.sample(rows, node_type, i), graph, degrees=bool(model.needs_degree))
        found.append(model.prepare(batch))
    return found


def _peers(
    peer: nn.Module, inputs: list[tuple[Tensor | None, EdgeIndex, int]], gradients: list[Tensor]
) -> dict[str, Side]:
    def call(given: tuple[Tensor, Any, int]) -> Tensor:
        x, edges, seeds = given
        out: Tensor = peer(x, edges)[:seeds]
        return out

    plain, ordered = [], []
    for x, edges, seeds in inputs:
        shuffled, sorted_ = peer_edges(edges)
        plain.append((x, shuffled, seeds))
        ordered.append((x, sorted_, seeds))
    return {
        PEER: Side(peer, call, plain, gradients),
        # torch-geometric's own advice: its EdgeIndex is for eager mode.
        PEER_SORTED: Side(peer, call, ordered, gradients, compiles=False),
    }

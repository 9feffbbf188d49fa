"""Models over plain tensors by name, which is what a package holds."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from gnnctl.graph.batch import Batch, Degrees, LinkSeeds
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graphs import GRAPH
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.models.light_gcn_model import LightGCNModel
from gnnctl.nn.models.link_model import EdgeModel, LinkModel, PairModel, links_of
from gnnctl.nn.models.shallow import Embedding

Inputs = dict[str, Tensor]
Sizes = dict[str, Any]  # torch.export's Dim, by name of an input
_DEGREES = ("degree_src", "degree_dst", "in_edges", "loop_src", "loop_dst")


class Deployed(nn.Module):
    """A model over a graph, or a part of one, given as plain tensors.

    Inputs, T being a node type and S__R__T an edge type, as folders of a graph artifact have it; nodes are numbered
    from 0 in each type:

    - ``x/T`` (n, F) float32 features, for a type that has them;
    - ``node_id/T`` (n,) int64 rows in the training graph, for a type without, and for models that have a vector for
      every node; -1 for a node that was not there;
    - ``colptr/S__R__T`` (n of T + 1,) int64 and ``row/S__R__T`` (E,) int32: edges sorted by destination;
    - ``edge_weight/S__R__T`` (E,) float32 and ``edge_attr/S__R__T`` (E, F) float32, where the graph has them;
    - for models that count edges ``degree_src/``, ``degree_dst/``, ``in_edges/``, ``loop_src/`` and ``loop_dst/`` +
      ``S__R__T``, as :class:`~gnnctl.graph.batch.Degrees` has them;
    - ``ptr/T`` (graphs + 1,) int64, for models that see graphs whole: graph ``i`` has the nodes ``ptr[i]:ptr[i + 1]``.

    A subclass says what else there is, and what comes out; that is float32, a row for each thing that is scored.

    Args:
        model: in eval mode.
        schema: of the graph it was built for.
        finish: makes scores of logits; None leaves them.
    """

    def __init__(self, model: nn.Module, schema: GraphSchema, finish: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.model = model
        self.finish = finish
        core = getattr(model, "nodes", model)
        vectors = isinstance(core, Embedding | LightGCNModel)  # their own, in place of features
        self.nodes = {name: replace(n, features=0) if vectors else n for name, n in schema.nodes.items()}
        self.edges = {} if isinstance(core, Embedding) else schema.edges
        self.degrees = bool(getattr(model, "needs_degree", False))
        self.looks_up_nodes = bool(getattr(core, "looks_up_nodes", False))  # by rows, also where there are features
        self.whole = schema.graph_features is not None and _sees_graphs(model)

    def forward(self, inputs: Inputs) -> Tensor:
        """Scores."""
        raise NotImplementedError  # a subclass says how

    def inputs_of(self, batch: Batch) -> Inputs:
        """A batch as the forward takes it."""
        found: Inputs = {}
        for name, node in self.nodes.items():
            x = batch.x[name]
            if node.features and x is not None:
                found[f"x/{name}"] = x
            if self._identified(name):
                found[f"node_id/{name}"] = batch.node_id[name]
            if self.whole and batch.ptr is not None:
                found[f"ptr/{name}"] = batch.ptr[name]
        for t in self.edges:
            edges = batch.edge_index[t]
            found |= {f"colptr/{t.key}": edges.colptr, f"row/{t.key}": edges.row.to(torch.int32)}
            found |= _named("edge_weight", t, batch.edge_weight) | _named("edge_attr", t, batch.edge_attr)
            if self.degrees and batch.degree is not None:
                d = batch.degree[t]
                none = (torch.zeros_like(d.src), torch.zeros_like(d.dst))
                d = d._replace(src_loop=d.src_loop if d.src_loop is not None else none[0])
                d = d._replace(dst_loop=d.dst_loop if d.dst_loop is not None else none[1])
                found |= {f"{name}/{t.key}": part for name, part in zip(_DEGREES, d, strict=True) if part is not None}
        return found

    def example(self) -> Inputs:
        """Small inputs of the right kinds; all sizes differ, so that none is taken for another."""
        count = {name: 5 + i for i, name in enumerate(self.nodes)}
        found: Inputs = {}
        for name, node in self.nodes.items():
            if node.features:
                found[f"x/{name}"] = torch.zeros(count[name], node.features)
            if self._identified(name):
                found[f"node_id/{name}"] = torch.zeros(count[name], dtype=torch.int64)
            if self.whole:
                found[f"ptr/{name}"] = torch.tensor([0, 1, count[name] - 1, count[name]])
        edges = sum(count.values())
        for t, kind in self.edges.items():
            edges += 1
            colptr = torch.zeros(count[t.dst] + 1, dtype=torch.int64)
            colptr[1:] = edges
            found |= {f"colptr/{t.key}": colptr, f"row/{t.key}": torch.zeros(edges, dtype=torch.int32)}
            if kind.weighted:
                found[f"edge_weight/{t.key}"] = torch.ones(edges)
            if kind.features:
                found[f"edge_attr/{t.key}"] = torch.zeros(edges, kind.features)
            if self.degrees:
                found |= {f"{n}/{t.key}": torch.ones(count[t.src if n.endswith("_src") else t.dst]) for n in _DEGREES}
        return found

    def describe(self) -> dict[str, Any]:
        """What the inputs are, for model.json: by name dtype and shape, free sizes as None."""
        return {
            name: {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": [None, *tensor.shape[1:]]}
            for name, tensor in self.example().items()
        }

    def sizes(self, inputs: Inputs) -> Sizes:
        """The first size of each input: a number of nodes or graphs (or one more), of edges or of what is scored."""
        nodes = {name: torch.export.Dim(f"nodes_{i}", min=0) for i, name in enumerate(self.nodes)}
        edges = {t.key: torch.export.Dim(f"edges_{i}", min=0) for i, t in enumerate(self.edges)}
        graphs, scored = torch.export.Dim("graphs", min=0), torch.export.Dim("scored", min=0)
        ends = {t.key: t for t in self.edges}
        found: Sizes = {}
        for name in inputs:
            kind, _, of = name.partition("/")
            if kind in ("x", "node_id"):
                found[name] = nodes[of]
            elif kind in _DEGREES:
                found[name] = nodes[ends[of].src if kind.endswith("_src") else ends[of].dst]
            elif kind == "colptr":
                found[name] = nodes[ends[of].dst] + 1
            elif kind == "ptr":
                found[name] = graphs + 1
            elif kind == "graph_x":
                found[name] = graphs
            else:
                found[name] = edges[of] if of else scored
        return found

    def _identified(self, node_type: str) -> bool:
        return self.looks_up_nodes or not self.nodes[node_type].features

    def _batch(self, inputs: Inputs, node_type: str, num_seeds: int) -> Batch:
        x: dict[str, Tensor | None] = {}
        node_id: dict[str, Tensor] = {}
        for name, node in self.nodes.items():
            x[name] = features = inputs[f"x/{name}"] if node.features else None
            if features is None or self._identified(name):
                node_id[name] = inputs[f"node_id/{name}"]
            else:
                node_id[name] = torch.arange(features.shape[0])
        edges = {
            t: EdgeIndex(
                inputs[f"colptr/{t.key}"],
                inputs[f"row/{t.key}"],
                node_id[t.src].shape[0],
                node_id[t.dst].shape[0],
                validate=False,
            )
            for t in self.edges
        }
        return Batch(
            x=x,
            node_id=node_id,
            edge_index=edges,
            edge_weight={t: inputs.get(f"edge_weight/{t.key}") for t in edges},
            edge_attr={t: inputs.get(f"edge_attr/{t.key}") for t in edges},
            node_type=node_type,
            num_seeds=num_seeds,
            degree={t: Degrees(*(inputs[f"{name}/{t.key}"] for name in _DEGREES)) for t in edges}
            if self.degrees
            else None,
            ptr={name: inputs[f"ptr/{name}"] for name in self.nodes} if self.whole else None,
        )

    def _finished(self, logits: Tensor) -> Tensor:
        return logits if self.finish is None else self.finish(logits)


class DeployedNodes(Deployed):
    """Scores of nodes, exact for those whose whole neighbourhood, as deep as the model, is given.

    One more input: ``seeds`` (k,) int64, the nodes to score. The output is (k, outputs).

    Args:
        model, schema, finish: see :class:`Deployed`.
        node_type: of the seeds.
    """

    def __init__(
        self,
        model: nn.Module,
        schema: GraphSchema,
        node_type: str,
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(model, schema, finish)
        self.node_type = node_type

    def forward(self, inputs: Inputs) -> Tensor:
        """(k, outputs) scores of the seeds."""
        batch = self._batch(inputs, self.node_type, inputs["seeds"].shape[0])
        batch.seed_rows = inputs["seeds"]
        return self._finished(self.model(batch))

    def inputs_of(self, batch: Batch) -> Inputs:
        """A batch as the forward takes it."""
        seeds = batch.seed_rows if batch.seed_rows is not None else torch.arange(batch.num_seeds)
        return {"seeds": seeds, **super().inputs_of(batch)}

    def example(self) -> Inputs:
        """See :class:`Deployed`."""
        return {"seeds": torch.arange(3), **super().example()}


class DeployedGraphs(Deployed):
    """Scores of whole graphs, as many as are given.

    One more input, where graphs have features of their own: ``graph_x`` (graphs, F) float32. The output is
    (graphs, outputs).
    """

    def __init__(self, model: nn.Module, schema: GraphSchema, finish: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__(model, schema, finish)
        self.graph_features = schema.graph_features
        self.degrees = False  # no edge leaves a graph: its own are all there are

    def forward(self, inputs: Inputs) -> Tensor:
        """(graphs, outputs) scores."""
        first = next(iter(self.nodes))
        batch = self._batch(inputs, GRAPH, inputs[f"ptr/{first}"].shape[0] - 1)
        batch.graph_x = inputs.get("graph_x")
        return self._finished(self.model(batch))

    def inputs_of(self, batch: Batch) -> Inputs:
        """A batch as the forward takes it."""
        own = {} if batch.graph_x is None else {"graph_x": batch.graph_x}
        return {**super().inputs_of(batch), **own}

    def example(self) -> Inputs:
        """See :class:`Deployed`."""
        return {
            **super().example(),
            **({"graph_x": torch.zeros(3, self.graph_features)} if self.graph_features else {}),
        }


class DeployedLinks(Deployed):
    """Scores of pairs of nodes: of links how likely they are, of edges their labels' scores.

    Exact for pairs both ends of which have their whole neighbourhood, as deep as the model. More inputs:

    - ``src`` and ``dst`` (k,) int64, the nodes at either end;
    - ``relation`` (k,) int64, which edge type, where the model is of several;
    - ``link_attr`` (k, F) float32, where edges whose labels are predicted have features: those of each edge type in
      columns of its own, zeros in the others'.

    The output is (k,) for links, larger for likelier ones, and (k, outputs) for edges.
    """

    def __init__(self, model: PairModel, schema: GraphSchema, finish: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__(model, schema, finish)
        self.edge_types = model.edge_types
        self.link_features = model.features if isinstance(model, EdgeModel) else 0

    def forward(self, inputs: Inputs) -> Tensor:
        """(k,) or (k, outputs) scores."""
        model = cast(PairModel, self.model)
        batch, src = self._batch(inputs, self.edge_types[0].src, 0), inputs["src"]
        relation = inputs["relation"] if len(self.edge_types) > 1 else torch.zeros_like(src)
        links = LinkSeeds(relation, src, inputs["dst"], src.shape[0], attr=inputs.get("link_attr"))
        encoder: nn.Module = model.nodes
        represented = encoder.encode({}, batch.node_id) if isinstance(encoder, Embedding) else model.represent(batch)
        score = cast(LinkModel | EdgeModel, model).score
        return self._finished(score(represented, links))

    def inputs_of(self, batch: Batch) -> Inputs:
        """A batch as the forward takes it."""
        links = links_of(batch)
        found = {"src": links.src, "dst": links.dst}
        if len(self.edge_types) > 1:
            found["relation"] = links.relation
        if self.link_features and links.attr is not None:
            found["link_attr"] = links.attr
        return {**found, **super().inputs_of(batch)}

    def example(self) -> Inputs:
        """See :class:`Deployed`."""
        found = {"src": torch.zeros(3, dtype=torch.int64), "dst": torch.zeros(3, dtype=torch.int64)}
        if len(self.edge_types) > 1:
            found["relation"] = torch.zeros(3, dtype=torch.int64)
        if self.link_features:
            found["link_attr"] = torch.zeros(3, self.link_features)
        return {**found, **super().example()}


def _sees_graphs(model: nn.Module) -> bool:
    return any(bool(getattr(part, name, False)) for part in model.modules() for name in ("whole_graphs", "whole_graph"))


def _named(name: str, edge_type: EdgeType, values: Mapping[EdgeType, Tensor | None]) -> Inputs:
    value = values.get(edge_type)
    return {} if value is None else {f"{name}/{edge_type.key}": value}

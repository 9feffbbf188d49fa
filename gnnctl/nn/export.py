"""A trained model as a package of compiled code that runs without gnnctl."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.fx.experimental._config as symbolic_shapes
from torch import Tensor, nn

from gnnctl.graph.batch import Batch, Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.ops.plain import plain_operators


class Deployed(nn.Module):
    """A model over plain tensors by name, which is what a package holds.

    Inputs, T being a node type and S__R__T an edge type, as folders of a graph artifact have it; nodes are numbered
    from 0 in each type:

    - ``x/T`` (n, F) float32 features, or for a type without ``node_id/T`` (n,) int64 rows in the training graph;
    - ``colptr/S__R__T`` (n of T + 1,) int64 and ``row/S__R__T`` (E,) int32: edges sorted by destination;
    - ``edge_weight/S__R__T`` (E,) float32 and ``edge_attr/S__R__T`` (E, F) float32, where the graph has them;
    - for models that count edges ``degree_src/``, ``degree_dst/``, ``in_edges/``, ``loop_src/`` and ``loop_dst/`` +
      ``S__R__T``, as :class:`~gnnctl.graph.batch.Degrees` has them;
    - ``seeds`` (k,) int64: the nodes to score.

    The output is (k, outputs) float32. Exact for nodes whose whole neighbourhood, as deep as the model, is given.

    Args:
        model: in eval mode.
        schema: of the graph it was built for.
        node_type: of the seeds.
        finish: makes scores of logits; None leaves them.
    """

    def __init__(self, model: nn.Module, schema: GraphSchema, node_type: str, finish: Any = None) -> None:
        super().__init__()
        self.model = model
        self.schema = schema
        self.node_type = node_type
        self.finish = finish
        self.degrees = bool(getattr(model, "needs_degree", False))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """(k, outputs) scores of the seeds."""
        x: dict[str, Tensor | None] = {}
        node_id: dict[str, Tensor] = {}
        for name, node in self.schema.nodes.items():
            x[name] = inputs[f"x/{name}"] if node.features else None
            given = x[name]
            node_id[name] = inputs[f"node_id/{name}"] if given is None else torch.arange(given.shape[0])
        edges = {
            t: EdgeIndex(
                inputs[f"colptr/{t.key}"],
                inputs[f"row/{t.key}"],
                node_id[t.src].shape[0],
                node_id[t.dst].shape[0],
                validate=False,
            )
            for t in self.schema.edges
        }
        batch = Batch(
            x=x,
            node_id=node_id,
            edge_index=edges,
            edge_weight={t: inputs.get(f"edge_weight/{t.key}") for t in edges},
            edge_attr={t: inputs.get(f"edge_attr/{t.key}") for t in edges},
            node_type=self.node_type,
            num_seeds=inputs["seeds"].shape[0],
            seed_rows=inputs["seeds"],
            degree={t: Degrees(*(inputs[f"{name}/{t.key}"] for name in _DEGREES)) for t in edges}
            if self.degrees
            else None,
        )
        logits = self.model(batch)
        out: Tensor = logits if self.finish is None else self.finish(logits)
        return out

    def inputs_of(self, batch: Batch) -> dict[str, Tensor]:
        """A batch as the forward takes it."""
        seeds = batch.seed_rows if batch.seed_rows is not None else torch.arange(batch.num_seeds)
        found = {"seeds": seeds}
        for name, node in self.schema.nodes.items():
            x = batch.x[name]
            found |= {f"x/{name}": x} if node.features and x is not None else {f"node_id/{name}": batch.node_id[name]}
        for t in self.schema.edges:
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

    def example(self) -> dict[str, Tensor]:
        """Small inputs of the right kinds; all sizes differ, so that none is taken for another."""
        count = {name: 5 + i for i, name in enumerate(self.schema.nodes)}
        found = {"seeds": torch.arange(3)}
        for name, node in self.schema.nodes.items():
            rows = torch.zeros(count[name], node.features) if node.features else torch.arange(count[name])
            found[f"x/{name}" if node.features else f"node_id/{name}"] = rows
        edges = sum(count.values())
        for t, kind in self.schema.edges.items():
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


_DEGREES = ("degree_src", "degree_dst", "in_edges", "loop_src", "loop_dst")


def _named(name: str, edge_type: EdgeType, values: Mapping[EdgeType, Tensor | None]) -> dict[str, Tensor]:
    value = values.get(edge_type)
    return {} if value is None else {f"{name}/{edge_type.key}": value}


def traced(deployed: Deployed) -> torch.export.ExportedProgram:
    """The model as a graph of aten operations; the numbers of nodes, edges and seeds are free, 0 and 1 included.

    Args:
        deployed: the model, on the CPU.
    """
    inputs = deployed.example()
    free = {name: {0: size} for name, size in _sizes(deployed.schema, inputs).items()}
    sizes: Any = symbolic_shapes  # its patch() is made at run time
    with warnings.catch_warnings(), torch.no_grad(), sizes.patch(backed_size_oblivious=True):
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, about its tree specifications
        program = torch.export.export(deployed.eval(), (inputs,), dynamic_shapes=(free,), strict=False)
        plain: torch.export.ExportedProgram = program.run_decompositions(plain_operators())
    return plain


def _sizes(schema: GraphSchema, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """The first size of each input: a number of nodes (or one more), of edges or of seeds."""
    nodes = {name: torch.export.Dim(f"nodes_{i}", min=0) for i, name in enumerate(schema.nodes)}
    edges = {t.key: torch.export.Dim(f"edges_{i}", min=0) for i, t in enumerate(schema.edges)}
    ends = {t.key: t for t in schema.edges}
    found: dict[str, Any] = {}
    for name in inputs:
        kind, _, of = name.partition("/")
        if kind == "seeds":
            found[name] = torch.export.Dim("seeds", min=0)
        elif kind in ("x", "node_id"):
            found[name] = nodes[of]
        elif kind in _DEGREES:
            found[name] = nodes[ends[of].src if kind.endswith("_src") else ends[of].dst]
        else:
            found[name] = nodes[ends[of].dst] + 1 if kind == "colptr" else edges[of]
    return found


def export(deployed: Deployed, path: Path) -> dict[str, Any]:
    """Compile a model into a package that ``torch._inductor.aoti_load_package`` loads, without gnnctl.

    Args:
        deployed: the model, on the CPU.
        path: of the package, ending in ``.pt2``.

    Returns:
        What the package takes: by name dtype and shape, free sizes as null.

    Raises:
        RuntimeError: there is no C++ compiler, or the model cannot be traced.
    """
    program = traced(deployed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    return {
        name: {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": [None, *tensor.shape[1:]]}
        for name, tensor in deployed.example().items()
    }

"""Models whose outputs are of whole molecules: what a graph artifact holds of them, and the models' own options."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.dropout import dropout
from gnnctl.nn.models.attentive_fp import AttentiveFP
from gnnctl.nn.models.dimenet import KINDS as DIMENET_KINDS
from gnnctl.nn.models.dimenet import DimeNetPlusPlus
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.schnet import KINDS as SCHNET_KINDS
from gnnctl.nn.models.schnet import SchNet
from gnnctl.nn.ops import segment_reduce

Columns = Mapping[str, np.ndarray]


class MoleculeModel(nn.Module):
    """What these models share: one node type, whose nodes are atoms, and graphs, which are molecules.

    Args:
        name: of the model, for errors.
        schema: of a data set of many graphs.

    Raises:
        UsageError: another graph.
    """

    whole_graphs = True
    needs_degree = False

    def __init__(self, name: str, schema: GraphSchema) -> None:
        super().__init__()
        if schema.graph_features is None:
            raise UsageError("this is one graph, not a set of graphs", fix="ingest it with [graphs]")
        if len(schema.nodes) > 1:
            raise UsageError(f"{name} needs one node type, the atoms", fix="choose another model")
        if schema.graph_features:
            problem = f"{name} knows a molecule by its atoms alone, these have features of graphs"
            raise UsageError(problem, fix="ingest without [graphs.features], or choose another model")
        self.node_type = next(iter(schema.nodes))

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(B, out_channels) of the batch's B molecules; edges play no part in it, or all of them do."""
        if edge_mask:
            raise ValueError("edge_mask: a model of molecules has none")
        return self.outputs(batch)[0]

    def outputs(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """(B, out_channels), and what they were made from, (B, width), if that is of molecules."""
        raise NotImplementedError  # a subclass says how

    def _ptr(self, batch: Batch) -> Tensor:
        if batch.ptr is None:
            raise ValueError("the model takes whole graphs: make the batch with graphs_batch")
        return batch.ptr[self.node_type]


class AttentiveFPModel(MoleculeModel):
    """:class:`~gnnctl.nn.models.AttentiveFP` over features of atoms and of bonds.

    Args:
        options: ``hidden``, ``layers`` and ``dropout`` are used; parameter ``timesteps``, rounds over a molecule.
        schema: see :class:`MoleculeModel`; with one edge type, and features of nodes and edges.
        node_type: not used: outputs are of graphs.
        out_channels: width of the outputs.
    """

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__("attentive-fp", schema)
        if len(schema.edges) != 1:
            raise UsageError("attentive-fp needs one edge type, the bonds", fix="choose another model")
        self.edge_type, bonds = next(iter(schema.edges.items()))
        atoms = schema.nodes[self.node_type]
        for what, width in ((self.node_type, atoms.features), (f"'{self.edge_type}'", bonds.features)):
            if not width:
                raise UsageError(f"attentive-fp needs features of {what}", fix="ingest some, or choose another model")
        self.fingerprint = AttentiveFP(
            atoms.features,
            options.hidden,
            out_channels,
            edge_channels=bonds.features,
            num_layers=options.layers,
            num_timesteps=int(options.parameters.get("timesteps", 2)),
            dropout=options.dropout,
        )

    def first_parameters(self) -> list[str]:
        """Names of the parameters that atoms and bonds enter by."""
        first = ("fingerprint.lin.", "fingerprint.bond_conv.")
        return [name for name, _ in self.named_parameters() if name.startswith(first)]

    def outputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """See :class:`MoleculeModel`; made from the fingerprints (B, hidden)."""
        x, attr = batch.x[self.node_type], batch.edge_attr[self.edge_type]
        if x is None or attr is None:
            raise ValueError("the model takes features of nodes and edges, the batch has none")
        found = self.fingerprint.represent(x, batch.edge_index[self.edge_type], attr, self._ptr(batch))
        dropped = dropout(found, self.fingerprint.dropout, self.training)
        return self.fingerprint.output(dropped), found


class _AtomsModel(MoleculeModel):
    """Of kinds and places of atoms, which are kept columns of the node type.

    Args:
        name, schema: see :class:`MoleculeModel`.
        options: parameters ``positions``, three columns joined by ``+``, and ``atomic_number``.
        kinds: atomic numbers are below.
    """

    def __init__(self, name: str, options: ModelOptions, schema: GraphSchema, kinds: int) -> None:
        super().__init__(name, schema)
        self.name, self.kinds = name, kinds
        written = str(options.parameters.get("positions", "x+y+z"))
        self.positions = written.split("+")
        self.number = str(options.parameters.get("atomic_number", "atomic_number"))
        if len(self.positions) != 3 or not all(self.positions):
            raise UsageError(f"--model {name}: positions={written} are not three columns", fix="write positions=x+y+z")

    @property
    def columns(self) -> dict[str, list[str]]:
        """By node type the kept columns that a batch must have."""
        return {self.node_type: [*self.positions, self.number]}

    def check_columns(self, columns: Mapping[str, Columns], ptr: Mapping[str, np.ndarray]) -> None:
        """DataError where the columns of the whole graph, whose molecules ``ptr`` says, hold no atoms and places."""
        found = columns[self.node_type]
        number = found[self.number]
        if number.dtype.kind not in "iu":
            problem = f"{self.node_type}.{self.number} is no column of whole numbers, which atomic numbers are"
            raise DataError(problem, fix=f"name the right column: --model {self.name}:atomic_number=...")
        if len(number) and not (number.min() >= 1 and number.max() < self.kinds):
            problem = f"{self.node_type}.{self.number} has numbers from {number.min()} to {number.max()}"
            raise DataError(problem, fix=f"atomic numbers for {self.name} are from 1 to {self.kinds - 1}")
        molecule = np.repeat(np.arange(len(ptr[self.node_type]) - 1), np.diff(ptr[self.node_type]))
        places = np.column_stack([molecule, *(found[name] for name in self.positions)])
        same = len(places) - len(np.unique(places, axis=0))
        if same:
            problem = f"{same:,} rows of {self.node_type} lie where another atom of the molecule does"
            raise DataError(problem, fix=f"check {', '.join(self.positions)}")

    def _atoms(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """(N,) int64 atomic numbers, (N, 3) float32 positions, and (B + 1,) molecules."""
        found = batch.columns.get(self.node_type, {})
        if missing := [name for name in self.columns[self.node_type] if name not in found]:
            raise ValueError(f"the model takes the column '{missing[0]}' of '{self.node_type}', the batch has none")
        pos = torch.stack([found[name] for name in self.positions], 1).float()
        return found[self.number].long(), pos, self._ptr(batch)


class SchNetModel(_AtomsModel):
    """:class:`~gnnctl.nn.models.SchNet` of kinds and places of atoms.

    Args:
        options: ``hidden``, ``layers`` (interactions) and ``readout`` (sum, the default, or mean) are used; see the
            registry for its parameters.
        schema: see :class:`MoleculeModel`.
        node_type: not used: outputs are of graphs.
        out_channels: width of the outputs.
    """

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__("schnet", options, schema, SCHNET_KINDS)
        readout = options.readout or "sum"
        if readout not in ("sum", "mean"):
            raise UsageError(f"--readout {readout}: schnet takes sum or mean", fix="pass one of them")
        self.readout = cast(Literal["sum", "mean"], readout)
        if options.hidden < 2:
            raise UsageError("--hidden 1: schnet halves the width", fix="pass 2 or more")
        self.schnet = _built(
            "schnet", options, SchNet, num_interactions=options.layers, out_channels=out_channels, readout=readout
        )

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the embedding of atoms and of the first interaction."""
        first = ("schnet.embedding.", "schnet.interactions.0.")
        return [name for name, _ in self.named_parameters() if name.startswith(first)]

    def prepare(self, batch: Batch) -> Batch:
        """Look up which atoms see each other."""
        _, pos, ptr = self._atoms(batch)
        batch.made = _with_views({"near": self.schnet.edges(pos, ptr)})
        return batch

    def outputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """See :class:`MoleculeModel`; made from atoms' rows, whose readout (B, hidden // 2) stands for them."""
        z, pos, ptr = self._atoms(batch)
        atoms = self.schnet.atoms(z, pos, ptr, batch.made.get("near"))
        return self.schnet.values(z, atoms, ptr), segment_reduce(ptr, atoms, self.readout)


class DimeNetModel(_AtomsModel):
    """:class:`~gnnctl.nn.models.DimeNetPlusPlus` of kinds and places of atoms.

    Args:
        options: ``hidden`` and ``layers`` (blocks) are used; see the registry for its parameters.
        schema: see :class:`MoleculeModel`.
        node_type: not used: outputs are of graphs.
        out_channels: width of the outputs.
    """

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__("dimenet++", options, schema, DIMENET_KINDS)
        self.dimenet = _built(
            "dimenet++", options, DimeNetPlusPlus, num_blocks=options.layers, out_channels=out_channels
        )

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the embedding of edges."""
        return [name for name, _ in self.named_parameters() if name.startswith("dimenet.embedding.")]

    def prepare(self, batch: Batch) -> Batch:
        """Look up which atoms see each other, and which of those pairs do."""
        _, pos, ptr = self._atoms(batch)
        near, bonds = self.dimenet.edges(pos, ptr)
        batch.made = _with_views({"near": near, "bonds": bonds})
        return batch

    def outputs(self, batch: Batch) -> tuple[Tensor, None]:
        """See :class:`MoleculeModel`; sums over atoms and blocks, made from nothing that is a molecule's."""
        z, pos, ptr = self._atoms(batch)
        edges = (batch.made["near"], batch.made["bonds"]) if batch.made else None
        return self.dimenet(z, pos, ptr, edges), None


def _with_views(edges: dict[str, EdgeIndex]) -> dict[str, EdgeIndex]:
    for one in edges.values():
        if one.num_edges:
            one.transposed()  # which the backward pass needs
    return edges


def _built(name: str, options: ModelOptions, make: Callable[..., Any], **given: Any) -> Any:
    own = {k: v for k, v in options.parameters.items() if k not in ("positions", "atomic_number")}
    for key in ("cutoff", "max_neighbors", "num_filters", "num_gaussians"):
        if key in own and not float(own[key]) > 0:
            raise UsageError(f"--model {name}: {key} {own[key]} is not positive", fix="pass a number above 0")
    try:
        return make(hidden_channels=options.hidden, **own, **given)
    except ValueError as problem:
        raise UsageError(f"--model {name}: {problem}", fix="change its parameters") from problem

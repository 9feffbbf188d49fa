"""AttentiveFP: fingerprints of molecules by attention, between atoms and over them."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, leaky_relu

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.cells import gru
from gnnctl.nn.conv.gat import GATConv
from gnnctl.nn.conv.gate import GATEConv
from gnnctl.nn.dropout import dropout
from gnnctl.nn.models.schnet import whole
from gnnctl.nn.ops import segment_reduce


class AttentiveFP(nn.Module):
    """The model of "Pushing the Boundaries of Molecular Representation for Drug Discovery with the Graph Attention
    Mechanism" (Xiong et al., 2020).

    Rounds of attention between neighbouring atoms, the first of which sees the bonds, then of attention of the whole
    molecule to its atoms; a GRU takes what each round brings.

    Args:
        in_channels: width of the atoms' features.
        hidden_channels: width of everything between.
        out_channels: values of a molecule.
        edge_channels: width of the bonds' features.
        num_layers: rounds between atoms, at least one.
        num_timesteps: rounds over a molecule's atoms.
        dropout: of attention coefficients and of what each round brings, in training.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        *,
        edge_channels: int,
        num_layers: int = 2,
        num_timesteps: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        self.num_timesteps, self.dropout = num_timesteps, dropout
        width = hidden_channels
        self.lin = nn.Linear(in_channels, width)
        self.bond_conv = GATEConv(width, width, edge_channels=edge_channels, dropout=dropout)
        self.atom_convs = nn.ModuleList(_attention(width, dropout) for _ in range(num_layers - 1))
        self.atom_cells = nn.ModuleList(nn.GRUCell(width, width) for _ in range(num_layers))
        self.molecule_conv = _attention(width, dropout)
        self.molecule_cell = nn.GRUCell(width, width)
        self.output = nn.Linear(width, out_channels)

    def forward(self, x: Tensor, edge_index: EdgeIndex, edge_attr: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(B, out_channels) values of molecules, of what :meth:`represent` takes."""
        out = self.represent(x, edge_index, edge_attr, ptr)
        result: Tensor = self.output(dropout(out, self.dropout, self.training))
        return result

    def represent(self, x: Tensor, edge_index: EdgeIndex, edge_attr: Tensor, ptr: Tensor | None = None) -> Tensor:
        """Fingerprints of molecules.

        Args:
            x: (N, in_channels) features of atoms.
            edge_index: E bonds, each in both directions.
            edge_attr: (E, edge_channels), in their order.
            ptr: (B + 1,) int64 molecules; None: there is one.

        Returns:
            (B, hidden_channels).
        """
        ptr = whole(x) if ptr is None else ptr
        x = leaky_relu(self.lin(x))
        x = self._round(self.bond_conv(x, edge_index, edge_attr), x, self.atom_cells[0])
        for conv, cell in zip(self.atom_convs, list(self.atom_cells)[1:], strict=True):
            x = self._round(conv(x, edge_index), x, cell)
        atoms = torch.arange(x.shape[0], device=x.device, dtype=edge_index.row.dtype)
        members = EdgeIndex(ptr, atoms, x.shape[0], ptr.shape[0] - 1, validate=False)
        out = segment_reduce(ptr, x).relu()
        for _ in range(self.num_timesteps):
            out = self._round(self.molecule_conv((x, out), members), out, self.molecule_cell)
        return out

    def _round(self, brought: Tensor, state: Tensor, cell: nn.Module) -> Tensor:
        return gru(cast(nn.GRUCell, cell), dropout(elu(brought), self.dropout, self.training), state).relu()


def _attention(width: int, dropout: float) -> GATConv:
    return GATConv(width, width, dropout=dropout, negative_slope=0.01, self_loops=False)

"""SchNet: energies of molecules from kinds and places of their atoms."""

from typing import Literal

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.cf import CFConv
from gnnctl.nn.neighbors import radius_graph
from gnnctl.nn.ops import gather_dst, gather_src, segment_reduce

KINDS = 100  # of atoms; 0 stands for none


class SchNet(nn.Module):
    r"""The model of "SchNet: A Continuous-filter Convolutional Neural Network for Modeling Quantum Interactions"
    (Schütt et al., 2017).

    Each interaction adds :math:`W \, \mathrm{ssp}(\mathrm{CFConv}(h))` to the atoms' features h, with
    :math:`\mathrm{ssp}(x) = \ln(\tfrac{1}{2} e^x + \tfrac{1}{2})`; two linear layers make the values of atoms, which
    are summed or averaged over a molecule.

    Args:
        hidden_channels: width of the atoms' features.
        num_filters: width of the messages.
        num_interactions: how many there are.
        num_gaussians: that the distances are expanded in, from 0 to the cutoff.
        cutoff: distance of atoms that see each other, in the unit of the positions.
        max_neighbors: where an atom sees more, only the nearest so many take part.
        out_channels: values of a molecule.
        readout: sum or mean of the atoms' values.
        mean: added to an atom's value, after it was multiplied by ``std``.
        std: see ``mean``.
        atom_reference: (100, out_channels) by kind of atom, added to its value; learned from there; None: nothing.
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        *,
        num_filters: int = 128,
        num_interactions: int = 6,
        num_gaussians: int = 50,
        cutoff: float = 10.0,
        max_neighbors: int = 32,
        out_channels: int = 1,
        readout: Literal["sum", "mean"] = "sum",
        mean: float = 0.0,
        std: float = 1.0,
        atom_reference: Tensor | None = None,
    ) -> None:
        super().__init__()
        if readout not in ("sum", "mean"):
            raise ValueError(f"readout must be sum or mean, got {readout!r}")
        self.cutoff, self.max_neighbors, self.readout = cutoff, max_neighbors, readout
        self.mean, self.std = mean, std
        self.embedding = nn.Embedding(KINDS, hidden_channels, padding_idx=0)
        self.expansion = Gaussians(cutoff, num_gaussians)
        self.interactions = nn.ModuleList(
            Interaction(hidden_channels, num_gaussians, num_filters, cutoff) for _ in range(num_interactions)
        )
        self.hidden = glorot(nn.Linear(hidden_channels, hidden_channels // 2))
        self.output = glorot(nn.Linear(hidden_channels // 2, out_channels))
        self.activation = ShiftedSoftplus()
        self.reference = None
        if atom_reference is not None:
            self.reference = nn.Embedding(KINDS, out_channels)
            with torch.no_grad():
                self.reference.weight.copy_(atom_reference)

    def edges(self, pos: Tensor, ptr: Tensor | None = None) -> EdgeIndex:
        """The pairs of atoms that see each other; prepare them before a compiled call of the model."""
        return radius_graph(pos, self.cutoff, ptr, max_neighbors=self.max_neighbors)

    def forward(self, z: Tensor, pos: Tensor, ptr: Tensor | None = None, edge_index: EdgeIndex | None = None) -> Tensor:
        """Values of molecules.

        Args:
            z: (N,) int64 atomic numbers, below 100.
            pos: (N, 3) float positions.
            ptr: (B + 1,) int64 molecules; None: there is one.
            edge_index: what :meth:`edges` gives; None: computed here.

        Returns:
            (B, out_channels).
        """
        return self.values(z, self.atoms(z, pos, ptr, edge_index), ptr)

    def atoms(self, z: Tensor, pos: Tensor, ptr: Tensor | None = None, edge_index: EdgeIndex | None = None) -> Tensor:
        """(N, hidden_channels // 2) of the atoms, of what :meth:`forward` takes; their values are linear in it."""
        edges = self.edges(pos, ptr) if edge_index is None else edge_index
        length = torch.linalg.vector_norm(gather_src(edges, pos) - gather_dst(edges, pos), dim=-1)
        expanded = self.expansion(length)
        h = self.embedding(z)
        for interaction in self.interactions:
            h = h + interaction(h, edges, length, expanded)
        out: Tensor = self.activation(self.hidden(h))
        return out

    def values(self, z: Tensor, atoms: Tensor, ptr: Tensor | None = None) -> Tensor:
        """(B, out_channels) of molecules whose atoms are what :meth:`atoms` gives."""
        values = self.output(atoms) * self.std + self.mean
        if self.reference is not None:
            values = values + self.reference(z)
        return segment_reduce(whole(z) if ptr is None else ptr, values, self.readout)


class Interaction(nn.Module):
    """A continuous-filter convolution, shifted softplus and a linear layer."""

    def __init__(self, channels: int, num_gaussians: int, num_filters: int, cutoff: float) -> None:
        super().__init__()
        filters = nn.Sequential(
            glorot(nn.Linear(num_gaussians, num_filters)),
            ShiftedSoftplus(),
            glorot(nn.Linear(num_filters, num_filters)),
        )
        self.conv = CFConv(channels, channels, filters, num_filters=num_filters, cutoff=cutoff)
        self.activation = ShiftedSoftplus()
        self.lin = glorot(nn.Linear(channels, channels))

    def forward(self, x: Tensor, edge_index: EdgeIndex, edge_length: Tensor, edge_attr: Tensor) -> Tensor:
        """(N, channels)."""
        out: Tensor = self.lin(self.activation(self.conv(x, edge_index, edge_length, edge_attr)))
        return out


class Gaussians(nn.Module):
    """Gaussians of distances, (E,) to (E, count), their centres evenly from 0 to the cutoff and as wide as apart."""

    centre: Tensor

    def __init__(self, cutoff: float, count: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.linspace(0.0, cutoff, count), persistent=False)
        self.scale = -0.5 * ((count - 1) / cutoff) ** 2

    def forward(self, length: Tensor) -> Tensor:
        """(E, count)."""
        return torch.exp(self.scale * (length[:, None] - self.centre).square())


class ShiftedSoftplus(nn.Module):
    """Softplus minus ln 2: zero at zero."""

    def forward(self, x: Tensor) -> Tensor:
        """As x."""
        return nn.functional.softplus(x) - 0.6931471805599453


def whole(values: Tensor) -> Tensor:
    """(2,) int64: the one graph that all rows belong to."""
    return torch.arange(2, device=values.device) * values.shape[0]


def glorot(linear: nn.Linear) -> nn.Linear:
    """The layer with Glorot's weights and no bias to begin with."""
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear

"""DimeNet++: messages between atoms that know the angles between their bonds."""

from typing import Literal

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.paths import two_step_paths
from gnnctl.nn.models.dimenet_basis import BesselBasis, SphericalBasis
from gnnctl.nn.models.schnet import whole
from gnnctl.nn.neighbors import radius_graph
from gnnctl.nn.ops import gather_dst, gather_src, sddmm, segment_reduce

KINDS = 95  # of atoms


class DimeNetPlusPlus(nn.Module):
    """The model of "Fast and Uncertainty-Aware Directional Message Passing for Non-Equilibrium Molecules" (Gasteiger
    et al., 2020).

    Features live on the directed edges j -> i; in each block an edge hears the edges k -> j, k other than i, through
    their distance and the angle at j. After the embedding and after each block, edges give their part to the output of
    the atom they lead to; the outputs are summed over a molecule.

    Args:
        hidden_channels: width of the edges' features.
        out_channels: values of a molecule.
        num_blocks: of interaction.
        interaction_channels: width in which edges hear each other.
        basis_channels: width to which the bases are brought first.
        output_channels: hidden width of the outputs.
        num_spherical: orders of spherical harmonics, from 2 to 12.
        num_radial: Bessel functions of each.
        cutoff: distance of atoms that see each other, in the unit of the positions.
        max_neighbors: where an atom sees more, only the nearest so many take part.
        envelope_exponent: of the smooth cutoff.
        num_before_skip: residual layers of a block before its skip connection.
        num_after_skip: and after it.
        num_output_layers: hidden layers of the outputs.
        output_init: the last weights are zero, or orthogonal.
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        out_channels: int = 1,
        *,
        num_blocks: int = 4,
        interaction_channels: int = 64,
        basis_channels: int = 8,
        output_channels: int = 256,
        num_spherical: int = 7,
        num_radial: int = 6,
        cutoff: float = 5.0,
        max_neighbors: int = 32,
        envelope_exponent: int = 5,
        num_before_skip: int = 1,
        num_after_skip: int = 2,
        num_output_layers: int = 3,
        output_init: Literal["zeros", "orthogonal"] = "zeros",
    ) -> None:
        super().__init__()
        if output_init not in ("zeros", "orthogonal"):
            raise ValueError(f"output_init must be zeros or orthogonal, got {output_init!r}")
        self.cutoff, self.max_neighbors = cutoff, max_neighbors
        self.bessel = BesselBasis(num_radial, cutoff, envelope_exponent)
        self.spherical = SphericalBasis(num_spherical, num_radial, cutoff, envelope_exponent)
        self.embedding = EdgeEmbedding(num_radial, hidden_channels)
        self.blocks = nn.ModuleList(
            InteractionBlock(
                hidden_channels,
                interaction_channels,
                basis_channels,
                num_radial,
                num_spherical * num_radial,
                num_before_skip,
                num_after_skip,
            )
            for _ in range(num_blocks)
        )
        self.outputs = nn.ModuleList(
            OutputBlock(num_radial, hidden_channels, output_channels, out_channels, num_output_layers, output_init)
            for _ in range(num_blocks + 1)
        )

    def edges(self, pos: Tensor, ptr: Tensor | None = None) -> tuple[EdgeIndex, EdgeIndex]:
        """The pairs of atoms that see each other, and of edges that do; prepare them before a compiled call."""
        edges = radius_graph(pos, self.cutoff, ptr, max_neighbors=self.max_neighbors)
        return edges, bond_graph(edges)

    def forward(
        self,
        z: Tensor,
        pos: Tensor,
        ptr: Tensor | None = None,
        edges: tuple[EdgeIndex, EdgeIndex] | None = None,
    ) -> Tensor:
        """Values of molecules.

        Args:
            z: (N,) int64 atomic numbers, below 95.
            pos: (N, 3) float positions; no two of a molecule the same.
            ptr: (B + 1,) int64 molecules; None: there is one.
            edges: what :meth:`edges` gives; None: computed here.

        Returns:
            (B, out_channels).
        """
        atoms, bonds = self.edges(pos, ptr) if edges is None else edges
        between = gather_dst(atoms, pos) - gather_src(atoms, pos)
        length = torch.linalg.vector_norm(between, dim=-1)
        unit = between / length[:, None]
        radial = self.bessel(length)
        angular = self.spherical.angular(sddmm(bonds, unit, unit))
        spherical = (gather_src(bonds, self.spherical.radial(length)) * angular[:, :, None]).flatten(1)
        x = self.embedding(z, atoms, radial)
        out = self.outputs[0](x, atoms, radial)
        for block, output in zip(self.blocks, list(self.outputs)[1:], strict=True):
            x = block(x, bonds, radial, spherical)
            out = out + output(x, atoms, radial)
        return segment_reduce(whole(z) if ptr is None else ptr, out)


def bond_graph(edges: EdgeIndex) -> EdgeIndex:
    """Edges between edges: to each j -> i from all k -> j whose k is not i."""
    paths = two_step_paths(edges, edges)
    keep = edges.row[paths.first] != edges.col()[paths.second]
    first, second = paths.first[keep], paths.second[keep]
    ends = torch.arange(edges.num_edges + 1, device=edges.device)
    row = first.to(torch.int64 if edges.num_edges >= 2**31 else torch.int32)
    return EdgeIndex(torch.searchsorted(second, ends), row, edges.num_edges, edges.num_edges, validate=False)


class EdgeEmbedding(nn.Module):
    """Features of edges from the kinds of their atoms and their length."""

    def __init__(self, num_radial: int, channels: int) -> None:
        super().__init__()
        self.atom = nn.Embedding(KINDS, channels)
        nn.init.uniform_(self.atom.weight, -(3**0.5), 3**0.5)
        self.lin_radial = nn.Linear(num_radial, channels)
        self.lin = nn.Linear(3 * channels, channels)

    def forward(self, z: Tensor, edges: EdgeIndex, radial: Tensor) -> Tensor:
        """(E, channels)."""
        h = self.atom(z)
        of_dst, of_src, of_radial = self.lin.weight.chunk(3, dim=1)
        length = nn.functional.silu(self.lin_radial(radial))
        parts = gather_dst(edges, h @ of_dst.T) + gather_src(edges, h @ of_src.T)
        return nn.functional.silu(parts + nn.functional.linear(length, of_radial, self.lin.bias))


class Residual(nn.Module):
    """Two layers, added to what goes in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = orthogonal(channels, channels), orthogonal(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """As x."""
        return x + nn.functional.silu(self.second(nn.functional.silu(self.first(x))))


class InteractionBlock(nn.Module):
    """Edges hear those that lead to where they start."""

    def __init__(
        self, channels: int, narrow: int, basis: int, num_radial: int, num_joint: int, before: int, after: int
    ) -> None:
        super().__init__()
        self.radial = nn.Sequential(orthogonal(num_radial, basis, bias=False), orthogonal(basis, channels, bias=False))
        self.spherical = nn.Sequential(orthogonal(num_joint, basis, bias=False), orthogonal(basis, narrow, bias=False))
        self.lin_source, self.lin_own = orthogonal(channels, channels), orthogonal(channels, channels)
        self.down, self.up = orthogonal(channels, narrow, bias=False), orthogonal(narrow, channels, bias=False)
        self.before = nn.Sequential(*(Residual(channels) for _ in range(before)))
        self.lin = orthogonal(channels, channels)
        self.after = nn.Sequential(*(Residual(channels) for _ in range(after)))

    def forward(self, x: Tensor, bonds: EdgeIndex, radial: Tensor, spherical: Tensor) -> Tensor:
        """(E, channels)."""
        silu = nn.functional.silu
        heard = silu(self.down(silu(self.lin_source(x)) * self.radial(radial)))
        heard = gather_src(bonds, heard) * self.spherical(spherical)
        heard = silu(self.up(segment_reduce(bonds.colptr, heard)))
        out: Tensor = self.after(silu(self.lin(self.before(silu(self.lin_own(x)) + heard))) + x)
        return out


class OutputBlock(nn.Module):
    """Values of atoms from the edges that lead to them."""

    def __init__(self, num_radial: int, channels: int, wide: int, out_channels: int, layers: int, last: str) -> None:
        super().__init__()
        self.radial = orthogonal(num_radial, channels, bias=False)
        self.up = orthogonal(channels, wide, bias=False)
        self.hidden = nn.ModuleList(orthogonal(wide, wide) for _ in range(layers))
        self.lin = orthogonal(wide, out_channels, bias=False)
        if last == "zeros":
            nn.init.zeros_(self.lin.weight)

    def forward(self, x: Tensor, edges: EdgeIndex, radial: Tensor) -> Tensor:
        """(N, out_channels)."""
        h = self.up(segment_reduce(edges.colptr, self.radial(radial) * x))
        for layer in self.hidden:
            h = nn.functional.silu(layer(h))
        out: Tensor = self.lin(h)
        return out


def orthogonal(in_channels: int, out_channels: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer with an orthogonal matrix of variance 2 / (in + out), without bias to begin with."""
    linear = nn.Linear(in_channels, out_channels, bias=bias)
    nn.init.orthogonal_(linear.weight)
    with torch.no_grad():
        spread = linear.weight.var(correction=0).clamp(min=1e-12)
        linear.weight.mul_((2.0 / ((in_channels + out_channels) * spread)).sqrt())
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear

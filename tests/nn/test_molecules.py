"""Models of molecules, against the oracle with the same weights, and what physics asks."""

import re
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
import torch
import torch_geometric.nn as peer
from scipy.special import spherical_jn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.models import AttentiveFP, DimeNetPlusPlus, SchNet
from gnnctl.nn.models.dimenet import bond_graph
from gnnctl.nn.models.dimenet_basis import bessel_zeros, spherical_bessel
from gnnctl.nn.neighbors import radius_graph

SCHNET = {"hidden_channels": 16, "num_filters": 12, "num_interactions": 2, "num_gaussians": 10, "cutoff": 4.0}
DIMENET = {
    "hidden_channels": 16,
    "out_channels": 3,
    "num_blocks": 1,
    "num_output_layers": 1,
    "num_spherical": 4,
    "num_radial": 2,
}
PTR = torch.tensor([0, 6, 6, 15, 16])


def molecules(dtype=torch.float32):
    """Four of them, one without atoms and one with a single one."""
    draw = torch.Generator().manual_seed(5)
    return torch.randint(1, 9, (16,), generator=draw), torch.randn(16, 3, generator=draw).to(dtype) * 1.5


def in_peer_words(rules, state):
    renamed = {}
    for name, value in state.items():
        for mine, other in rules:
            name = re.sub(mine, other, name)
        renamed[name] = value
    return renamed


def randomize(model):
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def graph_of(pos, r, batch=None, max_num_neighbors=32, **_):
    return radius_graph(pos, r, None if batch is None else PTR, max_neighbors=max_num_neighbors).coo()


def schnet():
    ours = randomize(SchNet(**SCHNET))
    theirs = peer.SchNet(**SCHNET)
    rules = [("filter_network", "nn"), ("hidden", "lin1"), ("output", "lin2"), ("lin_in", "lin1"), ("lin_out", "lin2")]
    state = in_peer_words(rules, ours.state_dict())
    state |= {n.replace("conv.nn", "mlp"): v for n, v in state.items() if "conv.nn" in n}
    theirs.load_state_dict(state | {"distance_expansion.offset": ours.expansion.centre})
    return ours, theirs


def dimenet():
    extra = {"interaction_channels": 8, "basis_channels": 4, "output_channels": 12}
    ours = randomize(DimeNetPlusPlus(**DIMENET, **extra))
    theirs = peer.DimeNetPlusPlus(**DIMENET, int_emb_size=8, basis_emb_size=4, out_emb_channels=12)
    rules = [
        (r"bessel\.frequency", "rbf.freq"),
        (r"embedding\.atom", "emb.emb"),
        (r"embedding\.lin_radial", "emb.lin_rbf"),
        (r"embedding\.lin\.", "emb.lin."),
        (r"^blocks\.(\d)\.radial\.0", r"interaction_blocks.\1.lin_rbf1"),
        (r"^blocks\.(\d)\.radial\.1", r"interaction_blocks.\1.lin_rbf2"),
        (r"^blocks\.(\d)\.spherical\.0", r"interaction_blocks.\1.lin_sbf1"),
        (r"^blocks\.(\d)\.spherical\.1", r"interaction_blocks.\1.lin_sbf2"),
        (r"^blocks", "interaction_blocks"),
        (r"^outputs\.(\d)\.radial", r"output_blocks.\1.lin_rbf"),
        (r"^outputs\.(\d)\.hidden", r"output_blocks.\1.lins"),
        (r"^outputs", "output_blocks"),
        (r"lin_source", "lin_kj"),
        (r"lin_own", "lin_ji"),
        (r"\.(up|down)\.", r".lin_\1."),
        (r"\.(before|after)\.", r".layers_\1_skip."),
        (r"\.first\.", ".lin1."),
        (r"\.second\.", ".lin2."),
    ]
    theirs.load_state_dict(in_peer_words(rules, ours.state_dict()))
    return ours, theirs


def all_triplets(edge_index, num_nodes):
    """What the peer needs another package for."""
    row, col = edge_index
    pairs = [(kj, ji) for ji in range(len(row)) for kj in range(len(row)) if col[kj] == row[ji] and row[kj] != col[ji]]
    kj, ji = torch.tensor(pairs).T
    return col, row, col[ji], row[ji], row[kj], kj, ji


@pytest.mark.parametrize("make", [schnet, dimenet])
def test_the_same_energies_and_forces_as_the_oracle(make):
    ours, theirs = (model.double() for model in make())
    z, pos = molecules(torch.float64)
    pos.requires_grad_()
    batch = torch.repeat_interleave(torch.arange(4), PTR.diff())
    with (
        mock.patch("torch_geometric.nn.models.schnet.radius_graph", graph_of),
        mock.patch("torch_geometric.nn.models.dimenet.radius_graph", graph_of),
        mock.patch("torch_geometric.nn.models.dimenet.triplets", all_triplets),
    ):
        expected = theirs(z, pos, batch)
    out = ours(z, pos, PTR)
    torch.testing.assert_close(out, expected, rtol=1e-6, atol=1e-6 * float(expected.detach().abs().max()))
    weight = torch.randn_like(out)
    mine, other = (torch.autograd.grad(v, pos, weight)[0] for v in (out, expected))
    torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6 * float(other.abs().max()))


@pytest.mark.parametrize("make", [schnet, dimenet])
def test_turned_molecules_have_the_same_energy_and_one_by_one_too(make):
    model = make()[0].double()
    z, pos = molecules(torch.float64)
    before = model(z, pos, PTR)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    torch.testing.assert_close(model(z, pos @ turn + 3.0, PTR), before)
    order = torch.cat([a + torch.randperm(b - a) for a, b in pairwise(PTR.tolist())])
    torch.testing.assert_close(model(z[order], pos[order], PTR), before)
    for i in range(4):
        part = slice(PTR[i], PTR[i + 1])
        torch.testing.assert_close(model(z[part], pos[part])[0], before[i])


@pytest.mark.parametrize("make", [schnet, dimenet])
def test_compiles_whole_and_once_with_prepared_edges(make):
    torch._dynamo.reset()
    model = make()[0]
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    z, pos = molecules()
    for ptr in (torch.tensor([0, 6, 6, 10, 14]), torch.tensor([0, 5, 9, 16])):
        atoms, places = z[: int(ptr[-1])].clone(), pos[: int(ptr[-1])].clone()
        edges = model.edges(places, ptr)
        torch.testing.assert_close(compiled(atoms, places, ptr, edges), model(atoms, places, ptr))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_schnet_scales_and_shifts_by_kind_of_atom():
    reference = torch.randn(100, 1)
    plain, shifted = SchNet(**SCHNET), SchNet(**SCHNET, mean=2.0, std=3.0, atom_reference=reference)
    shifted.load_state_dict(plain.state_dict() | {"reference.weight": reference})
    z, pos = molecules()
    atoms = torch.zeros(4, 1).index_add(0, torch.repeat_interleave(torch.arange(4), PTR.diff()), 2.0 + reference[z])
    torch.testing.assert_close(shifted(z, pos, PTR), 3.0 * plain(z, pos, PTR) + atoms)
    averaged = SchNet(**SCHNET, readout="mean")
    averaged.load_state_dict(plain.state_dict())
    torch.testing.assert_close(averaged(z, pos, PTR) * PTR.diff()[:, None], plain(z, pos, PTR))


def test_spherical_bessel_functions_and_their_zeros():
    x = torch.linspace(0, 40, 2001, dtype=torch.float64).expand(9, -1)
    values, zeros = spherical_bessel(x), bessel_zeros(9, 7)
    torch.testing.assert_close(spherical_bessel(x.float()), values.float(), atol=3e-6, rtol=0)
    for order in range(9):
        np.testing.assert_allclose(values[order], spherical_jn(order, x[order].numpy()), atol=1e-12)
        np.testing.assert_allclose(spherical_jn(order, zeros[order].numpy()), 0, atol=1e-12)
        positive = spherical_jn(order, np.linspace(1e-3, float(zeros[order, -1]) + 0.1, 9999)) > 0
        assert np.diff(positive.astype(int)).astype(bool).sum() == 7  # none was left out


def test_bonds_hear_the_bonds_before_them_but_not_their_own_return():
    edges, _ = EdgeIndex.from_coo(torch.randint(0, 6, (2, 20), generator=torch.Generator().manual_seed(1)), 6)
    bonds = bond_graph(edges)
    src, dst = edges.coo()
    expected = [(a, b) for b in range(20) for a in range(20) if dst[a] == src[b] and src[a] != dst[b]]
    assert list(zip(*bonds.coo().tolist(), strict=True)) == expected


def test_attentive_fp_is_the_oracles():
    ours = randomize(AttentiveFP(5, 8, 3, edge_channels=4, num_layers=3, num_timesteps=2))
    theirs = peer.AttentiveFP(5, 8, 3, edge_dim=4, num_layers=3, num_timesteps=2)
    rules = [
        (r"^lin\.", "lin1."),
        ("^output", "lin2"),
        (r"bond_conv\.lin\.", "gate_conv.lin2."),
        (r"bond_conv\.att_src", "gate_conv.att_l"),
        (r"bond_conv\.att_dst", "gate_conv.att_r"),
        ("bond_conv", "gate_conv"),
        (r"atom_cells\.0", "gru"),
        (r"atom_cells\.1", "atom_grus.0"),
        (r"atom_cells\.2", "atom_grus.1"),
        ("molecule_conv", "mol_conv"),
        ("molecule_cell", "mol_gru"),
    ]
    state = in_peer_words(rules, ours.state_dict())
    parts = [state.pop(f"gate_conv.lin_{n}.weight") for n in ("node", "edge")]
    state["gate_conv.lin1.weight"] = torch.cat(parts, dim=1)
    theirs.load_state_dict({n: v.view_as(theirs.state_dict()[n]) for n, v in state.items()})
    x, coo = torch.randn(16, 5), torch.randint(0, 6, (2, 20))
    coo = torch.cat([coo, torch.randint(6, 15, (2, 30))], dim=1)
    attr = torch.randn(50, 4)
    edges, order = EdgeIndex.from_coo(coo, 16)
    batch = torch.repeat_interleave(torch.arange(4), PTR.diff())
    out, expected = ours(x, edges, attr[order], PTR), theirs(x, coo, attr, batch)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    mine = torch.autograd.grad(out.square().sum(), ours.lin.weight)[0]
    other = torch.autograd.grad(expected.square().sum(), theirs.lin1.weight)[0]
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)

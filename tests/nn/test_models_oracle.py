"""Whole models of layers, against the oracle's with the same weights."""

import re

import numpy as np
import pytest
import torch
import torch_geometric.nn as peer

from gnnctl.graph import Graph
from gnnctl.graph.batch import Batch
from gnnctl.nn import build_model

WIDTH, HIDDEN, OUT = 5, 8, 3
DEGREES = torch.tensor([3, 4, 8, 9, 7, 5, 2, 1, 1])


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(3)
    coo = np.unique(rng.integers(0, 40, (2, 160)), axis=1)
    return Graph.from_coo(40, coo[:, coo[0] != coo[1]], x=rng.normal(size=(40, WIDTH)))


def mine(graph, name, layers=2, **options):
    given = {"name": name, "hidden": HIDDEN, "layers": layers, "dropout": 0.0, **options}
    model = build_model(given, graph.schema, "node", OUT)
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def in_peer_words(state, rules):
    found = {}
    for name, value in state.items():
        for own, other in rules:
            name = re.sub(own, other, name)
        found[name] = value
    return found


def agree(ours, theirs, graph, rules):
    ours, theirs = ours.double(), theirs.double().eval()  # the gradient of a deviation is noisy in float32
    wanted = theirs.state_dict()
    state = in_peer_words(ours.state_dict(), rules)
    theirs.load_state_dict({name: state.get(name, value).view_as(value) for name, value in wanted.items()})
    assert state.keys() <= wanted.keys()
    batch = Batch.full(graph, "node", degrees=bool(ours.needs_degree))
    (t,) = graph.edge_types
    batch.x = {"node": batch.x["node"].double()}
    found, expected = ours(batch), theirs(batch.x["node"], batch.edge_index[t].coo())
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    first = dict(ours.named_parameters())[ours.first_parameters()[0]]
    given = in_peer_words({ours.first_parameters()[0]: first}, rules)
    (other,) = (dict(theirs.named_parameters())[name] for name in given)
    mine_grad = torch.autograd.grad(found.square().sum(), first)[0]
    grad = torch.autograd.grad(expected.square().sum(), other)[0]
    torch.testing.assert_close(mine_grad.view_as(grad), grad, rtol=1e-4, atol=1e-4)


def without_norms(model):
    """The oracle's MLPs have normalisations that cannot all be turned off."""
    for module in model.modules():
        if isinstance(module, peer.MLP):
            module.norms = torch.nn.ModuleList(torch.nn.Identity() for _ in module.norms)
    return model


LAYER = (r"layers\.(\d)\.convs\.\w+\.", r"convs.\1.")


def test_edge_cnn(graph):
    theirs = without_norms(peer.EdgeCNN(WIDTH, HIDDEN, 2, OUT))
    agree(mine(graph, "edge"), theirs, graph, [LAYER, (r"network\.0", "nn.lins.0"), (r"network\.2", "nn.lins.1")])


def test_linkx(graph):
    theirs = without_norms(peer.LINKX(40, WIDTH, HIDDEN, OUT, num_layers=2, num_node_layers=2))
    rules = [
        ("^rows", "edge_lin.weight"),
        ("^bias", "edge_lin.bias"),
        ("mix_edges", "cat_lin1"),
        ("mix_features", "cat_lin2"),
        (r"features\.0", "node_mlp.lins.0"),
        (r"features\.4", "node_mlp.lins.1"),
        (r"final\.0", "final_mlp.lins.0"),
        (r"final\.4", "final_mlp.lins.1"),
    ]
    agree(mine(graph, "linkx", 1), theirs, graph, rules)


class JumpingDNA(torch.nn.Module):
    """The paper's model of the oracle's layers."""

    def __init__(self, layers):
        super().__init__()
        self.first, self.last = torch.nn.Linear(WIDTH, HIDDEN), torch.nn.Linear(HIDDEN, OUT)
        self.convs = torch.nn.ModuleList(peer.DNAConv(HIDDEN, heads=2, groups=2) for _ in range(layers))

    def forward(self, x, coo):
        seen = self.first(x).relu()[:, None]
        for conv in self.convs:
            seen = torch.cat([seen, conv(seen, coo).relu()[:, None]], 1)
        return self.last(seen[:, -1])


def test_dna(graph):
    ours = mine(graph, "dna", 3, heads=2, parameters={"groups": 2})
    heads = [(f"{own}\\.", f"multi_head.{other}.") for own, other in (("lin_query", "lin_q"), ("lin_key", "lin_k"))]
    heads.append((r"(layers\.\d)\.lin\.", r"\1.multi_head.lin_v."))
    rules = [*heads, (r"layers\.", "convs."), ("encoder", "first"), ("output", "last")]
    agree(ours, JumpingDNA(3), graph, rules)


def test_pna(graph):
    theirs = peer.PNA(
        WIDTH, HIDDEN, 2, OUT, aggregators=["mean", "min", "max", "std"],
        scalers=["identity", "amplification", "attenuation"], deg=DEGREES,
    )  # fmt: skip
    ours = mine(graph, "pna")
    ours.fit_degrees(lambda t: DEGREES)
    degrees = [(r"aggr\.average_log", "aggr_module.avg_deg_log"), (r"aggr\.average", "aggr_module.avg_deg_lin")]
    agree(ours, theirs, graph, [LAYER, *degrees, (r"\b(pre|post)\.", r"\1_nns.")])

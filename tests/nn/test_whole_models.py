"""Models that see a whole graph at once: the oracle's numbers with the same weights, compiled or not."""

import re

import numpy as np
import pytest
import torch
import torch_geometric.nn as peer
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from gnnctl.errors import DataError, UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch
from gnnctl.nn import ModelOptions, build_model
from gnnctl.nn.models import LabelPropagation
from gnnctl.nn.models.light_gcn_model import LightGCNModel
from gnnctl.nn.models.registry import models, parse_model
from gnnctl.nn.models.spreading import Spreading
from gnnctl.parameters import defaults_of
from gnnctl.training.inference import exact_outputs
from gnnctl.training.represent import represent_all

BUYS, BOUGHT, KNOWS = (
    EdgeType("user", "buys", "item"),
    EdgeType("item", "by", "user"),
    EdgeType("user", "knows", "user"),
)


@pytest.fixture(scope="module")
def plain():
    rng = np.random.default_rng(1)
    edges = np.unique(rng.integers(0, 40, (2, 150)), axis=1)
    edges = edges[:, edges[0] != edges[1]]
    return Graph.from_coo(40, edges, x=rng.normal(size=(40, 5)), edge_weight=rng.random(edges.shape[1]))


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(2)
    buys = np.unique(np.stack([rng.integers(0, 12, 50), rng.integers(0, 9, 50)]), axis=1)
    knows = np.unique(rng.integers(0, 11, (2, 30)), axis=1)  # the last user knows nobody
    return Graph.from_coo({"user": 12, "item": 9}, {BUYS: buys, BOUGHT: buys[::-1], KNOWS: knows})


def dense_of(graph, sizes):
    """(N, N) float64 weights, destinations by sources, of all types together; and where each type begins."""
    start = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
    matrix = np.zeros((sum(sizes.values()),) * 2)
    for t, store in graph.edges.items():
        col = np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))
        weight = np.ones(len(col)) if store.weight is None else np.asarray(store.weight, np.float64)
        np.add.at(matrix, (col + start[t.dst], store.row + start[t.src]), weight)
    return matrix, start


@pytest.mark.parametrize("which", ["plain", "shop"])
def test_spreading_is_the_dense_product(request, which):
    graph = request.getfixturevalue(which)
    sizes = {t: graph.num_nodes(t) for t in graph.node_types}
    matrix, start = dense_of(graph, sizes)
    degree = matrix.sum(1)
    root = np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    rows = np.random.default_rng(0).normal(size=(len(matrix), 3))
    wanted = root[:, None] * (matrix @ (root[:, None] * rows))
    batch = Batch.full(graph, graph.node_types[0], degrees=False)
    given = {t: torch.from_numpy(rows[start[t] : start[t] + n]).requires_grad_() for t, n in sizes.items()}
    spread = Spreading(batch.edge_index, {t: None if w is None else w.double() for t, w in batch.edge_weight.items()})
    for t, found in spread(given).items():
        np.testing.assert_allclose(found.detach(), wanted[start[t] : start[t] + sizes[t]], rtol=1e-6, atol=1e-9)
    assert torch.autograd.gradcheck(lambda *h: tuple(spread(dict(zip(sizes, h, strict=True))).values()),
                                    tuple(given.values()), atol=1e-4)  # fmt: skip


def test_lightgcn_is_the_oracles_over_the_joint_graph(shop):
    torch.manual_seed(0)
    ours = LightGCNModel(ModelOptions(name="lightgcn", layers=3), shop.schema, "user", 6, towards=["user", "item"])
    theirs = peer.LightGCN(21, 6, 3)
    with torch.no_grad():
        theirs.embedding.weight.copy_(torch.cat([ours.own["user"].weight, ours.own["item"].weight]))
    matrix, _ = dense_of(shop, {"user": 12, "item": 9})
    dst, src = np.nonzero(matrix)
    coo = torch.from_numpy(np.stack([src, dst]))
    wanted = theirs.get_embedding(coo, torch.from_numpy(matrix[dst, src]).float())
    found = ours.representations(Batch.full(shop, "user", degrees=False))
    torch.testing.assert_close(torch.cat([found["user"], found["item"]]), wanted, rtol=1e-5, atol=1e-6)
    mine = torch.autograd.grad(found["user"].square().sum() + found["item"].square().sum(), ours.own["user"].weight)
    other = torch.autograd.grad(wanted.square().sum(), theirs.embedding.weight)
    torch.testing.assert_close(mine[0], other[0][:12], rtol=1e-4, atol=1e-6)


def test_lightgcn_of_users_whom_training_did_not_have(shop):
    from gnnctl.nn.models.link_model import LinkModel

    model = LinkModel(ModelOptions(name="lightgcn", hidden=4, layers=1), shop.schema, [BUYS]).eval()
    whole = represent_all(model, shop, torch.device("cpu"))
    ids = {"user": np.arange(12), "item": np.full(9, -1)}
    found = represent_all(model, shop, torch.device("cpu"), node_ids=ids)
    own = model.nodes.own["user"].weight
    assert not torch.allclose(found["user"], whole["user"])
    assert found["item"].norm() > 0  # what its buyers bring
    with torch.no_grad():
        model.nodes.own["item"].weight.zero_()
    torch.testing.assert_close(found, represent_all(model, shop, torch.device("cpu")))
    assert own.shape == (12, 4)


def test_lightgcn_needs_a_way_back():
    graph = Graph.from_coo({"user": 2, "item": 2}, {BUYS: np.array([[0, 1], [0, 1]])})
    with pytest.raises(UsageError, match=r"no edges lead back from item to user.*reverse = true"):
        LightGCNModel(ModelOptions(name="lightgcn"), graph.schema, "user", 4)


@pytest.mark.parametrize("weighted", [False, True])
def test_labels_spread_as_the_oracle_has_it(plain, weighted):
    graph = plain if weighted else Graph.from_coo(40, np.stack(_coo(plain)))
    t = graph.edge_types[0]
    model = build_model(
        {"name": "label-propagation", "layers": 7, "parameters": {"alpha": 0.7}}, graph.schema, "node", 3
    )
    rows, labels = torch.arange(0, 40, 3), torch.arange(14) % 3
    model.fit_labels(rows, labels)
    batch = Batch.full(graph, "node", degrees=False)
    y = torch.zeros(40, dtype=torch.int64)
    y[rows] = labels
    out = LabelPropagation(7, 0.7)(y, batch.edge_index[t], rows, batch.edge_weight[t])
    coo = batch.edge_index[t].coo()
    weight = batch.edge_weight[t]
    if weight is not None:  # which the oracle takes for normalised already
        weight = gcn_norm(coo, weight, 40, add_self_loops=False)[1]
    theirs = peer.LabelPropagation(7, 0.7)(y, coo, rows, weight)
    torch.testing.assert_close(out, theirs, rtol=1e-5, atol=1e-6)
    share = torch.where(theirs.sum(1, keepdim=True) > 0, theirs / theirs.sum(1, keepdim=True), labels.bincount() / 14)
    torch.testing.assert_close(model(batch).exp(), share, rtol=1e-5, atol=1e-6)
    assert model.state_dict().keys() == {"labels"}
    assert not list(model.parameters())


def test_nodes_that_no_label_reaches_get_the_shares_of_the_classes():
    graph = Graph.from_coo(4, np.array([[0, 1], [1, 0]]))
    model = build_model({"name": "label-propagation", "layers": 2}, graph.schema, "node", 2)
    model.fit_labels(torch.tensor([0, 1]), torch.tensor([1, 1]))
    found = model(Batch.full(graph, "node", np.array([2, 0]), degrees=False)).softmax(1)
    torch.testing.assert_close(found, torch.tensor([[0.0, 1.0], [0.0, 1.0]]))


def _coo(graph):
    store = next(iter(graph.edges.values()))
    return store.row, np.repeat(np.arange(len(store.colptr) - 1), np.diff(store.colptr))


def test_gps_is_the_oracles_layers(plain):
    torch.manual_seed(0)
    given = {"name": "gps", "hidden": 8, "heads": 2, "layers": 2, "dropout": 0.0, "parameters": {"local": "graph"}}
    ours = build_model(given, plain.schema, "node", 3).eval()
    names = {f"norms.{i}.": f"norm{i + 1}.module." for i in range(3)}
    names |= {"conv.lin.": "conv.lin_rel.", "conv.root.": "conv.lin_root."}
    names |= {"mlp.3.": "mlp.3.", "attn.": "attn."}
    theirs = [peer.GPSConv(8, peer.GraphConv(8, 8), heads=2).eval() for _ in range(2)]
    for layer, other in zip(ours.layers, theirs, strict=True):
        state = {}
        for name, value in layer.state_dict().items():
            for mine, word in names.items():
                if name.startswith(mine):
                    name = name.replace(mine, word, 1)
                    break
            state[name] = value
        other.load_state_dict(state)
    batch = Batch.full(plain, "node", degrees=False)
    t = plain.edge_types[0]
    h = ours.encoder(batch.x["node"])
    for other in theirs:
        h = other(h, batch.edge_index[t].coo(), edge_weight=batch.edge_weight[t])
    torch.testing.assert_close(ours(batch), ours.output(h), rtol=1e-5, atol=1e-5)
    logits, hidden = exact_outputs(ours, plain, "node", np.array([7, 3]))
    np.testing.assert_allclose(hidden, h[[7, 3]].detach(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(logits, ours(batch)[[7, 3]].detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("local", ["gin", "gcn", "gat", "pna", "gcn2", "none"])
def test_gps_over_several_local_layers_is_equivariant_and_compiles(plain, local):
    torch.manual_seed(0)
    graph = plain
    given = {"name": "gps", "hidden": 8, "heads": 2, "layers": 1, "parameters": {"local": local}}
    model = build_model(given, graph.schema, "node", 3)
    model.fit_degrees(lambda t: torch.from_numpy(np.bincount(np.diff(graph.edges[t].colptr))))
    model.eval()
    order = np.random.default_rng(0).permutation(40)  # new number of each node
    row, col = _coo(graph)
    place = np.empty(40, np.int64)
    place[order] = np.arange(40)
    store = next(iter(graph.edges.values()))
    moved = Graph.from_coo(
        40, np.stack([order[row], order[col]]), x=graph.nodes["node"].x[place], edge_weight=store.weight
    )
    before = model(Batch.full(graph, "node", degrees=False))
    after = model(Batch.full(moved, "node", degrees=False))
    torch.testing.assert_close(after[order], before, rtol=1e-4, atol=1e-5)
    if local in ("gin", "none"):
        torch._dynamo.reset()
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(Batch.full(graph, "node", degrees=False)), before)


def test_parameters_of_molecule_models_are_their_constructors(plain):
    from gnnctl.nn.models import DimeNetPlusPlus, SchNet

    for name, cls in (("schnet", SchNet), ("dimenet++", DimeNetPlusPlus)):
        theirs = defaults_of(cls.__init__, ("self",))
        for key, value in models()[name].parameters.items():
            if key not in ("positions", "atomic_number"):
                assert theirs[key] == value, key


@pytest.mark.parametrize("name", [n for n, model in models().items() if model.of_graphs])
def test_models_of_molecules_want_sets_of_graphs(plain, name):
    with pytest.raises(UsageError, match="this is one graph, not a set of graphs"):
        build_model({"name": name}, plain.schema, "node", 1)


def test_what_is_elsewhere_is_said():
    with pytest.raises(UsageError, match=re.escape("pass --objective vgae")):
        parse_model("vgae")


def test_atoms_beyond_the_table_are_refused():
    from gnnctl.graph.types import GraphSchema, NodeSchema

    schema = GraphSchema({"atom": NodeSchema(3, 0)}, {}, graph_features=0)
    model = build_model({"name": "dimenet++", "layers": 1, "hidden": 8}, schema, "atom", 1)
    columns = {"atom": {name: np.zeros(3, np.float32) for name in "xyz"}}
    for numbers in ([0, 1, 2], [1, 95, 2]):
        columns["atom"]["atomic_number"] = np.array(numbers)
        with pytest.raises(DataError, match=r"atomic numbers for dimenet[+][+] are from 1 to 94"):
            model.check_columns(columns, {"atom": np.array([0, 3])})
    columns["atom"]["atomic_number"] = np.array([1, 2, 3])
    with pytest.raises(DataError, match="2 rows of atom lie where another atom"):
        model.check_columns(columns, {"atom": np.array([0, 3])})
    model.check_columns(columns, {"atom": np.array([0, 1, 2, 3])})

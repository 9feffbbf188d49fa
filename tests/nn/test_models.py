"""Whole models: trimming, reachability, typed graphs, layer by layer."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torch_geometric.nn as peer

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch
from gnnctl.nn import ModelOptions, build_model
from gnnctl.nn.models.convolutions import CONVS
from gnnctl.nn.models.jump import Jump
from gnnctl.nn.models.registry import models
from gnnctl.nn.models.rounds import KINDS
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.training.layerwise import Layerwise

AB, BA, AA, CA = (EdgeType(*t.split()) for t in ("a to b", "b back a", "a to a", "c to a"))
ALL = {name: model for name, model in models().items() if not model.whole}
TYPED = [name for name, model in ALL.items() if model.graphs != "one type" and not model.needs_edge_attr]
ONE_TYPE = [name for name, model in ALL.items() if model.graphs != "typed"]
ANY = [*(("typed", name) for name in TYPED), *(("plain", name) for name in ONE_TYPE)]


def random_edges(rng, num_src, num_dst, count):
    return np.stack([rng.integers(0, num_src, count), rng.integers(0, num_dst, count)])


@pytest.fixture(scope="module")
def typed():
    rng = np.random.default_rng(0)
    return Graph.from_coo(
        {"a": 200, "b": 100, "c": 30},
        {
            AB: random_edges(rng, 200, 100, 800),
            BA: random_edges(rng, 100, 200, 800),
            AA: random_edges(rng, 200, 200, 900),
            CA: random_edges(rng, 30, 200, 60),
        },
        x={"a": rng.normal(size=(200, 5)), "c": rng.normal(size=(30, 3))},
        edge_weight={AB: rng.random(800)},
        edge_attr={AA: rng.random((900, 3))},
    )


@pytest.fixture(scope="module")
def plain():
    rng = np.random.default_rng(1)
    edges, x = random_edges(rng, 200, 200, 1200), rng.normal(size=(200, 5))
    return Graph.from_coo(200, edges, x=x, edge_attr=rng.random((1200, 3)))


def model_of(graph, name, node_type, **options):
    torch.manual_seed(0)
    layers = 1 if name == "linkx" else 2
    given = {"name": name, "hidden": 16, "heads": 4, "layers": layers, "norm": "layer", "residual": True, **options}
    return build_model(given, graph.schema, node_type, 7).eval()


def sampled(graph, fan_out, rows, node_type):
    spec = SampleSpec(dict.fromkeys(graph.edge_types, fan_out))
    subgraph = Sampler(graph, spec).sample(np.array(rows), node_type, 0)
    return Batch.from_subgraph(subgraph, graph, degrees=True)


class Watched(ModelOptions):
    """Options that know which of them were read."""

    def __getattribute__(self, name):
        object.__getattribute__(self, "__dict__").setdefault("read", set()).add(name)
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("name", [*CONVS, *KINDS, "mlp", "linkx", "dna"])
def test_a_model_reads_the_options_that_it_makes_use_of_and_no_other(plain, name):
    bare = Graph.from_coo(9, np.zeros((2, 4), np.int64), edge_attr=np.zeros((4, 3)))
    used, found = ALL[name].used("node"), set()
    for graph, given in ((plain, {}), (bare, {}), (plain, {"jump": "cat", "order": "pre"})):
        if not set(given) <= used or (graph is bare and name in ("mlp", "linkx")):
            continue
        options = Watched(name=name, hidden=8, heads=2, layers=ALL[name].layers, **given)
        vars(options)["read"].clear()
        build_model(options, graph.schema, "node", 3)
        found |= vars(options)["read"]
    found &= {one.name for one in fields(ModelOptions)}
    assert used - {"name", "parameters", "layers"} <= found
    assert found - used <= {"aggr", "name", "parameters", "layers"}  # aggr is looked at, to be refused


@pytest.mark.parametrize(("which", "name"), [pair for pair in ANY if pair[1] != "mlp"])
@pytest.mark.parametrize("fan_out", [(3, 2), (3, 2, 2), (4,)])
def test_trimming_changes_no_number(request, name, which, fan_out):
    graph = request.getfixturevalue(which)
    node_type = graph.node_types[0]
    batch = sampled(graph, fan_out, range(10, 20), node_type)
    model = model_of(graph, name, node_type)
    whole = replace(batch, node_counts=None, edge_counts=None, seed_rows=torch.arange(10))
    outputs, gradients = [], []
    for given in (batch, whole, model.prepare(replace(batch, layers={}))):
        out = model(given)
        model.zero_grad()
        out.square().sum().backward()
        outputs.append(out)
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for out, grads in zip(outputs[1:], gradients[1:], strict=True):
        torch.testing.assert_close(out, outputs[0])
        for a, b in zip(gradients[0], grads, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("which", "name"), ANY)
def test_a_full_fan_out_gives_the_whole_graph_s_output(request, name, which):
    graph = request.getfixturevalue(which)
    node_type = graph.node_types[0]
    model = model_of(graph, name, node_type)
    rows = np.array([7, 3, 150])
    whole = model(Batch.full(graph, node_type, rows))
    torch.testing.assert_close(model(sampled(graph, (-1, -1), rows, node_type)), whole)


@pytest.mark.parametrize(("which", "name"), ANY)
def test_layer_by_layer_equals_forward(request, which, name):
    graph = request.getfixturevalue(which)
    node_type = graph.node_types[0]
    model = model_of(graph, name, node_type)
    logits, _ = Layerwise(model, graph, torch.device("cpu"), edge_budget=50).run(node_type, np.arange(20))
    torch.testing.assert_close(torch.from_numpy(logits), model(Batch.full(graph, node_type, np.arange(20))))


def test_only_types_that_reach_the_target_are_computed(typed):
    model = model_of(typed, "sage", "b", layers=2)
    assert model.needed == [["a", "b", "c"], ["a", "b"], ["b"]]
    assert set(model.layers[1].convs) == {AB.key}
    one = model_of(typed, "sage", "b", layers=1)
    assert set(one.encoders) == {"a", "b"}


@pytest.mark.filterwarnings("ignore:There exist node types:UserWarning")
def test_a_typed_layer_is_the_sum_over_edge_types(typed):
    model = model_of(typed, "sage", "a", layers=1, norm="none", residual=False)
    batch = Batch.full(typed, "a", degrees=False)
    batch.edge_weight = dict.fromkeys(batch.edge_weight)
    layer = model.layers[0]
    theirs = {}
    for t in (BA, AA, CA):
        conv = peer.SAGEConv(16, 16, bias=False, root_weight=False)
        conv.lin_l.weight.data = layer.convs[t.key].lin.weight.data.clone()
        theirs[tuple(t)] = conv
    h = model.encode(batch.x, batch.node_id)
    found = peer.HeteroConv(theirs, aggr="sum")(h, {tuple(t): e.coo() for t, e in batch.edge_index.items()})["a"]
    expected = model.head((found + layer.roots["a"](h["a"])).relu())
    torch.testing.assert_close(model(batch), expected)


def test_published_gcn_is_two_convolutions_and_nothing_else(plain):
    model = model_of(plain, "gcn", "node", norm="none", residual=False)
    batch = Batch.full(plain, "node")
    coo = batch.edge_index[plain.edge_types[0]].coo()
    assert (coo[0] == coo[1]).any()
    h = batch.x["node"]
    for i, layer in enumerate(model.layers):
        mine = layer.convs[plain.edge_types[0].key]
        conv = peer.GCNConv(*mine.lin.weight.shape[::-1])
        conv.lin.weight.data, conv.bias.data = mine.lin.weight.data, mine.bias.data
        h = conv(h, coo)
        h = h.relu() if i == 0 else h
    torch.testing.assert_close(model(batch), h)
    assert sum(p.numel() for p in model.parameters()) == 5 * 16 + 16 + 16 * 7 + 7


def test_a_node_that_the_graph_did_not_have_gets_the_shared_vector(typed):
    model = model_of(typed, "sage", "b")
    torch.nn.init.normal_(model.encoders["b"].own.weight)
    ids = torch.tensor([-1, 100, 10**6, 3])
    h = model.encoders["b"](ids)
    assert torch.equal(h[0], h[1])
    assert torch.equal(h[0], h[2])
    assert not torch.equal(h[0], h[3])


def test_masks_reach_every_layer(typed):
    model = model_of(typed, "gat", "a", layers=2)
    batch = sampled(typed, (5, 5), [1, 2], "a")
    mask = {t: torch.ones(e.num_edges, requires_grad=True) for t, e in batch.edge_index.items()}
    out = model(batch, edge_mask=mask)
    torch.testing.assert_close(out, model(batch))
    out.square().sum().backward()
    assert all(mask[t].grad.abs().sum() > 0 for t in (BA, AA, AB))


def test_types_without_nodes_or_edges_in_a_batch(typed):
    for name in TYPED:
        model = model_of(typed, name, "c", norm="batch").train()
        out = model(sampled(typed, (2, 2), [4], "c"))
        out.sum().backward()
        assert out.shape == (1, 7)


def test_a_sampled_batch_without_degrees_is_refused(typed):
    batch = replace(sampled(typed, (2,), [0], "a"), degree=None)
    with pytest.raises(ValueError, match="degrees=True"):
        model_of(typed, "gcn", "a")(batch)


def test_a_model_by_import_path(typed, tmp_path, monkeypatch):
    (tmp_path / "net_elsewhere.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n"
        "    def __init__(self, schema, node_type, out_channels, options):\n"
        "        super().__init__()\n"
        "        self.lin = torch.nn.Linear(schema.nodes[node_type].features, out_channels)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert build_model({"name": "net_elsewhere:Net"}, typed.schema, "a", 3).lin.out_features == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "gnn"}, "there is no 'gnn'.*--list-models"),
        ({"name": "nowhere:Net"}, "cannot import nowhere:Net"),
        ({"name": "gat", "hidden": 10}, "cannot be shared by 8 heads"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"norm": "group"}, "norm cannot be 'group'"),
        ({"wide": 1}, "no such model option: wide"),
        ({"encode": False}, "encode false"),
        ({"name": "nn"}, "nn needs edge features"),
        ({"name": "sgc"}, "one node type and one edge type"),
        ({"name": "linkx"}, "one node type with features"),
    ],
)
def test_options_that_do_not_fit_are_named(typed, options, message):
    with pytest.raises(UsageError, match=message):
        build_model(options, typed.schema, "a", 3)


def test_an_unknown_target_is_named(typed):
    for name in ("sage", "mlp"):
        with pytest.raises(UsageError, match="no node type 'd'"):
            build_model({"name": name}, typed.schema, "d", 3)
    with pytest.raises(UsageError, match="needs features"):
        build_model({"name": "mlp"}, typed.schema, "b", 3)


def test_options_survive_json():
    options = ModelOptions(name="gat", hidden=64, norm="batch")
    assert ModelOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize("name", ONE_TYPE)
def test_names_of_the_first_parameters(plain, name):
    model = model_of(plain, name, "node")
    first = set(model.first_parameters())
    assert first
    assert first <= {n for n, _ in model.named_parameters()}


@pytest.mark.parametrize(
    "options", [{"jump": "cat"}, {"jump": "max"}, {"jump": "lstm"}, {"order": "pre"}, {"order": "pre", "jump": "cat"}]
)
@pytest.mark.parametrize("which", ["typed", "plain"])
def test_what_layers_remember_survives_trimming_and_layer_by_layer(request, which, options):
    graph = request.getfixturevalue(which)
    node_type = graph.node_types[0]
    model = model_of(graph, "sage", node_type, layers=3, residual=True, **options)
    batch = sampled(graph, (3, 2, 2), range(10, 20), node_type)
    whole = replace(batch, node_counts=None, edge_counts=None, seed_rows=torch.arange(10))
    torch.testing.assert_close(model(batch), model(whole))
    full = Batch.full(graph, node_type, np.arange(20))
    logits, _ = Layerwise(model, graph, torch.device("cpu"), edge_budget=50).run(node_type, np.arange(20))
    torch.testing.assert_close(torch.from_numpy(logits), model(full))


@pytest.mark.parametrize("kind", ["cat", "max", "lstm"])
def test_jumping_knowledge_is_the_oracle_s(kind):
    ours, theirs = Jump(kind, 4, 3), peer.JumpingKnowledge(kind, channels=4, num_layers=3)
    if kind == "lstm":
        theirs.load_state_dict({f"{name}": value for name, value in ours.state_dict().items()})
    layers = [torch.randn(7, 4) for _ in range(3)]
    torch.testing.assert_close(ours(layers), theirs(layers))


def test_pre_activation_blocks_are_the_oracle_s(plain):
    """DeepGCNs' res+: norm, activation and dropout, then the convolution, then the input on top."""
    model = model_of(plain, "sage", "node", layers=2, residual=True, order="pre")
    batch = Batch.full(plain, "node")
    t = plain.edge_types[0]
    batch.edge_weight = {t: None}
    h = model.encode(batch.x, batch.node_id)["node"]
    for layer in model.layers:
        conv = lambda x, layer=layer: layer.convs[t.key](x, batch.edge_index[t])  # noqa: E731
        block = peer.DeepGCNLayer(None, layer.norms["node"].layer, torch.nn.ReLU(), block="res+", dropout=0.0)
        block.conv = conv
        h = block.eval()(h)
    expected = model.output(model.last_norm(h).relu())
    torch.testing.assert_close(model(batch), expected)


@pytest.mark.parametrize("options", [{}, {"aggr": "max"}, {"jump": "cat", "order": "pre"}])
def test_many_relations_together_give_the_numbers_of_one_after_the_other(typed, monkeypatch, options):
    batch = sampled(typed, (3, 2), range(10, 20), "a")
    found, gradients = [], []
    for least in (1, 1000):
        monkeypatch.setattr("gnnctl.nn.models.layer.LEAST_RELATIONS", least)
        model = model_of(typed, "sage", "a", norm="none", **options)
        assert (model.layers[0].together is None) == (least == 1000)
        out = model(model.prepare(replace(batch, layers={})))
        out.square().sum().backward()
        found.append(out)
        gradients.append({n: p.grad for n, p in model.encoders.named_parameters() if p.grad is not None})
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-6 * float(found[1].detach().abs().max()))
    for name, mine in gradients[0].items():
        torch.testing.assert_close(mine, gradients[1][name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{"num_bases": 2}, {"num_blocks": 4}])
def test_rgcn_decompositions_are_parameters_of_the_model(typed, options):
    model = model_of(typed, "rgcn", "a", parameters=options)
    plain = model_of(typed, "rgcn", "a")
    assert model.layers[0].together.weight.numel() < plain.layers[0].together.weight.numel()
    assert model(sampled(typed, (3, 2), [1], "a")).shape == (1, 7)


def test_han_weighs_relations_by_what_training_saw(typed):
    model = model_of(typed, "han", "a")
    averages = [layer.together.conv.average for layer in model.layers]
    before = [a.clone() for a in averages]
    batch = sampled(typed, (3, 2), range(9), "a")
    model(batch)
    assert all(torch.equal(a, b) for a, b in zip(averages, before, strict=True))
    model.train()(batch)
    assert all((a != b).any() for a, b in zip(averages, before, strict=True))

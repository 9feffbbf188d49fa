"""Models of whole graphs: a graph's output is its own, whatever graphs are beside it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch_geometric.nn as peer

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import Graph
from gnnctl.graph.graph_batches import graphs_batch
from gnnctl.graph.graphs import GraphSet
from gnnctl.graph.stores import NodeStore
from gnnctl.nn.models import ModelOptions, build_model
from gnnctl.nn.models.graph_model import GraphModel
from gnnctl.nn.models.registry import models
from gnnctl.training.graphs import columns_for
from gnnctl.training.inference import exact_outputs

sys.path.insert(0, str(Path(__file__).parents[1] / "graph"))
import itertools

from test_graph_batches import many

POOLS = (peer.global_add_pool, peer.global_mean_pool, peer.global_max_pool)
TYPED = [(4, 1), (3, 2), (5, 0), (1, 1), (6, 3)]


def plain(sizes=(4, 3, 5, 0, 6), seed=0, features=3):
    rng = np.random.default_rng(seed)
    ptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    edges = [np.zeros((2, 0), np.int64)] + [
        rng.integers(a, b, (2, 2 * (b - a))) for a, b in itertools.pairwise(ptr) if a < b
    ]
    x = rng.normal(size=(int(ptr[-1]), features)).astype(np.float32) if features else None
    return Graph.from_coo(
        int(ptr[-1]), np.concatenate(edges, 1), x=x, graphs=GraphSet(NodeStore(len(sizes)), {"node": ptr})
    )


def model(graph, name="gin", out=2, **options):
    torch.manual_seed(0)
    made = GraphModel(ModelOptions(name=name, hidden=8, heads=2, **options), graph.schema, out)
    return made.eval()


@pytest.mark.parametrize("name", ["gin", "sage", "gcn", "gat", "sgc", "mlp", "appnp", "pna", "gps", "graph-unet"])
@pytest.mark.parametrize("readout", [None, "mean,max", "attentional", "sort:k=3"])
def test_a_graph_does_not_depend_on_those_beside_it(name, readout):
    graph = plain()
    made = model(graph, name, readout=readout)
    rows = np.array([2, 0, 4, 3, 1])
    together = made(graphs_batch(graph, rows, degrees=made.needs_degree))
    alone = [made(graphs_batch(graph, rows[i : i + 1], degrees=made.needs_degree)) for i in range(5)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert together.shape == (5, 2)


TYPED_MODELS = [
    name
    for name, m in models().items()
    if m.graphs == "any" and "graph" in m.tasks and not m.needs_edge_attr and name != "mlp"
]


@pytest.mark.parametrize("name", TYPED_MODELS)
def test_every_node_type_and_the_graphs_own_features_count(name):
    graph = many(TYPED)
    made = model(graph, name)
    rows = np.arange(5)
    batch = graphs_batch(graph, rows, degrees=True)
    before = made(batch)
    alone = [made(graphs_batch(graph, rows[i : i + 1], degrees=True)) for i in rows]
    torch.testing.assert_close(before, torch.cat(alone))
    own = replace(batch, graph_x=batch.graph_x + 1)
    assert not torch.allclose(made(own), before)
    atoms = replace(batch, x={**batch.x, "atom": batch.x["atom"] + 1})
    assert not torch.allclose(made(atoms), before)
    rings = replace(batch, ptr={**batch.ptr, "ring": torch.tensor([0, 7, 7, 7, 7, 7])})
    assert not torch.allclose(made(rings), before)


def test_gin_sums_and_others_average_unless_told():
    graph = plain()
    batch = graphs_batch(graph, np.arange(5))
    for name, readout in (("gin", "sum"), ("sage", "mean")):
        torch.testing.assert_close(
            model(graph, name)(batch), model(graph, name, readout=readout)(batch), rtol=0, atol=0
        )
        other = {"sum": "mean", "mean": "sum"}[readout]
        assert not torch.allclose(model(graph, name)(batch), model(graph, name, readout=other)(batch))


def test_the_readout_is_the_peers_over_the_same_representations():
    graph = plain()
    batch = graphs_batch(graph, np.arange(5))
    made = model(graph, "gin", readout="sum,mean,max")
    h = made._of_nodes(batch, None)["node"]
    group = torch.repeat_interleave(torch.arange(5), batch.ptr["node"].diff())
    pooled = [pool(h, group, 5) for pool in POOLS]
    expected = made.output(made.hidden(torch.cat(pooled, 1)))
    found = made(batch)
    full = batch.ptr["node"].diff() > 0  # a maximum of nothing is a matter of taste
    torch.testing.assert_close(found[full], expected[full])


def test_nodes_without_features_share_one_vector():
    graph = plain(features=0)
    made = model(graph)
    assert sum(p.numel() for n, p in made.named_parameters() if "encoders" in n) == 8
    doubled = plain(sizes=(4, 3, 5, 0, 6, 4), features=0)
    made.load_state_dict(model(doubled).state_dict())


def test_one_step_compiles_as_one_graph_for_batches_of_any_size():
    graph = plain(sizes=(4, 3, 5, 2, 6))
    made = model(graph)
    compiled = torch.compile(made, backend="aot_eager", dynamic=True, fullgraph=True)
    with torch.no_grad():
        for rows in (np.array([0, 1]), np.array([2, 3, 4]), np.array([4, 1, 0, 2])):
            batch = graphs_batch(graph, rows)
            torch.testing.assert_close(compiled(batch), made(batch))


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (Graph.from_coo(3, np.zeros((2, 0), np.int64)), {}, r"one graph, not a set of graphs"),
        (plain(), {"name": "linkx"}, "graphs share none"),
        (plain(), {"name": "embedding"}, "graphs share no nodes"),
        (many(TYPED), {"name": "mlp"}, "outputs of one node type"),
    ],
)
def test_what_does_not_go_with_graphs_says_so(graph, options, message):
    with pytest.raises(UsageError, match=message):
        model(graph, **options)


def test_an_unknown_readout_is_named():
    with pytest.raises(UsageError, match=r"--readout 'summ'.*got 'summ'"):
        ModelOptions(readout="summ")


@pytest.mark.parametrize("name", ["gps", "graph-unet"])
def test_nodes_of_many_graphs_see_their_own_graph_alone(name):
    graph = plain()
    torch.manual_seed(0)
    made = build_model({"name": name, "hidden": 8, "heads": 2, "layers": 2}, graph.schema, "node", 2).eval()
    together = made(Batch.full(graph, "node", degrees=False))
    for g in range(5):
        batch = graphs_batch(graph, np.array([g]))
        rows = slice(*graph.graphs.ptr["node"][g : g + 2])
        alone = made(replace(batch, node_type="node", num_seeds=batch.num_nodes("node")))
        torch.testing.assert_close(together[rows], alone)


def molecules(sizes=(4, 3, 5, 1, 6)):
    rng = np.random.default_rng(0)
    n = sum(sizes)
    columns = {name: rng.normal(size=n) * 2 for name in "xyz"} | {"atomic_number": rng.integers(1, 9, n)}
    ptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    graph = Graph.from_coo(
        n,
        np.zeros((2, 0), np.int64),
        columns={"node": pa.table(columns)},
        graphs=GraphSet(NodeStore(len(sizes)), {"node": ptr}),
    )
    return graph, columns


@pytest.mark.parametrize("name", ["schnet", "dimenet++"])
def test_molecules_are_what_their_columns_say_prepared_or_not(name):
    graph, columns = molecules()
    torch.manual_seed(0)
    own = {"output_init": "orthogonal"} if name == "dimenet++" else {"cutoff": 4.0}
    made = build_model({"name": name, "hidden": 8, "layers": 1, "parameters": own}, graph.schema, "node", 2)
    rows = np.array([3, 0, 4])
    batch = graphs_batch(graph, rows, columns=columns_for(made, graph))
    gradients = []
    for given in (batch, made.prepare(replace(batch))):
        out = made(given.to("cpu"))
        gradients.append(torch.autograd.grad(out.square().sum(), next(made.parameters()))[0])
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[0].abs().max() > 0
    found, hidden = exact_outputs(made, graph, "node", rows)
    np.testing.assert_allclose(found, out.detach(), rtol=1e-5, atol=1e-5)
    assert (hidden is None) == (name == "dimenet++")
    pos = torch.tensor(np.stack([columns[c][:4] for c in "xyz"], 1)).float()
    inner = getattr(made, name.rstrip("+"))
    alone = inner(torch.tensor(columns["atomic_number"][:4]), pos)
    torch.testing.assert_close(alone[0], out[1], rtol=1e-4, atol=1e-5)

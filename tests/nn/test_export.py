"""Exported models: plain aten operations, the same numbers for any sizes, and packages that know no gnnctl."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gnnctl.nn.ops  # noqa: F401
from gnnctl.bench.molecules import molecules
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch, LinkSeeds
from gnnctl.graph.graph_batches import graphs_batch
from gnnctl.nn import build_model
from gnnctl.nn.decoders.registry import DecoderOptions
from gnnctl.nn.export import DeployedGraphs, DeployedLinks, DeployedNodes, compiled, traced
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.link_model import EdgeModel, LinkModel
from gnnctl.nn.models.registry import models
from gnnctl.nn.ops.plain import plain_operators
from gnnctl.splits import Target
from gnnctl.training.models import model_for

sys.path.insert(0, str(Path(__file__).parents[1] / "graph"))
from test_graph_batches import many as typed_graphs

AB, BA = EdgeType("a", "to", "b"), EdgeType("b", "back", "a")


def plain(nodes=60, edges=300, seed=0):
    rng = np.random.default_rng(seed)
    return Graph.from_coo(
        nodes, rng.integers(0, nodes, (2, edges)), x=rng.normal(size=(nodes, 5)), edge_attr=rng.random((edges, 2))
    )


def typed(nodes=60, edges=300, seed=0):
    rng = np.random.default_rng(seed)
    ends = np.stack([rng.integers(0, nodes, edges), rng.integers(0, 20, edges)])
    return Graph.from_coo(
        {"a": nodes, "b": 20}, {AB: ends, BA: ends[::-1]}, x={"a": rng.normal(size=(nodes, 5))},
        edge_weight={AB: rng.random(edges)}, edge_attr={BA: rng.random((edges, 2))},
    )  # fmt: skip


def many(nodes=60, edges=300, seed=0):
    """So many relations that they run as one."""
    rng = np.random.default_rng(seed)
    types = [EdgeType("a", f"r{i}", "b") for i in range(5)] + [EdgeType("b", f"r{i}", "a") for i in range(5)]
    ends = {t: [nodes if name == "a" else 20 for name in (t.src, t.dst)] for t in types}
    coo = {t: np.stack([rng.integers(0, n, edges // 10) for n in pair]) for t, pair in ends.items()}
    return Graph.from_coo({"a": nodes, "b": 20}, coo, x={"a": rng.normal(size=(nodes, 5))})


def options(name, **given):
    torch.manual_seed(0)
    return ModelOptions(**{"name": name, "hidden": 16, "heads": 2, "layers": 1 if name == "linkx" else 2, **given})


def of_nodes(graph, name, **given):
    node_type = graph.node_types[0]
    model = build_model(options(name, **given), graph.schema, node_type, 3)
    return DeployedNodes(model, graph.schema, node_type).eval()


def of_links(graph, name, decoder, edge_types):
    own = options(name, layers=1)
    if decoder == "label":
        return DeployedLinks(EdgeModel(own, graph.schema, edge_types, 3).eval(), graph.schema)
    chosen = DecoderOptions(decoder, reciprocal=decoder == "distmult")
    return DeployedLinks(LinkModel(own, graph.schema, edge_types, chosen).eval(), graph.schema)


def linked(graph, edge_types, pairs):
    """A batch of the whole graph and of so many pairs."""
    rng = np.random.default_rng(0)
    relation, src, dst = (torch.from_numpy(rng.integers(0, n, pairs)) for n in (len(edge_types), 20, 20))
    batch = Batch.full(graph, edge_types[0].src)
    batch.links = LinkSeeds(relation, src, dst, pairs, attr=torch.from_numpy(rng.random((pairs, 2), np.float32)))
    return batch


def agrees(program, served, batch):
    inputs = served.inputs_of(batch)
    found = program.module()(inputs)
    torch.testing.assert_close(found, served(inputs), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found, served.model(batch), rtol=1e-5, atol=1e-6)


def knows_no_gnnctl(program):
    return not [n for n in program.graph.nodes if n.op == "call_function" and "gnnctl" in str(n.target)]


# One of each way to compute: sums, degrees, attention, minimum and maximum, rounds, own rows, no edges, all to all.
NODES = [
    *((name, plain, {}) for name in ("sage", "gcn2", "mf", "tag", "linkx", "mlp", "gps", "dna")),
    ("sage", plain, {"aggr": "mean,max,std"}),
    *((name, typed, {}) for name in ("gcn", "gat", "gin")),
    *((name, typed, {"layers": 1}) for name in ("transformer", "hgt")),
    ("sage", many, {}),
]


@pytest.mark.parametrize(("name", "make", "given"), NODES)
def test_a_traced_model_of_nodes_gives_the_same_numbers_for_any_sizes(name, make, given):
    served = of_nodes(make(), name, **given)
    program = traced(served)
    assert knows_no_gnnctl(program)
    for nodes, edges, seeds in ((25, 200, 1), (21, 1, 2), (20, 0, 3)):
        agrees(program, served, Batch.full(make(nodes, edges, 1), served.node_type, np.arange(seeds)))


# Vectors of their own, over the whole graph, one or several types of ends, features of the edges in question.
LINKS = [
    ("sage", plain, "mlp", [EdgeType("node", "to", "node")]),
    ("gat", typed, "distmult", [AB, BA]),
    ("lightgcn", typed, "dot", [AB]),
    ("sage", typed, "label", [AB, BA]),
]


@pytest.mark.parametrize(("name", "make", "decoder", "edge_types"), LINKS)
def test_a_traced_model_of_links_gives_the_same_numbers_for_any_sizes(name, make, decoder, edge_types):
    served = of_links(make(), name, decoder, edge_types)
    program = traced(served)
    assert knows_no_gnnctl(program)
    for nodes, edges, pairs in ((25, 200, 1), (21, 1, 4), (20, 0, 0)):
        agrees(program, served, linked(make(nodes, edges, 1), edge_types, pairs))


def test_vectors_of_their_own_are_looked_up_by_rows_of_the_training_graph():
    graph = typed()
    served = of_links(graph, "embedding", "complex", [AB, BA])
    inputs = served.inputs_of(linked(graph, [AB, BA], 5))
    assert set(inputs) == {"src", "dst", "relation", "node_id/a", "node_id/b"}
    program = traced(served).module()
    torch.testing.assert_close(program(inputs), served.model(linked(graph, [AB, BA], 5)))
    chosen = {"a": torch.tensor([7, -1, 3]), "b": torch.tensor([5, 2])}
    pair = {"src": torch.tensor([2, 1]), "dst": torch.tensor([0, 1]), "relation": torch.tensor([0, 0])}
    found = program({**pair, **{f"node_id/{name}": rows for name, rows in chosen.items()}})
    batch = linked(graph, [AB, BA], 1)
    batch.links = LinkSeeds(torch.tensor([0]), torch.tensor([3]), torch.tensor([5]), 1)
    torch.testing.assert_close(found[:1], served.model(batch))
    assert found[1] == 0  # of a node that was not there: its vector is zeros


# A readout of one and of several types, all to all in each graph, molecules, recurrent cells.
GRAPHS = [
    ("gin", lambda: typed_graphs([(4, 1), (3, 2), (5, 0), (1, 1), (6, 3)]), "mean,max"),
    ("gps", lambda: molecules(5), "set2set"),
    ("attentive-fp", lambda: molecules(5), None),
]


@pytest.mark.parametrize(("name", "make", "readout"), GRAPHS)
def test_a_traced_model_of_graphs_gives_the_same_numbers_for_any_sizes(name, make, readout):
    graph = make()
    target = Target("graph", "value", "regression", None, 1, task="graph")
    model = model_for(target, options(name, layers=1, readout=readout), graph.schema).eval()
    served = DeployedGraphs(model, graph.schema)
    program = traced(served)
    assert knows_no_gnnctl(program)
    for rows in ([3], [4, 0, 1, 2], []):
        agrees(program, served, graphs_batch(graph, np.array(rows, np.int64), degrees=bool(model.needs_degree)))


def test_a_node_that_a_model_knows_by_its_row_is_known_in_a_part_of_the_graph():
    graph = plain()
    served = of_nodes(graph, "linkx")
    inputs = served.inputs_of(Batch.full(graph, "node", np.arange(2)))
    with torch.no_grad():
        expected, other = served(inputs), served({**inputs, "node_id/node": inputs["node_id/node"].roll(1)})
    assert not torch.allclose(expected, other)


SCRIPT = """
import sys, torch
package = torch._inductor.aoti_load_package(sys.argv[1])
inputs, expected = torch.load(sys.argv[2], weights_only=True)
torch.testing.assert_close(package(inputs), expected, rtol=1e-5, atol=1e-6)
assert not [name for name in sys.modules if name.startswith("gnnctl")]
"""


def test_a_package_runs_without_gnnctl(tmp_path):
    served = of_links(typed(), "gat", "distmult", [AB, BA])
    compiled(traced(served), tmp_path / "model.pt2")
    described = served.describe()
    assert described["row/a__to__b"] == {"dtype": "int32", "shape": [None]}
    assert described["x/a"]["shape"] == [None, 5]
    other = served.inputs_of(linked(typed(25, 100, 1), [AB, BA], 7))
    with torch.no_grad():
        torch.save((other, served(other)), tmp_path / "case.pt")
    arguments = [sys.executable, "-c", SCRIPT, tmp_path / "model.pt2", tmp_path / "case.pt"]
    subprocess.run(arguments, check=True, cwd=tmp_path, timeout=200)


def test_every_forward_operator_has_a_plain_form():
    names = {name for name in torch._C._dispatch_get_all_op_names() if name.startswith("gnnctl::")}
    plain_names = {operator._schema.name for operator in plain_operators()}
    # Parts of gradients; and searches and matchings, which come before a model of nodes.
    others = {"sddmm", "segment_outer", "components", "greedy_matching", "nearest_k", "dropout"}
    missing = {n for n in names if "backward" not in n} - plain_names - {f"gnnctl::{name}" for name in others}
    assert not missing


def test_whatever_has_no_package_says_why():
    reasons = {name: model.no_package for name, model in models().items() if model.no_package}
    assert set(reasons) == {"graph-unet", "schnet", "dimenet++", "label-propagation", "tgn"}

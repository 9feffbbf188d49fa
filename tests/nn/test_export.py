"""Exported models: plain aten operations, the same numbers for any sizes, and packages that know no gnnctl."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import gnnctl.nn.ops  # noqa: F401
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch
from gnnctl.nn import build_model
from gnnctl.nn.export import Deployed, export, traced
from gnnctl.nn.ops.plain import plain_operators

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
        edge_weight={AB: rng.random(edges)},
    )  # fmt: skip


def many(nodes=60, edges=300, seed=0):
    """So many relations that they run as one."""
    rng = np.random.default_rng(seed)
    types = [EdgeType("a", f"r{i}", "b") for i in range(5)] + [EdgeType("b", f"r{i}", "a") for i in range(5)]
    ends = {t: [nodes if name == "a" else 20 for name in (t.src, t.dst)] for t in types}
    coo = {t: np.stack([rng.integers(0, n, edges // 10) for n in pair]) for t, pair in ends.items()}
    return Graph.from_coo({"a": nodes, "b": 20}, coo, x={"a": rng.normal(size=(nodes, 5))})


def deployed(graph, **options):
    torch.manual_seed(0)
    node_type = graph.node_types[0]
    layers = 1 if options["name"] == "linkx" else 2
    model = build_model({"hidden": 16, "heads": 2, "layers": layers, **options}, graph.schema, node_type, 3)
    return Deployed(model, graph.schema, node_type).eval()


# One of each way to compute: sums, degrees, attention, minimum and maximum, rounds, own rows, no edges.
CASES = [
    *((name, plain, {}) for name in ("sage", "gcn2", "gat", "mf", "tag", "linkx", "mlp")),
    ("sage", plain, {"aggr": "mean,max,std"}),
    *((name, typed, {}) for name in ("gcn", "gat", "gin")),
    ("sage", many, {}),
]


@pytest.mark.parametrize(("name", "make", "options"), CASES)
def test_a_traced_model_gives_the_same_numbers_for_any_sizes(name, make, options):
    graph = make()
    model = deployed(graph, name=name, **options)
    program = traced(model)
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not [t for t in targets if "gnnctl" in t]
    for nodes, edges, seeds in ((25, 200, 1), (21, 1, 2), (20, 0, 3)):
        batch = Batch.full(make(nodes, edges, 1), model.node_type, np.arange(seeds))
        found = program.module()(model.inputs_of(batch))
        torch.testing.assert_close(found, model(model.inputs_of(batch)), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found, model.model(batch), rtol=1e-5, atol=1e-6)


SCRIPT = """
import sys, torch
package = torch._inductor.aoti_load_package(sys.argv[1])
inputs, expected = torch.load(sys.argv[2], weights_only=True)
torch.testing.assert_close(package(inputs), expected, rtol=1e-5, atol=1e-6)
assert not [name for name in sys.modules if name.startswith("gnnctl")]
"""


def test_a_package_runs_without_gnnctl(tmp_path):
    graph = typed()
    model = deployed(graph, name="gat")
    found = export(model, tmp_path / "model.pt2")
    assert found["row/a__to__b"] == {"dtype": "int32", "shape": [None]}
    assert found["x/a"]["shape"] == [None, 5]
    other = model.inputs_of(Batch.full(typed(25, 100, 1), "a", np.arange(3)))
    with torch.no_grad():
        torch.save((other, model(other)), tmp_path / "case.pt")
    arguments = [sys.executable, "-c", SCRIPT, tmp_path / "model.pt2", tmp_path / "case.pt"]
    subprocess.run(arguments, check=True, cwd=tmp_path, timeout=200)


def test_every_forward_operator_has_a_plain_form():
    names = {name for name in torch._C._dispatch_get_all_op_names() if name.startswith("gnnctl::")}
    plain_names = {operator._schema.name for operator in plain_operators()}
    # Parts of gradients; and searches and matchings, which come before a model of nodes.
    others = {"sddmm", "segment_outer", "components", "greedy_matching", "nearest_k"}
    missing = {n for n in names if "backward" not in n} - plain_names - {f"gnnctl::{name}" for name in others}
    assert not missing

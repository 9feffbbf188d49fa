"""Models compile whole, without graph breaks, and not anew for every batch."""

import numpy as np
import pytest
import torch

from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch
from gnnctl.nn import build_model
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(0)
    return Graph.from_coo(300, rng.integers(0, 300, (2, 2000)), x=rng.normal(size=(300, 5)))


@pytest.mark.parametrize(
    ("name", "backend"), [("gcn", "inductor"), *((n, "aot_eager") for n in ("sage", "gin", "gat"))]
)
def test_a_model_compiles_whole_and_once(graph, name, backend):
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = build_model({"name": name, "hidden": 8, "heads": 2, "dropout": 0.0}, graph.schema, "node", 3)
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=backend)
    torch._dynamo.utils.counters.clear()
    sampler = Sampler(graph, SampleSpec(dict.fromkeys(graph.edge_types, (3, 2))))
    for step in range(3):
        subgraph = sampler.sample(np.arange(step, 20 + 7 * step), "node", step)
        batch = model.prepare(Batch.from_subgraph(subgraph, graph, degrees=True))
        gradients = []
        for forward in (compiled, model):
            model.zero_grad()
            out = forward(batch)
            out.square().sum().backward()
            gradients.append([out.detach(), *(p.grad.clone() for p in model.parameters())])
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("name", ["sage", "rgcn", "hgt", "han"])
def test_a_typed_model_compiles_whole_and_once(name):
    rng = np.random.default_rng(0)
    counts = {"a": 300, "b": 200}
    types = [EdgeType(*t.split()) for t in ("a to a", "a to b", "b back a", "b like b", "a too a")]
    edges = {t: np.stack([rng.integers(0, counts[n], 3000) for n in (t.src, t.dst)]) for t in types}
    graph = Graph.from_coo(counts, edges, x={n: rng.normal(size=(c, 5)) for n, c in counts.items()})
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = build_model({"name": name, "hidden": 8, "heads": 2, "dropout": 0.0}, graph.schema, "a", 3).eval()
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    sampler = Sampler(graph, SampleSpec(dict.fromkeys(graph.edge_types, (3, 2))))
    for step in range(2):
        subgraph = sampler.sample(np.arange(20 + 17 * step), "a", step)
        batch = model.prepare(Batch.from_subgraph(subgraph, graph))
        out = compiled(batch)
        torch.testing.assert_close(out, model(batch), rtol=1e-4, atol=1e-5)
        out.square().sum().backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1

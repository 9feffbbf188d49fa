"""Exact inference equals a full forward; sampled prediction does not depend on the batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import Graph
from gnnctl.nn.models import ModelOptions, build_model
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits import NodeSplit
from gnnctl.training.inference import exact_logits, exact_outputs, full_fan_out_logits, sampled_logits

MODELS = ["sage", "gcn", "gat", "gin", "mlp"]


def build(name: str, split: NodeSplit, **options: object) -> nn.Module:
    torch.manual_seed(0)
    chosen = ModelOptions.from_json({"name": name, "hidden": 16, "heads": 4, "norm": "layer", **options})
    model = build_model(chosen, split.graph.schema, split.target.node_type, split.target.num_outputs)
    for parameter in model.parameters():  # embeddings start at zero, which would hide a wrong lookup
        if not parameter.any():
            nn.init.normal_(parameter)
    return model.eval()


def full_forward(model: nn.Module, split: NodeSplit) -> np.ndarray:
    with torch.no_grad():
        found: Tensor = model(Batch.full(split.graph, split.target.node_type))
    return found.numpy()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("which", ["toy", "typed"])
def test_layer_by_layer_equals_a_full_forward(
    name: str, layers: int, which: str, request: pytest.FixtureRequest
) -> None:
    split: NodeSplit = request.getfixturevalue(which)
    model = build(name, split, layers=layers)
    rows = np.random.default_rng(0).integers(0, split.graph.num_nodes(split.target.node_type), 30)
    expected = full_forward(model, split)[rows]
    for budget in (1, 50, 1 << 20):
        found = exact_logits(model, split.graph, split.target.node_type, rows, edge_budget=budget)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["gcn", "gat"])
def test_edge_weights_and_features_take_part(name: str) -> None:
    rng = np.random.default_rng(1)
    edges = rng.integers(0, 30, (2, 120))
    graph = Graph.from_coo(
        30, edges, x=rng.normal(size=(30, 4)), edge_weight=rng.random(120), edge_attr=rng.normal(size=(120, 2))
    )
    model = build_model(ModelOptions(name=name, hidden=8, heads=2), graph.schema, "node", 3).eval()
    with torch.no_grad():
        expected = model(Batch.full(graph, "node")).numpy()
    found = exact_logits(model, graph, "node", np.arange(30), edge_budget=20)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_layers_too_large_for_memory_lie_in_files_with_the_same_result(typed: NodeSplit) -> None:
    model = build("sage", typed)
    rows = np.arange(typed.graph.num_nodes("paper"))
    in_memory = exact_outputs(model, typed.graph, "paper", rows)
    in_files = exact_outputs(model, typed.graph, "paper", rows, memory=0)
    np.testing.assert_array_equal(in_memory[0], in_files[0])
    assert in_memory[1] is not None
    assert in_memory[1].shape == (len(rows), 16)


@pytest.mark.parametrize("which", ["toy", "typed"])
def test_full_fan_out_batches_equal_the_layers(which: str, request: pytest.FixtureRequest) -> None:
    split: NodeSplit = request.getfixturevalue(which)
    model = build("gcn", split)
    rows = np.array([5, 1, 5, 9])
    exact = exact_logits(model, split.graph, split.target.node_type, rows)
    batches = full_fan_out_logits(model, split.graph, split.target.node_type, rows, 2, batch_size=2)
    np.testing.assert_allclose(batches, exact, rtol=1e-4, atol=1e-5)


class Plain(nn.Module):
    """An imported model: a forward, and how far it looks."""

    num_layers = 1

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 2)

    def forward(self, batch: Batch) -> Tensor:
        x = batch.x["node"]
        edges = next(iter(batch.edge_index.values()))
        assert x is not None
        summed = torch.zeros(edges.num_dst, 3).index_add_(0, edges.col().long(), x[edges.row.long()])
        return self.lin(batch.seeds_of(summed))


def test_an_imported_model_is_exact_too(toy: NodeSplit) -> None:
    model = Plain()
    rows = np.arange(40)
    np.testing.assert_allclose(
        exact_logits(model, toy.graph, "node", rows), full_forward(model, toy)[rows], rtol=1e-4, atol=1e-5
    )
    with pytest.raises(UsageError, match="num_layers"):
        exact_logits(nn.Linear(1, 1), toy.graph, "node", rows)


@pytest.mark.parametrize("name", ["sage", "gcn", "gat", "gin"])
def test_a_sampled_prediction_does_not_depend_on_the_batch(name: str, typed: NodeSplit) -> None:
    model = build(name, typed)
    spec = SampleSpec.uniform(typed.graph.edge_types, (3, 2), disjoint=True, seed=4)
    rows = np.arange(typed.graph.num_nodes("paper"))
    whole = sampled_logits(model, typed.graph, "paper", rows, spec, batch_size=1000)
    for batch_size in (1, 7, 64):
        found = sampled_logits(model, typed.graph, "paper", rows, spec, batch_size=batch_size)
        np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-5)
    backwards = sampled_logits(model, typed.graph, "paper", rows[::-1], spec, batch_size=7)[::-1]
    np.testing.assert_allclose(backwards, whole, rtol=1e-4, atol=1e-5)


def test_what_a_seed_sees_is_the_same_in_every_batch(typed: NodeSplit) -> None:
    spec = SampleSpec.uniform(typed.graph.edge_types, (3, 2), disjoint=True, seed=4)
    sampler = Sampler(typed.graph, spec)
    rows = np.arange(20)
    together = sampler.sample(rows, "paper", 0)
    assert together.node_group is not None
    for row in rows:
        alone = sampler.sample(rows[row : row + 1], "paper", 0)
        for node_type, nodes in alone.nodes.items():
            np.testing.assert_array_equal(nodes, together.nodes[node_type][together.node_group[node_type] == row])


def test_joint_sampling_is_refused_for_prediction(typed: NodeSplit) -> None:
    spec = SampleSpec.uniform(typed.graph.edge_types, (3,))
    with pytest.raises(ValueError, match="disjoint"):
        sampled_logits(build("sage", typed, layers=1), typed.graph, "paper", np.arange(3), spec)


def test_unknown_nodes_of_another_graph_share_one_embedding(typed: NodeSplit) -> None:
    model = build("sage", typed)
    authors = typed.graph.num_nodes("author")
    rows = np.arange(typed.graph.num_nodes("paper"))
    same = {t: np.arange(typed.graph.num_nodes(t)) for t in typed.graph.node_types}
    plain = exact_logits(model, typed.graph, "paper", rows)
    np.testing.assert_array_equal(exact_logits(model, typed.graph, "paper", rows, node_ids=same), plain)
    unseen = {**same, "author": np.full(authors, -1)}
    found = exact_logits(model, typed.graph, "paper", rows, node_ids=unseen)
    assert not np.allclose(found, plain)
    batch = Batch.full(typed.graph, "paper")
    changed = replace(batch, node_id={**batch.node_id, "author": torch.full((authors,), -1)})
    with torch.no_grad():
        np.testing.assert_allclose(found, model(changed).numpy(), rtol=1e-4, atol=1e-5)

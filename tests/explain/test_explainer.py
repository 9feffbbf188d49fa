import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from gnnctl.errors import ArtifactError
from gnnctl.explain import Explainer, GNNExplainer, IntegratedGradients, Prediction, Saliency
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch
from gnnctl.nn import ModelOptions, build_model
from gnnctl.sampling.spec import SampleSpec
from gnnctl.training.tasks import Task

CITES, WRITES, BACK = EdgeType("p", "cites", "p"), EdgeType("a", "writes", "p"), EdgeType("p", "by", "a")
CLASSES = Task("multiclass", 3)


def typed(seed=0):
    rng = np.random.default_rng(seed)
    writes = np.stack([rng.integers(0, 12, 80), rng.integers(0, 30, 80)])
    edges = {CITES: rng.integers(0, 30, (2, 90)), WRITES: writes, BACK: writes[::-1]}
    return Graph.from_coo({"p": 30, "a": 12}, edges, x={"p": rng.standard_normal((30, 5))})


def homogeneous(seed=0):
    rng = np.random.default_rng(seed)
    return Graph.from_coo(25, rng.integers(0, 25, (2, 80)), x=rng.standard_normal((25, 5)))


def model_of(graph, node_type, name="sage", out=3, **options):
    torch.manual_seed(0)
    model = build_model(ModelOptions(name=name, hidden=16, layers=2, **options), graph.schema, node_type, out).eval()
    with torch.no_grad():
        for p in model.parameters():
            if not p.any():  # embeddings and biases start at zero, where every explanation is trivial
                p.normal_()
    return model


CASES = [(typed(), "p"), (homogeneous(), "node")]


@pytest.mark.parametrize("name", ["sage", "gcn", "gat", "gin"])
@pytest.mark.parametrize(("graph", "node_type"), CASES, ids=["typed", "homogeneous"])
def test_the_neighbourhood_gives_the_prediction_again(graph, node_type, name):
    model = model_of(graph, node_type, name)
    whole = model(Batch.full(graph, node_type)).softmax(-1)
    for row in (0, 7):
        found = Explainer(model, graph, node_type, CLASSES, Saliency(), hops=2).explain(row, top=6)
        np.testing.assert_allclose(found.scores, whole[row].detach(), rtol=1e-4)
        assert found.recomputed == pytest.approx(found.score, rel=1e-4)
        assert found.output == int(whole[row].argmax())
        assert found.selected.num_edges <= 6


@pytest.mark.parametrize(("graph", "node_type"), CASES, ids=["typed", "homogeneous"])
def test_saliency_is_the_gradient_over_the_whole_graph(graph, node_type):
    model, row = model_of(graph, node_type), 3
    found = Explainer(model, graph, node_type, CLASSES, Saliency(), hops=2).explain(row, 1)
    batch = Batch.full(graph, node_type)
    x = batch.x[node_type].requires_grad_()
    masks = {t: torch.ones(e.num_edges, requires_grad=True) for t, e in batch.edge_index.items()}
    model(batch, edge_mask=masks)[row].log_softmax(-1)[1].backward()
    np.testing.assert_allclose(found.features[node_type], x.grad.abs().sum(0), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.seed_features, x.grad[row].abs(), rtol=1e-3, atol=1e-6)
    for t, edges in found.subgraph.edges.items():
        expected = np.zeros(graph.edges[t].num_edges, np.float32)
        expected[edges.pos] = found.edges[t]
        np.testing.assert_allclose(expected, masks[t].grad.abs(), rtol=1e-3, atol=1e-6)


def test_a_gate_fades_what_the_encoder_makes_of_a_node():
    graph = typed()
    model = model_of(graph, "p")
    batch = Batch.full(graph, "p", np.array([3]))
    prediction = Prediction(model, batch, CLASSES, 0)
    encode = model.encode
    inputs = prediction.inputs(every_gate=True)
    faded = type(inputs)(inputs.x, {**inputs.gate, "a": torch.zeros(12)}, inputs.edge)
    mute = type(inputs)(inputs.x, inputs.gate, {**inputs.edge, WRITES: torch.zeros(80)})
    with torch.no_grad():
        before, after = prediction.logits(inputs), prediction.logits(faded)
    assert not torch.allclose(before, after)
    assert not torch.allclose(before, prediction.logits(mute))
    assert model.encode == encode, "the model is left as it was"
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("name", ["sage", "gat"])
@pytest.mark.parametrize(("graph", "node_type"), CASES, ids=["typed", "homogeneous"])
def test_integrated_gradients_add_up(graph, node_type, name):
    model = model_of(graph, node_type, name, activation="tanh")
    found = Explainer(model, graph, node_type, CLASSES, IntegratedGradients(steps=100), hops=2).explain(3, 2)
    difference = found.facts["difference_of_outputs"]
    total = sum(s.sum() for s in found.nodes.values()) + sum(s.sum() for s in found.edges.values())
    assert total == pytest.approx(difference, abs=2e-3)
    assert found.facts["sum_of_contributions"] == pytest.approx(difference, abs=2e-3)
    nodes, features = found.nodes[node_type].sum(), found.features[node_type].sum()
    assert nodes == pytest.approx(features, abs=1e-4), "a node's score is the sum over its features"


def test_explanations_do_not_depend_on_the_order_of_the_nodes():
    graph = homogeneous()
    store, x = graph.edges[graph.edge_types[0]], graph.nodes["node"].x
    renamed = np.random.default_rng(5).permutation(25)
    col = np.repeat(np.arange(25), np.diff(store.colptr))
    other = Graph.from_coo(25, np.stack([renamed[store.row], renamed[col]]), x=x[np.argsort(renamed)])
    model = model_of(graph, "node")
    one = Explainer(model, graph, "node", CLASSES, Saliency(), hops=2).explain(3, 0)
    two = Explainer(model, other, "node", CLASSES, Saliency(), hops=2).explain(int(renamed[3]), 0)
    mine = dict(zip(renamed[one.subgraph.nodes["node"]].tolist(), one.nodes["node"].tolist(), strict=True))
    theirs = dict(zip(two.subgraph.nodes["node"].tolist(), two.nodes["node"].tolist(), strict=True))
    assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-6)
    assert one.fidelity.plus == pytest.approx(two.fidelity.plus, abs=1e-5)


@pytest.mark.parametrize("algorithm", [Saliency(), IntegratedGradients(steps=8), GNNExplainer(epochs=5)])
def test_a_node_without_in_edges_is_explained_by_itself(algorithm):
    graph = Graph.from_coo(4, np.array([[0, 1], [1, 2]]), x=np.eye(4))
    model = model_of(graph, "node")
    found = Explainer(model, graph, "node", CLASSES, algorithm, hops=2).explain(3)
    assert (found.subgraph.num_nodes, found.subgraph.num_edges, found.selected.num_edges) == (1, 0, 0)
    assert (found.fidelity.plus, found.fidelity.minus) == (0, 0)
    assert np.abs(found.seed_features).sum() > 0


def test_gnn_explainer_is_seeded_and_its_masks_are_masks():
    graph = typed()
    model = model_of(graph, "p")

    def explain(seed):
        return Explainer(model, graph, "p", CLASSES, GNNExplainer(epochs=10, seed=seed), hops=2).explain(3)

    one, again, other = explain(0), explain(0), explain(1)
    for t in one.edges:
        np.testing.assert_array_equal(one.edges[t], again.edges[t])
        assert np.all((one.edges[t] >= 0) & (one.edges[t] <= 1))
    assert any(not np.array_equal(one.edges[t], other.edges[t]) for t in one.edges)


def test_gnn_explainer_finds_the_house_that_makes_the_class():
    """BA-shapes: a node's class is its place in a house that hangs on a random graph; its edges are the truth."""
    import networkx as nx

    base, houses = 100, 20
    rng = np.random.default_rng(0)
    edges, label, house = list(nx.barabasi_albert_graph(base, 5, seed=0).edges), [0] * base, [-1] * base
    for h in range(houses):
        b = base + 5 * h
        edges += [(b, b + 1), (b + 1, b + 2), (b + 2, b + 3), (b + 3, b), (b, b + 4), (b + 1, b + 4)]
        edges.append((b + int(rng.integers(5)), int(rng.integers(base))))
        label, house = [*label, 2, 2, 3, 3, 1], house + [h] * 5
    both = np.concatenate([np.array(edges).T, np.array(edges).T[::-1]], axis=1)
    graph = Graph.from_coo(base + 5 * houses, both, x=np.ones((base + 5 * houses, 8)))
    torch.manual_seed(0)
    options = ModelOptions(name="sage", hidden=24, layers=3, dropout=0.0, aggr="sum")
    model = build_model(options, graph.schema, "node", 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    batch, y, own = Batch.full(graph, "node"), torch.tensor(label), np.array(house)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), y).backward()
        optimizer.step()
    assert (model(batch).argmax(1) == y).float().mean() > 0.95

    explainer = Explainer(model, graph, "node", Task("multiclass", 4), GNNExplainer(), hops=3)
    scores = []
    for h in range(5):
        row = base + 5 * h + h
        found = explainer.explain(row, label[row], top=12)
        ((_, s),) = found.subgraph.edges.items()
        ends = own[found.subgraph.nodes["node"][s.row]], own[found.subgraph.nodes["node"][s.col()]]
        truth = (ends[0] == h) & (ends[1] == h)
        scores.append(roc_auc_score(truth, next(iter(found.edges.values()))))
    assert np.mean(scores) > 0.75


def test_the_masks_empty_a_large_neighbourhood_down_to_what_matters():
    rng = np.random.default_rng(0)
    count = 3000
    x = rng.standard_normal((count, 4)).astype(np.float32)
    graph = Graph.from_coo(count, np.stack([np.arange(1, count), np.zeros(count - 1, np.int64)]), x=x)
    model = model_of(graph, "node", aggr="mean")
    found = Explainer(model, graph, "node", CLASSES, GNNExplainer(epochs=60), hops=2).explain(0, top=20)
    (mask,) = found.edges.values()
    assert 0 < (mask > 0.5).sum() < count / 3
    assert found.selected.num_edges == 20


def test_a_sampled_prediction_is_explained_on_its_sample():
    graph = typed()
    model = model_of(graph, "p")
    spec = SampleSpec.parse(graph, ["2,2"], disjoint=True, seed=4)
    found = Explainer(model, graph, "p", CLASSES, Saliency(), hops=2, spec=spec).explain(3)
    assert found.recomputed == pytest.approx(found.score, rel=1e-4)
    assert (
        found.subgraph.num_edges
        < Explainer(model, graph, "p", CLASSES, Saliency(), hops=2).explain(3).subgraph.num_edges
    )


def test_a_model_that_looks_further_than_its_hops_is_refused():
    graph = homogeneous()
    model = model_of(graph, "node")
    with pytest.raises(ArtifactError, match="gives other outputs"):
        Explainer(model, graph, "node", CLASSES, Saliency(), hops=1).explain(3)


@pytest.mark.parametrize("problem", ["multilabel", "regression"])
def test_other_problems_are_explained(problem):
    graph = typed()
    task = Task(problem, 3 if problem == "multilabel" else 1, mean=5.0, std=2.0)
    model = model_of(graph, "p", out=task.num_outputs)
    for algorithm in (Saliency(), IntegratedGradients(steps=8), GNNExplainer(epochs=5)):
        found = Explainer(model, graph, "p", task, algorithm, hops=2).explain(3)
        assert found.recomputed == pytest.approx(found.score, rel=1e-4)
        assert (found.fidelity.plus_prediction is None) == (problem == "regression")

"""Losses of the objectives without labels, against written-out formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.errors import UsageError
from gnnctl.graph import Graph
from gnnctl.graph.batch import Batch
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.unsupervised import build_unsupervised, parse_objective
from gnnctl.nn.models.unsupervised.contrastive import info_nce

OPTIONS = ModelOptions(name="gcn", hidden=8, layers=2, dropout=0.0)


def made(objective: str, nodes: int = 20):
    rng = np.random.default_rng(0)
    graph = Graph.from_coo(nodes, rng.integers(0, nodes, (2, 60)), x=rng.normal(size=(nodes, 5)).astype(np.float32))
    torch.manual_seed(0)
    model = build_unsupervised(*parse_objective(objective), OPTIONS, graph.schema, "node")
    return model, Batch.full(graph, "node", np.arange(nodes))


@given(st.integers(2, 6), st.floats(0.2, 2.0), st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_info_nce_is_its_formula(n, temperature, seed):
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(2, n, 3))
    a, b = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (u, v))
    total = 0.0
    for i in range(n):
        between = [math.exp(a[i] @ b[k] / temperature) for k in range(n)]
        within = [math.exp(a[i] @ a[k] / temperature) for k in range(n) if k != i]
        total -= math.log(between[i] / (sum(between) + sum(within)))
    found = info_nce(torch.from_numpy(u), torch.from_numpy(v), temperature)
    assert float(found) == pytest.approx(total / n, rel=1e-9)


def test_views_without_drops_are_the_graph():
    model, batch = made("contrastive:drop_edges=0,drop_features=0")
    seen, mask = model.view(batch)
    assert torch.equal(seen.x["node"], batch.x["node"])
    assert all(bool((m == 1).all()) for m in mask.values())
    model.anchors = 5
    assert torch.isfinite(model(batch))


def test_masked_features_are_not_seen():
    model, batch = made("masked-features:rate=0.5,power=1")
    seen = []
    model.nodes.register_forward_pre_hook(lambda module, given: seen.append(given[0].x["node"]))
    torch.manual_seed(3)
    loss = model(batch)
    torch.manual_seed(3)
    masked = torch.rand(20) < 0.5
    assert torch.equal(seen[0][masked], model.token.detach().expand(int(masked.sum()), -1))
    assert torch.equal(seen[0][~masked], batch.x["node"][~masked])
    from dataclasses import replace

    guess = model.decoder(model.embed(replace(batch, x={"node": seen[0]})))
    error = 1 - torch.nn.functional.cosine_similarity(batch.x["node"], guess, dim=1)
    torch.testing.assert_close(loss, error[masked].mean())


def test_an_autoencoder_takes_edges_into_its_seeds():
    from dataclasses import replace

    model, batch = made("gae")
    seeds = torch.tensor([3, 4])
    positive = model._edges(batch, 0, seeds)
    pairs = next(iter(batch.edge_index.values())).coo()
    assert positive.shape[1] == int(torch.isin(pairs[1], seeds).sum())
    assert torch.isfinite(model(replace(batch, seed_rows=seeds, num_seeds=2)))
    with pytest.raises(ValueError, match="whole graph"):
        model(replace(batch, node_counts={"node": [2, 18]}))


@pytest.mark.parametrize("objective", ["dgi", "gae", "vgae", "contrastive", "masked-features"])
def test_losses_fall(objective):
    model, batch = made(objective)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = model(batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-10:]) < np.mean(losses[:5])


def test_nodes_without_features_cannot_be_masked():
    graph = Graph.from_coo(4, np.array([[0, 1], [1, 2]]))
    with pytest.raises(UsageError, match="no features"):
        build_unsupervised("masked-features", {"rate": 0.5}, OPTIONS, graph.schema, "node")

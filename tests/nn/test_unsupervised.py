"""Objectives without labels, against the oracle with the same weights."""

import copy

import pytest
import torch
import torch_geometric.nn as peer

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv import GCNConv
from gnnctl.nn.models import ARGA, ARGVA, GAE, VGAE, DeepGraphInfomax, InnerProductDecoder, LightGCN

N = 30


def edges_of(seed=0, size=N, count=100):
    coo = torch.randint(0, size, (2, count), generator=torch.Generator().manual_seed(seed))
    edges, order = EdgeIndex.from_coo(coo, size)
    return edges, coo[:, order]


class TheirEncoder(torch.nn.Module):
    """The oracle's, of our encoder."""

    def __init__(self, ours):
        super().__init__()
        self.ours = ours

    def forward(self, x, edge_index, **rest):
        return self.ours(x, EdgeIndex.from_coo(edge_index, N)[0], **rest)


def test_infomax_is_the_oracles():
    torch.manual_seed(0)
    edges, coo = edges_of()
    x, order = torch.randn(N, 5), torch.randperm(N)
    ours = DeepGraphInfomax(GCNConv(5, 8), 8, corruption=lambda values: values[order])
    theirs = peer.DeepGraphInfomax(
        8,
        TheirEncoder(ours.encoder),
        summary=lambda z, *args: z.mean(0).sigmoid(),
        corruption=lambda values, coo: (values[order], coo),
    )
    with torch.no_grad():
        theirs.weight.copy_(ours.weight)
    found, wanted = ours(x, edges), theirs(x, coo)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)
    losses = ours.loss(found), theirs.loss(*wanted)
    torch.testing.assert_close(*losses)
    gradients = (torch.autograd.grad(loss, model.weight)[0] for loss, model in zip(losses, (ours, theirs), strict=True))
    torch.testing.assert_close(*gradients)
    logits = theirs.discriminate(wanted[0], wanted[2], sigmoid=False)
    torch.testing.assert_close(ours.discriminate(found.real, found.summary), logits)


def test_infomax_shuffles_rows_unless_told_otherwise():
    torch.manual_seed(0)
    model = DeepGraphInfomax(torch.nn.Identity(), 3)
    x = torch.randn(N, 3)
    found = model(x)
    assert not torch.equal(found.corrupted, x)
    assert sorted(found.corrupted.tolist()) == sorted(x.tolist())


def test_autoencoder_is_the_oracles():
    torch.manual_seed(0)
    edges, coo = edges_of()
    ours = GAE(GCNConv(5, 4))
    z = ours(torch.randn(N, 5), edges)
    negative = torch.randint(0, N, (2, 70))
    decoder = peer.InnerProductDecoder()
    theirs = peer.GAE(TheirEncoder(ours.encoder))
    torch.testing.assert_close(ours.reconstruction_loss(z, coo, negative), theirs.recon_loss(z, coo, negative))
    torch.testing.assert_close(InnerProductDecoder()(z, coo), decoder(z, coo, sigmoid=False))
    torch.testing.assert_close(InnerProductDecoder().forward_all(z), decoder.forward_all(z, sigmoid=False))


class TwoHeads(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.log_std = GCNConv(5, 4), GCNConv(5, 4)

    def forward(self, x, edge_index):
        return self.mean(x, edge_index), self.log_std(x, edge_index) * 30


def test_variational_autoencoder_is_the_oracles():
    torch.manual_seed(0)
    edges, coo = edges_of()
    x = torch.randn(N, 5)
    ours = VGAE(TwoHeads())
    theirs = peer.VGAE(TheirEncoder(ours.encoder))
    mean, log_std = ours.distribution(x, edges)
    assert log_std.max() == 10
    for mode in (True, False):
        torch.manual_seed(4)
        wanted = theirs.train(mode).encode(x, coo)
        torch.manual_seed(4)
        torch.testing.assert_close(ours.train(mode)(x, edges), wanted)
    assert torch.equal(ours(x, edges), mean)
    torch.testing.assert_close(ours.divergence(mean, log_std), theirs.kl_loss(mean, log_std))
    normal = torch.distributions.Normal
    exact = torch.distributions.kl_divergence(normal(mean, log_std.exp()), normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(ours.divergence(mean, log_std), exact)


@pytest.mark.parametrize("variational", [False, True])
def test_adversarial_autoencoders_are_the_oracles(variational):
    torch.manual_seed(0)
    edges, coo = edges_of()
    x, discriminator = torch.randn(N, 5), torch.nn.Linear(4, 1)
    ours = ARGVA(TwoHeads(), discriminator) if variational else ARGA(GCNConv(5, 4), discriminator)
    kind = peer.ARGVA if variational else peer.ARGA
    theirs = kind(TheirEncoder(ours.encoder), copy.deepcopy(discriminator))
    theirs.discriminator.load_state_dict(discriminator.state_dict())
    torch.manual_seed(4)
    wanted = theirs.encode(x, coo)
    torch.manual_seed(4)
    z = ours(x, edges)
    torch.testing.assert_close(z, wanted)
    z = z.detach() / z.detach().abs().max()  # where the oracle's logarithms lose nothing
    torch.testing.assert_close(ours.regularization_loss(z), theirs.reg_loss(z))
    torch.manual_seed(4)
    wanted = theirs.discriminator_loss(z)
    torch.manual_seed(4)
    found = ours.discriminator_loss(z.requires_grad_())
    torch.testing.assert_close(found, wanted)
    found.backward()
    assert z.grad is None


@pytest.mark.parametrize("share", [None, [0.5, 0.2, 0.1, 0.2]])
@pytest.mark.parametrize("weighted", [False, True])
def test_light_gcn_is_the_oracles(share, weighted):
    torch.manual_seed(0)
    edges, coo = edges_of(2)
    weight = torch.rand(100) if weighted else None
    ours = LightGCN(N, 6, 3, share=share)
    theirs = peer.LightGCN(N, 6, 3, alpha=None if share is None else torch.tensor(share))
    with torch.no_grad():
        theirs.embedding.weight.copy_(ours.embedding.weight)
    z = ours(edges, weight)
    torch.testing.assert_close(z, theirs.get_embedding(coo, weight))
    positive, negative = torch.randint(0, N, (2, 20)), torch.randint(0, N, (2, 20))
    scores = ours.score(z, positive), ours.score(z, negative)
    torch.testing.assert_close(scores[0], theirs(coo, positive, weight))
    nodes = torch.cat([positive[0], negative[1]]).unique()
    for some in (None, nodes):
        found = ours.ranking_loss(*scores, some, penalty=0.01)
        torch.testing.assert_close(found, theirs.recommendation_loss(*scores, some, lambda_reg=0.01))
    found.backward()
    assert ours.embedding.weight.grad.isfinite().all()
    users, items = torch.tensor([4, 0, 9, 2, 7]), torch.tensor([12, 29, 13, 20, 21, 14])
    best, score = ours.recommend(z.detach(), users, items, 4, batch_size=2)
    assert torch.equal(best, theirs.recommend(coo, weight, users, items, k=4))
    torch.testing.assert_close(
        score, ours.score(z, torch.stack([users.repeat_interleave(4), best.flatten()])).view(5, 4)
    )


def test_known_items_are_not_recommended():
    torch.manual_seed(0)
    z = torch.randn(10, 4)
    known, _ = EdgeIndex.from_coo(torch.tensor([[5, 6, 7, 8, 9, 6, 3], [0, 0, 0, 0, 1, 1, 0]]), 10)
    users, items = torch.tensor([1, 0, 2]), torch.arange(5, 10)
    best, score = LightGCN.recommend(z, users, items, 3, known=known, batch_size=2)
    full = z[users] @ z[items].t()
    assert set(best[0].tolist()) == {5, 7, 8}
    assert best[1].tolist() == [9, -1, -1]
    assert score[1].tolist() == [full[1, 4].item(), -torch.inf, -torch.inf]
    assert torch.equal(best[2], items[full[2].topk(3).indices])
    assert LightGCN.recommend(z, users[:0], items, 2)[0].shape == (0, 2)
    with pytest.raises(ValueError, match="k must be from 1 to the 5 items"):
        LightGCN.recommend(z, users, items, 6)
    with pytest.raises(ValueError, match="2 layers take 3 factors, not 1"):
        LightGCN(4, 2, 2, share=[1.0])


def test_they_compile_as_one_graph_for_all_sizes():
    torch.manual_seed(0)
    autoencoder, infomax = VGAE(TwoHeads()).eval(), DeepGraphInfomax(GCNConv(5, 8), 8, corruption=lambda x: x.flip(0))

    def losses(x, edges, positive, negative):
        mean, log_std = autoencoder.distribution(x, edges)
        z = autoencoder.draw(mean, log_std)
        loss = autoencoder.reconstruction_loss(z, positive, negative) + autoencoder.divergence(mean, log_std)
        return loss + infomax.loss(infomax(x, edges))

    compiled = torch.compile(losses, backend="aot_eager", fullgraph=True, dynamic=True)
    for size in (N, N + 7):
        edges, coo = edges_of(size, size)
        edges.transposed()
        given = torch.randn(size, 5), edges, coo[:, :40], coo.flip(0)[:, :50]
        with torch.compiler.set_stance("default" if size == N else "fail_on_recompile"):
            torch.testing.assert_close(compiled(*given), losses(*given))


def test_light_gcn_compiles_as_one_graph():
    torch.manual_seed(0)
    model, (edges, _) = LightGCN(N, 6, 3), edges_of()
    edges.transposed()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    torch.testing.assert_close(compiled(edges), model(edges))

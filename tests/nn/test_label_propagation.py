"""Labels along edges, against the oracle, and that no other label is looked at."""

import pytest
import torch
import torch_geometric.nn as peer
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.models import CorrectAndSmooth, LabelPropagation

N, CLASSES = 40, 4


def problem(seed=0, weighted=False):
    draw = torch.Generator().manual_seed(seed)
    coo = torch.randint(0, N - 3, (2, 150), generator=draw)  # the last three are alone
    edges, order = EdgeIndex.from_coo(coo, N)
    coo, weight = coo[:, order], torch.rand(150, generator=draw) if weighted else None
    y = torch.randint(0, CLASSES, (N,), generator=draw)
    labelled = torch.rand(N, generator=draw) < 0.4
    return edges, coo, weight, y, labelled, torch.rand(N, CLASSES, generator=draw).softmax(1)


def in_peer_words(coo, weight):
    """Weighted edges as the oracle takes them: it normalises only edges without weights."""
    return (coo, None) if weight is None else gcn_norm(coo, weight, N, add_self_loops=False)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("hops", "alpha"), [(0, 0.5), (1, 0.9), (20, 0.8), (5, 1.0)])
def test_propagation_is_the_oracles(hops, alpha, weighted):
    edges, coo, weight, y, labelled, _ = problem(weighted=weighted)
    coo, given = in_peer_words(coo, weight)
    wanted = peer.LabelPropagation(hops, alpha)(y, coo, labelled, given)
    torch.testing.assert_close(LabelPropagation(hops, alpha)(y, edges, labelled, weight), wanted)
    rows = labelled.nonzero()[:, 0]
    torch.testing.assert_close(LabelPropagation(hops, alpha)(y, edges, rows, weight), wanted)


def test_propagation_of_any_rows_and_steps_is_the_oracles():
    edges, coo, _, _, _, z = problem(3)
    wanted = peer.LabelPropagation(7, 0.6)(z, coo, post_step=lambda out: out * 0.5)
    torch.testing.assert_close(LabelPropagation(7, 0.6)(z, edges, after=lambda out: out * 0.5), wanted)
    coo, ones = gcn_norm(coo, torch.ones(150, dtype=torch.float64), N, add_self_loops=False)
    wanted = peer.LabelPropagation(7, 0.6)(z.double(), coo, None, ones)
    torch.testing.assert_close(LabelPropagation(7, 0.6)(z.double(), edges), wanted, rtol=1e-12, atol=1e-12)


def test_unlabelled_nodes_labels_change_nothing():
    edges, _, _, y, labelled, _ = problem()
    y[labelled.nonzero()[0]] = CLASSES - 1
    changed = torch.where(labelled, y, 17)
    first, second = (LabelPropagation(10, 0.9)(labels, edges, labelled) for labels in (y, changed))
    assert torch.equal(first, second)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
def test_correct_and_smooth_is_the_oracles(scale, weighted):
    edges, coo, weight, y, labelled, z = problem(1, weighted)
    coo, given = in_peer_words(coo, weight)
    ours = CorrectAndSmooth(correct_hops=10, correct_alpha=0.7, smooth_hops=12, smooth_alpha=0.6, scale=scale)
    theirs = peer.CorrectAndSmooth(10, 0.7, 12, 0.6, autoscale=scale is None, scale=scale or 1.0)
    corrected = ours.correct(z, y[labelled], labelled, edges, weight)
    torch.testing.assert_close(corrected, theirs.correct(z, y[labelled], labelled, coo, given))
    torch.testing.assert_close(
        ours(z, y[labelled], labelled, edges, weight), theirs(z, y[labelled], labelled, coo, given)
    )
    rows = labelled.nonzero()[:, 0]
    torch.testing.assert_close(ours(z, y[rows], rows, edges, weight), theirs(z, y[labelled], labelled, coo, given))


def test_predictions_without_errors_are_not_corrected():
    edges, _, _, y, labelled, z = problem()
    z[labelled] = torch.nn.functional.one_hot(y[labelled], CLASSES).float()
    assert torch.equal(CorrectAndSmooth().correct(z, y[labelled], labelled, edges), z)


@pytest.mark.parametrize(("hops", "alpha"), [(-1, 0.5), (3, 1.5), (3, -0.1)])
def test_what_makes_no_propagation(hops, alpha):
    with pytest.raises(ValueError, match="hops must be at least 0 and alpha from 0 to 1"):
        LabelPropagation(hops, alpha)

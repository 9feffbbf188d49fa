"""Ranks and what is made of them against brute force over all candidates."""

import numpy as np
import pytest
import torch
from link_tasks import shifts, tastes
from sklearn.metrics import average_precision_score, roc_auc_score

from gnnctl.nn.decoders.registry import DecoderOptions
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.link_model import LinkModel
from gnnctl.splits.link import Links
from gnnctl.training.link_metrics import Ranking, judged, pair_scores, popularity, score_by
from gnnctl.training.link_objective import spread
from gnnctl.training.represent import represent_all


def model_of(split, decoder="complex", reciprocal=False, name="embedding"):
    torch.manual_seed(0)
    options = DecoderOptions.parse(decoder, reciprocal=reciprocal)
    made = LinkModel(ModelOptions(name=name, hidden=6, layers=1), split.graph.schema, split.target.edge_types, options)
    return made.eval()


def brute_rank(scores, target, left_out):
    rank = 1.0
    for candidate, score in enumerate(scores):
        if candidate == target or candidate in left_out:
            continue
        rank += 1.0 if score > scores[target] else 0.5 if score == scores[target] else 0.0
    return rank


@pytest.mark.parametrize("reciprocal", [False, True])
def test_filtered_ranks_of_both_ends_are_those_counted_one_by_one(reciprocal):
    split = shifts(9, 3)
    model, test = model_of(split, reciprocal=reciprocal), split.part("test")
    represented = represent_all(model, split.view("test"), torch.device("cpu"))
    known = {t: set(zip(*(v.tolist() for v in ends), strict=True)) for t, ends in split.known().items()}
    ranking = Ranking(split.graph, split.target.edge_types, test, memory=100)
    ranks = ranking.ranks(score_by(model, represented), cross_entropy=True)
    h, losses = represented["place"], []
    model.requires_grad_(False)
    for i, (r, s, d) in enumerate(zip(test.relation, test.src, test.dst, strict=True)):
        t, relation = split.target.edge_types[r], torch.tensor([r])
        tails = model.against_all(h[[s]], h, relation, candidate_is_src=False)[0]
        heads = model.against_all(h[[d]], h, relation, candidate_is_src=True)[0]
        assert ranks.dst[i] == brute_rank(tails.tolist(), d, {b for a, b in known[t] if a == s})
        assert ranks.src[i] == brute_rank(heads.tolist(), s, {a for a, b in known[t] if b == d})
        losses += [torch.logsumexp(tails, 0) - tails[d], torch.logsumexp(heads, 0) - heads[s]]
    assert ranks.loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_recall_and_ndcg_are_those_of_the_shown_lists():
    split = tastes()
    links = split.part("test")
    rng = np.random.default_rng(0)
    table = torch.from_numpy(rng.normal(size=(30, 20)).astype(np.float32))
    ranking = Ranking(split.graph, split.target.edge_types, links)
    found = ranking.metrics(ranking.ranks(lambda number, end, ends: table[ends] if end == "dst" else table.T[ends]))
    src, dst = next(iter(split.known().values()))
    recall, ndcg = [], []
    for person in np.unique(links.src):
        wanted = set(links.dst[links.src == person].tolist())
        left_out = set(dst[src == person].tolist()) - wanted
        shown = [c for c in torch.argsort(table[person], descending=True).tolist() if c not in left_out][:10]
        gains = [1 / np.log2(i + 2) for i, c in enumerate(shown) if c in wanted]
        recall.append(len(gains) / len(wanted))
        ndcg.append(sum(gains) / sum(1 / np.log2(i + 2) for i in range(min(len(wanted), 10))))
    assert found["recall@10"] == pytest.approx(np.mean(recall))
    assert found["ndcg@10"] == pytest.approx(np.mean(ndcg))


def test_negatives_are_told_apart_as_scikit_learn_says():
    torch.manual_seed(0)
    positive, negative = torch.randn(40) * 50 + 20, torch.randn(90) * 50
    negative[:5] = positive[:5]  # ties
    truth = np.r_[np.ones(40), np.zeros(90)]
    scores = torch.cat([positive, negative]).numpy()
    found = judged(positive, negative)
    assert found["auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
    assert judged(positive, negative[:0]) == {"auroc": None, "average_precision": None}


def test_popularity_counts_training_links_of_the_type():
    split = shifts(9, 2)
    train = split.part("train")
    score = popularity(split.graph, split.target.edge_types, train)
    found = score(1, "src", torch.tensor([3, 4]))
    expected = np.bincount(train.src[train.relation == 1], minlength=9)
    assert found.tolist() == [expected.tolist()] * 2


def test_no_links_have_no_metrics():
    split = shifts(9, 2)
    nothing = split.part("test").take(np.zeros(0, np.int64))
    ranking = Ranking(split.graph, split.target.edge_types, nothing)
    found = ranking.metrics(ranking.ranks(popularity(split.graph, split.target.edge_types, split.part("train"))))
    assert set(found.values()) == {None}


def test_pairs_score_as_their_place_among_all():
    split = tastes()
    model = model_of(split, "dot", name="sage")
    represented = represent_all(model, split.view("test"), torch.device("cpu"))
    links = split.part("test")
    every = score_by(model, represented)(0, "dst", torch.from_numpy(links.src))
    found = pair_scores(model, represented, links)
    torch.testing.assert_close(found, every[torch.arange(len(links.dst)), torch.from_numpy(links.dst)])
    assert len(pair_scores(model, represented, Links(*(v[:0] for v in links[:4])))) == 0


@pytest.mark.parametrize(("count", "most", "expected"), [(5, 0, [0, 1, 2, 3, 4]), (6, 3, [0, 2, 4]), (2, 9, [0, 1])])
def test_a_spread_takes_even_steps(count, most, expected):
    assert spread(count, most).tolist() == expected

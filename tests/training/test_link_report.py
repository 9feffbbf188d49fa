"""The training report of links: its slices by plain loops, and its cards for every kind of split."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from link_tasks import LIKED, LIKES, marks, shifts, tastes

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.nn.decoders.registry import DecoderOptions
from gnnctl.nn.models import ModelOptions
from gnnctl.splits.link_groups import ends_of
from gnnctl.training.link_job import WHOLE_VIEW, EdgeJob, LinkJob
from gnnctl.training.link_metrics import Ranks
from gnnctl.training.link_objective import LinkScores
from gnnctl.training.link_options import LinkOptions
from gnnctl.training.report.links import degrees_seen, link_cards
from gnnctl.training.report.quality import reliability

CPU = torch.device("cpu")


def rows_of(card):
    """Cells of a card's table, by the name of the row."""
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", card.body)
    return {name: re.findall(r"<td[^>]*>(.*?)</td>", cells) for name, cells in rows}


def cards_of(split, ranks=None, loss="bce", **options):
    links = split.part("test")
    rng = np.random.default_rng(0)
    n = len(links.relation)
    ranks = ranks or Ranks(*(torch.from_numpy(rng.integers(1, 20, n).astype(np.float64)) for _ in range(2)), None)
    plain = Ranks(torch.full((n,), 2.0).double(), torch.full((n,), 4.0).double(), None)
    negatives = split.negatives.get("test")
    drawn = 0 if negatives is None else len(negatives.relation)
    scores = LinkScores(ranks, torch.randn(n if drawn else 0), torch.randn(drawn), None)
    cards = link_cards(split, "test", links, scores, plain, LinkOptions(loss=loss, **options))
    return ranks, {card.title: card for card in cards}


def test_slices_by_edge_type_are_of_its_own_links():
    split = shifts()
    ranks, cards = cards_of(split)
    found = rows_of(cards["mrr by edge type"])
    relation = split.part("test").relation
    for number, t in enumerate(split.target.edge_types):
        own = relation == number
        dst, src = (1 / ranks.dst[own]).mean(), (1 / ranks.src[own]).mean()
        hits = torch.cat([ranks.dst[own], ranks.src[own]]).le(10).double().mean()
        if own.sum() < 5:
            assert found[t.rel] == [str(own.sum()), *["–"] * 5]
        else:
            expected = [(dst + src) / 2, hits, (1 / 2 + 1 / 4) / 2, dst, src]
            assert found[t.rel] == [str(own.sum()), *(f"{float(value):.3f}" for value in expected)]


def test_slices_by_degree_and_type_are_of_the_questions_they_name():
    split = generated(tastes(people=60, things=40))
    ranks, cards = cards_of(split)
    links, n = split.part("test"), split.part("test").size
    view = split.view("train")
    src, dst = ends_of(view, LIKES)
    people, things = np.bincount(src, minlength=60)[links.src], np.bincount(dst, minlength=40)[links.dst]
    for title, degrees in (
        ("mrr by degree of what is asked for", np.concatenate([things, people])),
        ("mrr by degree of what is given", np.concatenate([people, things])),
    ):
        every = torch.cat([ranks.dst, ranks.src])
        total = 0
        for name, cells in rows_of(cards[title]).items():
            low, _, high = name.partition(" to ")
            own = (degrees >= int(low)) & (degrees <= int(high or low))
            total += own.sum()
            assert cells[0] == str(own.sum())
            if own.sum() >= 5:
                assert cells[1] == f"{float((1 / every[own]).mean()):.3f}"
        assert total == 2 * n
    by_type = rows_of(cards["mrr by type of what is asked for"])
    assert by_type["thing"][1] == f"{float((1 / ranks.dst).mean()):.3f}"
    assert by_type["person"][1] == f"{float((1 / ranks.src).mean()):.3f}"


def generated(split):
    """The split of a graph that knows its reverse type to be generated."""
    store = split.graph.edges[LIKED]
    edges = {**split.graph.edges, LIKED: dataclasses.replace(store, forward=np.arange(store.num_edges))}
    return dataclasses.replace(split, graph=Graph(split.graph.nodes, edges))


def test_degrees_count_each_edge_once():
    split = generated(tastes())
    src, dst = ends_of(split.view("train"), LIKES)
    seen = degrees_seen(split.view("train"), split.graph)
    assert np.array_equal(seen["person"], np.bincount(src, minlength=30))
    assert np.array_equal(seen["thing"], np.bincount(dst, minlength=20))
    both_ways = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    graph = Graph.from_coo({"node": 3}, {EdgeType("node", "to", "node"): both_ways})
    assert degrees_seen(graph, graph)["node"].tolist() == [2, 4, 2]
    edges = {t: dataclasses.replace(store, undirected=True) for t, store in graph.edges.items()}
    assert degrees_seen(graph, Graph(graph.nodes, edges))["node"].tolist() == [1, 2, 1]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 4)), min_size=1, max_size=30))
def test_weighted_reliability_is_that_of_repeated_rows(rows):
    probability, truth, count = (np.array(column) for column in zip(*rows, strict=True))
    bins, error = reliability(probability, truth, count.astype(float))
    whole = np.repeat(probability, count), np.repeat(truth, count)
    repeated, same = reliability(*whole, np.ones(count.sum()))
    assert error == pytest.approx(same)
    assert np.allclose([b[:2] for b in bins], [b[:2] for b in repeated])


@pytest.mark.parametrize(
    ("negatives", "loss", "options", "title"),
    [
        (2, "bce", {}, "Is it as sure as it is right? test part"),
        (2, "bce", {"adversarial": 1.0}, "Are links told from what is none? test part"),
        (2, "softmax", {}, "Are links told from what is none? test part"),
        (0, "bce", {}, None),
    ],
)
def test_only_a_loss_of_probabilities_is_calibrated(negatives, loss, options, title):
    _, cards = cards_of(shifts(negatives=negatives), loss=loss, **options)
    assert {t for t in cards if t.endswith("test part")} == {"Where the answers stand, test part", title} - {None}


def test_jobs_leave_cards_and_say_what_time_was_for():
    split = shifts(negatives=2)
    job = LinkJob(split, LinkOptions(DecoderOptions.parse("distmult")))
    model = job.initial_model(ModelOptions(name="embedding", hidden=4, layers=1), 0)
    found = job.evaluate(model, CPU)
    table = rows_of({card.title: card for card in found.cards}["Where the answers stand, test part"])
    assert table["1"][0] == f"{found.metrics['test']['hits@1']:.3f}"
    assert table["10"][3] == f"{found.metrics['test']['baseline']['hits@10']:.3f}"
    assert found.note == ""
    split = marks()
    job = EdgeJob(split)
    model = job.initial_model(ModelOptions(hidden=4, layers=1), 0)
    found = job.evaluate(model, CPU, spec=object())
    assert found.note == WHOLE_VIEW
    titles = [card.title for card in found.cards]
    assert "accuracy by degree of the source" in titles
    assert "accuracy by degree of the destination" in titles
    both = rows_of(found.cards[titles.index("accuracy by degree of the destination")])
    assert sum(int(cells[0]) for cells in both.values()) == found.metrics["test"]["seeds"]

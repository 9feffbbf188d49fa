"""Models of links: what they represent, score and answer, against one pair at a time."""

import numpy as np
import pytest
import torch

from gnnctl.errors import UsageError
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.batch import Batch, LinkSeeds, link_features
from gnnctl.nn.decoders.registry import DecoderOptions, describe_decoders
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.link_model import EdgeModel, LinkModel, Question
from gnnctl.nn.models.shallow import Embedding
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import ALL, SampleSpec

BUYS, KNOWS = EdgeType("user", "buys", "item"), EdgeType("user", "knows", "user")
TYPES = [BUYS, KNOWS]


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(0)
    pairs = {
        BUYS: np.unique(np.stack([rng.integers(0, 12, 40), rng.integers(0, 8, 40)]), axis=1),
        KNOWS: np.unique(np.stack([rng.integers(0, 12, 40), rng.integers(0, 12, 40)]), axis=1),
    }
    return Graph.from_coo(
        {"user": 12, "item": 8},
        {**pairs, EdgeType("item", "bought_by", "user"): pairs[BUYS][::-1]},
        x={"item": rng.normal(size=(8, 3)).astype(np.float32)},
        edge_attr={
            BUYS: rng.normal(size=(pairs[BUYS].shape[1], 2)).astype(np.float32),
            KNOWS: rng.normal(size=(pairs[KNOWS].shape[1], 1)).astype(np.float32),
        },
    )


def links(n=7, seed=1):
    rng = np.random.default_rng(seed)
    relation = torch.tensor(rng.integers(0, 2, n))
    dst = torch.tensor(rng.integers(0, np.where(relation == 0, 8, 12)))
    return LinkSeeds(relation, torch.tensor(rng.integers(0, 12, n)), dst, n)


def built(graph, decoder="complex", name="sage", types=TYPES, **options):
    torch.manual_seed(0)
    chosen = DecoderOptions.parse(decoder, reciprocal=options.pop("reciprocal", False))
    return LinkModel(ModelOptions(name=name, hidden=6, layers=2, **options), graph.schema, types, chosen).eval()


def full(graph, asked):
    batch = Batch.full(graph, "user")
    batch.links, batch.num_seeds = asked, asked.num_positives
    return batch


@pytest.mark.parametrize("name", ["sage", "rgcn", "embedding"])
@pytest.mark.parametrize("reciprocal", [False, True])
def test_links_of_several_types_score_one_by_one(graph, name, reciprocal):
    model, asked = built(graph, name=name, reciprocal=reciprocal), links()
    h = model.represent(full(graph, asked))
    assert {t: tuple(v.shape) for t, v in h.items()} == {"user": (12, 6), "item": (8, 6)}
    expected = []
    for r, s, d in zip(asked.relation, asked.src, asked.dst, strict=True):
        src, dst = h["user"][s][None], h[TYPES[r].dst][d][None]
        score = model.decoder(src, dst, r[None])
        expected.append((score + model.decoder(dst, src, r[None] + 2)) / 2 if reciprocal else score)
    torch.testing.assert_close(model(full(graph, asked)), torch.cat(expected))


@pytest.mark.parametrize("name", ["sage", "embedding"])
def test_whole_neighbourhoods_of_the_ends_give_what_the_whole_graph_gives(graph, name):
    model, asked = built(graph, name=name), links()
    rows = {"user": torch.cat([asked.src, asked.dst[asked.relation == 1]]), "item": asked.dst[asked.relation == 0]}
    seeds = {t: v.unique().numpy() for t, v in rows.items()}
    sampled = Sampler(graph, SampleSpec.uniform(graph.edge_types, (ALL, ALL))).sample_many(seeds, 0)
    batch = Batch.from_subgraph(sampled, graph)
    local = {t: {int(row): i for i, row in enumerate(v)} for t, v in seeds.items()}
    batch.links = LinkSeeds(
        asked.relation,
        torch.tensor([local["user"][int(s)] for s in asked.src]),
        torch.tensor([local[TYPES[r].dst][int(d)] for r, d in zip(asked.relation, asked.dst, strict=True)]),
        len(asked.src),
    )
    torch.testing.assert_close(model(batch), model(full(graph, asked)))


@torch.no_grad()
@pytest.mark.parametrize("reciprocal", [False, True])
def test_candidates_are_all_nodes_of_the_ends_type(graph, reciprocal):
    model, asked = built(graph, reciprocal=reciprocal), links()
    h = model.represent(full(graph, asked))
    answer = model(full(graph, asked), question=Question(candidates=True))
    assert sum(len(at) for _, at in answer.among) == 2 * len(asked.src)
    found = sorted(float(torch.logsumexp(s[i], 0) - s[i, at[i]]) for s, at in answer.among for i in range(len(at)))
    expected = []
    for r, s, d in zip(asked.relation, asked.src, asked.dst, strict=True):
        tails = model.against_all(h["user"][s][None], h[TYPES[r].dst], r[None], candidate_is_src=False)[0]
        heads = model.against_all(h[TYPES[r].dst][d][None], h["user"], r[None], candidate_is_src=True)[0]
        expected += [float(torch.logsumexp(tails, 0) - tails[d]), float(torch.logsumexp(heads, 0) - heads[s])]
    assert found == pytest.approx(sorted(expected), rel=1e-4)


def test_drawn_candidates_are_all_of_them_where_each_is_drawn_once(graph):
    model, asked = built(graph, reciprocal=True), links()
    drawn = {"user": torch.randperm(12), "item": torch.randperm(8)}

    def losses(question):
        pairs = model(full(graph, asked), question=question).among
        return torch.cat([torch.logsumexp(s, 1) - s.gather(1, at[:, None])[:, 0] for s, at in pairs])

    torch.testing.assert_close(losses(Question(True, drawn)), losses(Question(True)))


@torch.no_grad()
def test_the_penalty_is_the_mean_of_cubes(graph):
    model, asked = built(graph, reciprocal=True, name="embedding"), links()
    asked.num_positives = 5  # the rest are negatives, which take no part
    h = model.represent(full(graph, asked))
    weight = model.decoder.relation.weight
    total = 0.0
    for i in range(5):
        r, ends = int(asked.relation[i]), [h["user"][asked.src[i]], h[TYPES[asked.relation[i]].dst][asked.dst[i]]]
        cubes = [float((torch.complex(v[:3], v[3:]).abs() ** 3).sum()) for v in [*ends, weight[r], weight[r + 2]]]
        total += cubes[0] + cubes[1] + (cubes[2] + cubes[3]) / 2
    answer = model(full(graph, asked), question=Question(n3=True))
    assert float(answer.penalty) == pytest.approx(total / 5, rel=1e-5)
    assert answer.scores.shape == (7,)


def test_moduli_have_gradients_at_zero():
    for name, channels in (("complex", 4), ("rotate", 4), ("distmult", 3)):
        from gnnctl.nn.decoders.registry import build_decoder

        ends = torch.zeros(2, channels, requires_grad=True)
        (build_decoder(DecoderOptions.parse(name), channels, 2).moduli(ends) ** 3).sum().backward()
        assert torch.isfinite(ends.grad).all()


def test_labelled_edges_take_both_ends_their_features_and_their_type(graph):
    torch.manual_seed(0)
    model = EdgeModel(ModelOptions(hidden=5, layers=1, dropout=0.0), graph.schema, TYPES, 3).eval()
    pos = torch.tensor([0, 3, 5])
    asked = LinkSeeds(torch.tensor([0, 1, 0]), torch.tensor([1, 2, 3]), torch.tensor([4, 5, 6]), 3)
    asked.attr = torch.from_numpy(link_features(graph, TYPES, asked.relation.numpy(), pos.numpy()))
    assert asked.attr.shape == (3, 3)
    assert asked.attr[1].tolist() == [0, 0, graph.edges[KNOWS].edge_attr[3, 0]]
    assert asked.attr[0].tolist() == [*graph.edges[BUYS].edge_attr[0], 0]
    out = model(full(graph, asked))
    h = model.represent(full(graph, asked))
    row = torch.cat([h["user"][2], h["user"][5], asked.attr[1], torch.tensor([0.0, 1.0])])
    torch.testing.assert_close(out[1], model.output(model.hidden(row)))
    asked.attr = None
    with pytest.raises(ValueError, match="features of the links"):
        model(full(graph, asked))


def test_unknown_nodes_have_no_vector(graph):
    made = Embedding(ModelOptions(name="embedding"), graph.schema, "user", 4)
    found = made.encode({}, {"user": torch.tensor([2, -1, 99])})["user"]
    assert found[0].tolist() == made.table("user")[2].tolist()
    assert found[1:].count_nonzero() == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g: built(g, "dot"), "does not tell 2 edge types apart"),
        (lambda g: DecoderOptions.parse("round"), "round"),
        (lambda g: DecoderOptions.parse("transe:q=1"), "no parameter 'q'"),
        (lambda g: DecoderOptions.parse("mlp", reciprocal=True), "--reciprocal"),
        (lambda g: DecoderOptions.parse("torch.nn:Linear"), "is no gnnctl.nn.decoders.Decoder"),
        (lambda g: LinkModel(ModelOptions(hidden=5), g.schema, TYPES, DecoderOptions("complex")), "even"),
        (lambda g: built(g, name="mlp"), "links join several"),
        (lambda g: built(g, name="embedding", parameters={"std": -1.0}), "negative"),
    ],
)
def test_what_does_not_fit_is_said(graph, make, message):
    with pytest.raises(UsageError, match=message):
        make(graph)


def test_candidates_are_not_asked_of_a_sample(graph):
    batch = Batch.from_subgraph(
        Sampler(graph, SampleSpec.uniform(graph.edge_types, (2,))).sample(np.arange(3), "user", 0), graph
    )
    batch.links = LinkSeeds(torch.tensor([1]), torch.tensor([0]), torch.tensor([1]), 1)
    with pytest.raises(ValueError, match="does not hold all candidates"):
        built(graph)(batch, question=Question(candidates=True))


def test_every_decoder_is_described():
    assert [row[0] for row in describe_decoders()] == ["dot", "distmult", "complex", "transe", "rotate", "mlp"]

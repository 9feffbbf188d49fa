"""Runs on small splits of links: what is learnt beats the plain baseline, whole, sampled, and for labels of edges."""

import dataclasses

import numpy as np
import pytest
import torch
from link_tasks import marks, shifts, tastes

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.nn.decoders.registry import DecoderOptions
from gnnctl.nn.models import ModelOptions
from gnnctl.sampling.spec import SampleSpec
from gnnctl.training.link_job import EdgeJob, LinkJob
from gnnctl.training.link_objective import LinkObjective
from gnnctl.training.link_options import HARD_POOL, LinkOptions, read_link_options
from gnnctl.training.link_sources import link_batches, negatives_of
from gnnctl.training.loop import Trainer
from gnnctl.training.options import TrainOptions

CPU = torch.device("cpu")


def trained(job, model, *, epochs=30, batch_size=None, fan_out=None, disjoint=False, lr=0.05, **options):
    made = job.initial_model(ModelOptions(hidden=16, dropout=0.0, **model), 1)
    spec = None
    if fan_out:
        spec = SampleSpec.uniform(job.split.graph.edge_types, fan_out, disjoint=disjoint, seed=1)
    source = link_batches(
        job.split, job.links, spec, batch_size, CPU, records=None, seed=1, prepare=None, degrees=False, num_threads=0
    )
    settings = TrainOptions(epochs=epochs, lr=lr, batch_size=batch_size, seed=1, eval_every=5, **options)
    fit = Trainer(made, job.objective(settings), source, settings, CPU).fit()
    made.load_state_dict(fit.best_weights)
    return job.evaluate(made, CPU).metrics, fit


def test_complex_numbers_find_shifts_from_compositions():
    links = LinkOptions(DecoderOptions.parse("complex", reciprocal=True), loss="all", negatives=0, n3=0.01)
    found, fit = trained(
        LinkJob(shifts(negatives=2), links),
        {"name": "embedding"},
        epochs=80,
        batch_size=16,
        optimizer="adagrad",
        lr=0.3,
    )
    assert found["test"]["mrr"] > 0.6 > 3 * found["test"]["baseline"]["mrr"]
    assert found["test"]["auroc"] > 0.9
    assert fit.monitor == "mrr"
    assert found["train"]["seeds"] + found["val"]["seeds"] + found["test"]["seeds"] == 24 * 4


@pytest.mark.parametrize(
    "links",
    [
        LinkOptions(loss="bce", negatives=4),
        LinkOptions(loss="bce", negatives=4, adversarial=1.0),
        LinkOptions(loss="margin", negatives=3, negative_method="degree"),
        LinkOptions(loss="softmax", negatives=4, negative_method="in-batch"),
        LinkOptions(loss="softmax", negatives=4, negative_method="hard"),
        LinkOptions(DecoderOptions.parse("distmult"), loss="all", negatives=6),
        LinkOptions(DecoderOptions.parse("mlp:hidden=8"), loss="bce", negatives=4, keep_known=True),
        LinkOptions(DecoderOptions.parse("transe:margin=4"), loss="bce", negatives=4),
        LinkOptions(DecoderOptions.parse("rotate:margin=4"), loss="bce", negatives=4),
    ],
    ids=lambda o: f"{o.decoder.name}-{o.loss}-{o.negative_method}",
)
def test_every_loss_tells_tastes_apart(links):
    found, _ = trained(LinkJob(tastes(), links), {"name": "embedding"}, epochs=40, batch_size=64)
    assert found["train"]["mrr"] > 1.5 * found["train"]["baseline"]["mrr"]


@pytest.mark.parametrize("disjoint", [False, True])
def test_a_sampled_encoder_beats_popularity(disjoint):
    job = LinkJob(tastes(), LinkOptions(loss="softmax", negatives=4))
    model = {"name": "sage", "layers": 2}
    found, _ = trained(job, model, fan_out=(5, 3), batch_size=64, disjoint=disjoint, lr=0.01)
    assert found["test"]["mrr"] > found["test"]["baseline"]["mrr"]
    assert found["test"]["auroc"] > 0.7


@pytest.mark.parametrize("fan_out", [None, (5, 3)])
@pytest.mark.parametrize("problem", ["multiclass", "regression"])
def test_labels_of_edges_come_from_their_own_features(fan_out, problem):
    split = marks(problem=problem)
    found, fit = trained(EdgeJob(split), {"layers": 2}, fan_out=fan_out, batch_size=64, lr=0.02, epochs=40)
    if problem == "regression":
        assert found["test"]["rmse"] < 0.5 * found["test"]["baseline"]["rmse"]
    else:
        assert found["test"]["accuracy"] > 0.85 > found["test"]["baseline"]["accuracy"]
    assert fit.monitor == ("rmse" if problem == "regression" else "auroc")


@pytest.mark.parametrize("features", [True, False])
def test_balanced_batches_hold_as_many_edges_of_each_class(features):
    split = marks()
    rare = np.arange(split.part("train").size) % 8 == 0
    parts = {**split.parts, "train": split.part("train")._replace(label=rare.astype(np.int64))}
    if not features:
        stores = {t: dataclasses.replace(store, edge_attr=None) for t, store in split.graph.edges.items()}
        split = dataclasses.replace(split, graph=Graph(split.graph.nodes, stores))
    split = dataclasses.replace(split, parts=parts)
    spec = SampleSpec.uniform(split.graph.edge_types, (2,), seed=3)
    source = link_batches(
        split, None, spec, 16, CPU, records=None, seed=0, prepare=None, degrees=False, num_threads=0, balanced=True
    )
    batches = list(source.train(1))
    assert all(abs(int(b.y.sum()) * 2 - len(b.y)) <= 1 or int(b.y.sum()) == rare.sum() for b in batches)
    assert sum(len(b.y) for b in batches) == len(rare)
    assert (batches[0].links.attr is not None) == features
    true = {(s, d): bool(r) for s, d, r in zip(parts["train"].src, parts["train"].dst, rare, strict=True)}
    for b in batches:
        ends = zip(b.node_id["person"][b.links.src].tolist(), b.node_id["thing"][b.links.dst].tolist(), strict=True)
        assert [true[pair] for pair in ends] == b.y.bool().tolist()


def test_batches_of_an_epoch_hold_each_training_link_once_with_its_negatives():
    split, links = tastes(), LinkOptions(negatives=3)
    for spec in (None, SampleSpec.uniform(split.graph.edge_types, (2,))):
        source = link_batches(
            split, links, spec, 50, CPU, records=None, seed=0, prepare=None, degrees=False, num_threads=0
        )
        seen = []
        for batch in source.train(1):
            n = batch.links.num_positives
            src = batch.node_id["person"][batch.links.src].numpy()
            dst = batch.node_id["thing"][batch.links.dst].numpy()
            seen += list(zip(src[:n].tolist(), dst[:n].tolist(), strict=True))
            assert len(batch.links.negative_of) == len(src) - n == 3 * n
            of = batch.links.negative_of.numpy()
            assert ((src[n:] == src[of]) | (dst[n:] == dst[of])).all()
        train = split.part("train")
        assert sorted(seen) == sorted(zip(train.src.tolist(), train.dst.tolist(), strict=True))
        assert source.steps == -(-len(train.src) // 50)


def test_negatives_know_training_links_alone():
    """Which pairs are never drawn would tell of validation and test links."""
    split = tastes()
    draw = negatives_of(split, LinkOptions(negatives=400), 0)
    train = split.part("train")
    drawn = draw.draw(train.relation, train.src, train.dst, 1)
    wrong = set(zip(drawn.src.tolist(), drawn.dst.tolist(), strict=True))
    assert not wrong & set(zip(train.src.tolist(), train.dst.tolist(), strict=True))
    for name in ("val", "test"):
        part = split.part(name)
        assert wrong >= set(zip(part.src.tolist(), part.dst.tolist(), strict=True))
    assert negatives_of(split, LinkOptions(loss="all", negatives=0), 0) is None
    hard = negatives_of(split, LinkOptions(negatives=2, negative_method="hard"), 0)
    assert hard.per_positive == 2 * HARD_POOL


def test_a_resumed_run_ends_with_the_same_weights(tmp_path):
    split, links = shifts(), LinkOptions(DecoderOptions.parse("distmult"), loss="all", negatives=5)
    settings = TrainOptions(epochs=4, batch_size=16)

    def run(folder, epochs):
        job = LinkJob(split, links)
        model = job.initial_model(ModelOptions(name="embedding", hidden=4, layers=1), 0)
        source = link_batches(
            split, links, None, 16, CPU, records=None, seed=0, prepare=None, degrees=False, num_threads=0
        )
        trainer = Trainer(model, job.objective(settings), source, settings, CPU, folder, state_seconds=0)
        trainer.resume()
        if epochs < settings.epochs:
            trainer.options = TrainOptions(epochs=epochs, batch_size=16)
        trainer.fit()
        return model.state_dict()

    for name in ("once", "twice"):
        (tmp_path / name).mkdir()
    once = run(tmp_path / "once", 4)
    run(tmp_path / "twice", 2)
    twice = run(tmp_path / "twice", 4)
    assert all(torch.equal(once[key], twice[key]) for key in once)


def test_capped_validation_asks_spread_links_of_their_own_negatives():
    split = tastes()
    objective = LinkObjective(split, LinkOptions(eval_links=5))
    model = LinkJob(split).initial_model(ModelOptions(hidden=8, layers=1), 0)
    whole = LinkObjective(split, LinkOptions(eval_links=0))
    model.eval()
    with torch.no_grad():
        capped, every = objective.validate(model, []), whole.validate(model, [])
    assert len(objective.asked) == 5
    assert set(capped) == set(every)
    assert None not in capped.values()
    assert capped["mrr"] != every["mrr"]


def test_options_go_to_json_and_back():
    split = shifts()
    found = read_link_options(split, {"decoder": "rotate:margin=6", "loss": "bce", "adversarial": 0.5, "n3": None})
    assert LinkOptions.from_json(found.to_json()) == found
    assert found.decoder.parameters == {"margin": 6.0}
    assert read_link_options(split, {}).decoder.name == "distmult"
    assert read_link_options(tastes(), {}).decoder.name == "dot"
    assert read_link_options(tastes(), {"loss": "all"}).negatives == 0
    assert read_link_options(marks(), {}) is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"loss": "all", "adversarial": 1.0}, "--adversarial does not go with --loss all"),
        ({"loss": "all", "corrupt": "dst"}, "--corrupt"),
        ({"loss": "bce", "margin": 2.0}, "--margin does not go with --loss bce"),
        ({"loss": "softmax", "adversarial": 1.0}, "weighs negatives"),
        ({"reciprocal": True}, "--reciprocal does not go with --loss bce"),
        ({"negatives": 0}, "--negatives 0"),
        ({"n3": -1.0}, "--n3"),
        ({"n3": float("inf")}, "--n3"),
        ({"eval_links": -1}, "--eval-links"),
        ({"loss": "hinge"}, "--loss cannot be"),
        ({"decoder": "nothing"}, "nothing"),
    ],
)
def test_options_that_do_not_go_together_are_refused(asked, message):
    with pytest.raises(UsageError, match=message):
        read_link_options(shifts(), asked)


def test_a_split_of_edges_has_no_use_for_negatives():
    with pytest.raises(UsageError, match="--negatives is for links to be found"):
        read_link_options(marks(), {"negatives": 3})


def test_all_candidates_are_not_in_a_sample():
    split = tastes()
    with pytest.raises(UsageError, match="--loss all"):
        link_batches(
            split,
            LinkOptions(loss="all", negatives=0),
            SampleSpec.uniform(split.graph.edge_types, (2,)),
            8,
            CPU,
            records=None,
            seed=0,
            prepare=None,
            degrees=False,
            num_threads=0,
        )


def test_options_of_classes_are_refused_for_links():
    for options in (TrainOptions(class_weights="balanced"), TrainOptions(label_smoothing=0.1)):
        with pytest.raises(UsageError, match="links to be found have none"):
            LinkJob(tastes()).objective(options)
    with pytest.raises(UsageError, match="no metric of links"):
        LinkObjective(tastes(), LinkOptions()).monitor("accuracy")
    with pytest.raises(UsageError, match="no evaluation negatives"):
        LinkObjective(shifts(negatives=0), LinkOptions()).monitor("auroc")

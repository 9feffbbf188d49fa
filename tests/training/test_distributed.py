"""What processes share: their parts of a batch, weighted as the loop weighs them, are the joint batch's mean loss."""

import copy

import pytest
import torch
from link_tasks import marks, tastes

from gnnctl.errors import UsageError
from gnnctl.nn.decoders.registry import DecoderOptions
from gnnctl.nn.models import ModelOptions
from gnnctl.processes import Place, place
from gnnctl.sampling.share import WHOLE, Share
from gnnctl.sampling.spec import SampleSpec
from gnnctl.training.distributed import ALONE, device_of, open_processes
from gnnctl.training.job import NodeJob
from gnnctl.training.link_job import EdgeJob, LinkJob
from gnnctl.training.link_options import LinkOptions
from gnnctl.training.link_sources import link_batches
from gnnctl.training.options import TrainOptions
from gnnctl.training.sources import SampledBatches

CPU = torch.device("cpu")
AMONG = 3


def nodes(split, size):
    spec = SampleSpec.uniform(split.graph.edge_types, (4, 4), seed=1)
    return lambda share: SampledBatches(split, spec, size, CPU, num_threads=0, share=share)


def links(job, size, fan_out=None):
    spec = SampleSpec.uniform(job.split.graph.edge_types, fan_out, seed=1) if fan_out else None
    return lambda share: link_batches(
        job.split,
        job.links,
        spec,
        size,
        CPU,
        records=None,
        seed=1,
        prepare=None,
        degrees=False,
        num_threads=0,
        share=share,
    )


def loss_and_gradient(model, objective, batches):
    """Of the batches that one step has, each weighted by what it counts."""
    weights = [float(objective.weight(batch)) if batch.counted else 0.0 for batch in batches]
    model = copy.deepcopy(model)
    losses = [objective.loss(model, batch) for batch in batches]
    total = sum(loss * weight for loss, weight in zip(losses, weights, strict=True)) / sum(weights)
    total.backward()
    return total.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("size", [2, 40])
@pytest.mark.parametrize("kind", ["toy", "weighted", "typed", "links", "all", "edges"])
def test_the_parts_together_have_the_loss_and_the_gradient_of_the_joint_batch(kind, size, request):
    options = {"class_weights": "balanced", "label_smoothing": 0.1} if kind in ("weighted", "typed") else {}
    if kind in ("toy", "weighted", "typed"):
        split = request.getfixturevalue("typed" if kind == "typed" else "toy")
        job, source, model = NodeJob(split), nodes(split, size), {"name": "sage"}
    elif kind == "links":
        job, model = LinkJob(tastes(), LinkOptions(loss="bce", negatives=2)), {"name": "sage"}
        source = links(job, size, (3, 3))
    elif kind == "all":
        chosen = LinkOptions(DecoderOptions.parse("distmult"), loss="all", negatives=0, n3=0.1)
        job, model = LinkJob(tastes(), chosen), {"name": "embedding"}
        source = links(job, size)
    else:
        job, model = EdgeJob(marks()), {"name": "sage"}
        source = links(job, size, (3, 3))
    settings = TrainOptions(seed=1, **options)
    net = job.initial_model(ModelOptions(hidden=8, layers=2, dropout=0.0, **model), 1)
    objective = job.objective(settings)
    whole = list(source(WHOLE).train(1))
    parts = [list(source(Share(rank, AMONG)).train(1)) for rank in range(AMONG)]
    assert all(len(own) == len(whole) == source(WHOLE).steps for own in parts)
    for step in (0, len(whole) - 1):
        own = [part[step] for part in parts]
        assert sum(batch.num_seeds for batch in own if batch.counted) == whole[step].num_seeds
        loss, gradient = loss_and_gradient(net, objective, own)
        expected, joint = loss_and_gradient(net, objective, [whole[step]])
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
        assert gradient.keys() >= joint.keys()
        for name, values in gradient.items():
            torch.testing.assert_close(values, joint.get(name, torch.zeros_like(values)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("among", [1, 2, 500])
def test_validation_is_dealt_out_without_repetition(toy, among):
    source = nodes(toy, 16)
    rows = [
        batch.node_id[batch.node_type][: batch.num_seeds]
        for rank in range(among)
        for batch in source(Share(rank, among)).validation()
    ]
    assert sorted(torch.cat(rows).tolist()) == toy.part("val")[0].tolist()


def test_where_a_process_is_comes_from_its_environment(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert place() == Place(0, 1, 0, 1)
    assert open_processes(place(), CPU) is ALONE
    for name, value in {"RANK": 5, "WORLD_SIZE": 8, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    assert place() == Place(5, 8, 1, 4)
    for wrong in ("8", "-1", "one"):
        monkeypatch.setenv("RANK", wrong)
        with pytest.raises(UsageError, match="torchrun"):
            place()


def test_each_process_of_a_machine_gets_a_device_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("auto", Place()) == "auto"
    assert device_of("cuda:1", Place()) == "cuda:1"
    assert device_of("cpu", Place(1, 4, 1, 4)) == "cpu"
    assert device_of("auto", Place(1, 2, 1, 2)) == "cuda:1"
    assert device_of("auto", Place(1, 4, 1, 4)) == "cpu"  # fewer GPUs than processes
    with pytest.raises(UsageError, match="of its own"):
        device_of("cuda:0", Place(1, 4, 1, 4))

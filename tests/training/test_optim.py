"""Learning-rate schedules and parameter groups."""

import itertools

import pytest
import torch
from torch import nn

from gnnctl.errors import UsageError
from gnnctl.training.optim import Plateau, build_optimizer, rate_factor
from gnnctl.training.options import TrainOptions


def test_warm_up_rises_linearly_and_cosine_falls_to_zero() -> None:
    options = TrainOptions(epochs=4, schedule="cosine", warmup=1)
    factors = [rate_factor(options, step, 10) for step in range(40)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert factors[10] == pytest.approx(1.0)
    assert factors[25] == pytest.approx(0.5)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    assert rate_factor(options, 40, 10) == pytest.approx(0.0)


def test_linear_schedule_is_a_line() -> None:
    options = TrainOptions(epochs=2, schedule="linear")
    assert [rate_factor(options, s, 5) for s in (0, 5, 10)] == pytest.approx([1.0, 0.5, 0.0])


def test_plateau_halves_after_its_patience() -> None:
    plateau = Plateau(patience=1)
    for improved in (True, False, False, False):
        plateau.update(improved)
    assert plateau.factor == 0.5
    assert Plateau(**plateau.state()) == plateau


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)

    def first_parameters(self) -> list[str]:
        return ["first.weight", "first.bias"]


@pytest.mark.parametrize(("where", "expected"), [("all", [4]), ("first", [2, 2])])
def test_decay_goes_where_it_is_asked(where: str, expected: list[int]) -> None:
    optimizer = build_optimizer(Two(), TrainOptions(weight_decay=0.1, weight_decay_on=where))
    assert [len(group["params"]) for group in optimizer.param_groups] == expected
    assert optimizer.param_groups[0]["weight_decay"] == 0.1


def test_decay_on_the_first_layer_needs_a_model_that_names_it() -> None:
    with pytest.raises(UsageError, match="first_parameters"):
        build_optimizer(nn.Linear(2, 2), TrainOptions(weight_decay_on="first"))
    with pytest.raises(UsageError, match="no parameters"):
        build_optimizer(nn.ReLU(), TrainOptions())


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_every_optimizer_takes_a_step(name: str) -> None:
    model = nn.Linear(3, 1)
    before = model.weight.detach().clone()
    optimizer = build_optimizer(model, TrainOptions(optimizer=name))
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(before, model.weight)


@pytest.mark.parametrize(
    "bad", [{"epochs": -1}, {"lr": 0.0}, {"batch_size": 0}, {"label_smoothing": 1.0}, {"warmup": -1}]
)
def test_impossible_options_are_usage_errors(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        TrainOptions(**bad)


def test_a_trainer_wants_an_epoch() -> None:
    from gnnctl.training.loop import Trainer

    with pytest.raises(UsageError, match="--epochs 0 trains nothing"):
        Trainer(nn.Linear(1, 1), None, None, TrainOptions(epochs=0), torch.device("cpu"))

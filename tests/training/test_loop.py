"""The loop: repeatable, resumable, stopping early, keeping the best epoch."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gnnctl.errors import ArtifactError, DataError, UsageError
from gnnctl.graph.batch import Batch
from gnnctl.splits import NodeSplit
from gnnctl.training.checkpoint import load_state, save_state
from gnnctl.training.loop import FitResult, Trainer, mix, seed_torch
from gnnctl.training.objective import Supervised
from gnnctl.training.options import TrainOptions
from gnnctl.training.sources import FullBatches
from gnnctl.training.tasks import Task

CPU = torch.device("cpu")


class Net(nn.Module):
    """Classifies the seeds by their own features; dropout makes it draw random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))

    def forward(self, batch: Batch) -> Tensor:
        x = batch.x["node"]
        assert x is not None
        return self.layers(batch.seeds_of(x))


class Interrupted(Exception):
    pass


class Dying(FullBatches):
    """Fails when it is asked for an epoch, as a killed process would stop there."""

    dies_at = 0

    def train(self, epoch: int) -> Iterable[Batch]:
        if epoch == self.dies_at:
            raise Interrupted
        return super().train(epoch)


def trainer(split: NodeSplit, options: TrainOptions, folder: Path | None = None, dies_at: int = 0) -> Trainer:
    seed_torch(options.seed, 0)
    source = Dying(split, CPU, degrees=False)
    source.dies_at = dies_at
    task = Task.of(split.target, split.part("train")[1])
    return Trainer(Net(), Supervised(task), source, options, CPU, folder, state_seconds=0)


def fit(split: NodeSplit, options: TrainOptions, folder: Path | None = None) -> FitResult:
    return trainer(split, options, folder).fit()


def same_weights(a: FitResult, b: FitResult) -> bool:
    return all(torch.equal(a.best_weights[name], b.best_weights[name]) for name in a.best_weights)


def test_training_beats_chance_and_repeats_bit_for_bit(toy: NodeSplit) -> None:
    options = TrainOptions(epochs=30, lr=0.05, seed=3)
    first, second = fit(toy, options), fit(toy, options)
    assert first.best_value is not None
    assert first.best_value > 0.5
    assert same_weights(first, second)
    other = fit(toy, TrainOptions(epochs=30, lr=0.05, seed=4))
    assert not same_weights(first, other)


@pytest.mark.parametrize("schedule", ["none", "cosine", "plateau"])
@pytest.mark.parametrize("dies_at", [1, 2, 7])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    toy: NodeSplit, tmp_path: Path, schedule: str, dies_at: int
) -> None:
    options = TrainOptions(epochs=9, lr=0.05, schedule=schedule, patience=8, seed=1)  # type: ignore[arg-type]
    whole = fit(toy, options)
    folder = tmp_path / "b"
    folder.mkdir()
    interrupted = trainer(toy, options, folder, dies_at=dies_at)
    interrupted.resume()
    with pytest.raises(Interrupted):
        interrupted.fit()
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 99}\n')  # a line written after the last saved state
    again = trainer(toy, options, folder)
    assert again.resume() == dies_at - 1
    resumed = again.fit()
    assert same_weights(whole, resumed)
    assert (whole.best_epoch, whole.best_value) == (resumed.best_epoch, resumed.best_value)
    epochs = [json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert epochs == list(range(1, 10))


def test_patience_ends_the_run_and_the_best_epoch_is_kept(toy: NodeSplit) -> None:
    result = fit(toy, TrainOptions(epochs=300, lr=0.05, patience=5))
    assert result.stopped_early
    assert result.epochs == result.best_epoch + 5
    values = [record["val_accuracy"] for record in result.history]
    assert result.best_value == max(values)
    assert values.index(max(values)) + 1 == result.best_epoch


def test_monitoring_the_loss_takes_its_smallest(toy: NodeSplit) -> None:
    result = fit(toy, TrainOptions(epochs=20, lr=0.1, monitor="loss"))
    values = [record["val_loss"] for record in result.history]
    assert result.best_value == min(values)


def test_validation_may_be_rare_but_the_last_epoch_has_one(toy: NodeSplit) -> None:
    result = fit(toy, TrainOptions(epochs=7, eval_every=3))
    assert [r["epoch"] for r in result.history if "val_accuracy" in r] == [3, 6, 7]


def test_without_validation_seeds_the_last_epoch_is_taken(toy: NodeSplit) -> None:
    parts = {**toy.parts, "val": (toy.parts["val"][0][:0], toy.parts["val"][1][:0])}
    result = fit(NodeSplit(toy.graph, toy.target, parts), TrainOptions(epochs=4))
    assert result.best_epoch == 4
    assert result.best_value is None


def test_a_loss_that_is_no_number_is_an_error(toy: NodeSplit) -> None:
    with pytest.raises(DataError, match="training loss is"):
        fit(toy, TrainOptions(epochs=200, lr=1e30, optimizer="sgd"))


def test_half_precision_needs_a_gpu_and_bfloat16_does_not(toy: NodeSplit) -> None:
    with pytest.raises(UsageError, match="float16"):
        fit(toy, TrainOptions(precision="float16"))
    result = fit(toy, TrainOptions(epochs=20, lr=0.05, precision="bfloat16"))
    assert result.best_value is not None
    assert result.best_value > 0.5


def test_clipping_bounds_the_step(toy: NodeSplit) -> None:
    options = {"epochs": 1, "lr": 1.0, "optimizer": "sgd"}
    start = trainer(toy, TrainOptions(**options)).model.state_dict()
    start = {name: value.clone() for name, value in start.items()}
    result = fit(toy, TrainOptions(**options, clip_grad=1e-3))
    moved = sum(float((result.best_weights[name] - start[name]).square().sum()) for name in start) ** 0.5
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_a_damaged_state_is_an_artifact_error(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(b"not a state")
    with pytest.raises(ArtifactError, match="not a training state"):
        load_state(path)
    save_state(path, {"format": 99})
    with pytest.raises(ArtifactError, match="format 99"):
        load_state(path)


def test_keys_of_neighbouring_epochs_differ() -> None:
    keys = {mix(seed, epoch) for seed in range(50) for epoch in range(50)}
    assert len(keys) == 2500
    assert all(0 <= key < 2**63 for key in keys)

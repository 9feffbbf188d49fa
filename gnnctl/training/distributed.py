"""Training in one process or in many: what the loop asks of the others.

The batch is joint: each process takes its part of every batch, and the gradient of the whole is the sum of the parts',
weighted so that what is descended is the mean over the joint batch. All processes then hold the same weights; the first
one judges, writes and reports.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from gnnctl.errors import UsageError
from gnnctl.processes import Place, end_at_signal, lost, say
from gnnctl.sampling.share import WHOLE, Share

T = TypeVar("T")
PATIENCE = timedelta(hours=2)  # that the others wait for one, which may be judging an epoch by itself
_FAILURES = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")


class Processes(Protocol):
    """Those that train one model together."""

    share: Share

    def wrap(self, forward: Any) -> Any:
        """What calls the model, which all begin with the same weights of."""

    def joint(self, weight: float | Tensor, seeds: int) -> "Joint":
        """Begin a step of all: what this part of it weighs, and its seeds."""

    def total(self, value: Tensor) -> Tensor:
        """The sum over the processes."""

    def gather(self, values: Sequence[Tensor]) -> Tensor:
        """All rows of all processes, the same everywhere, in the order of the processes; on the CPU where there are
        several."""

    def union(self, mask: np.ndarray) -> np.ndarray:
        """(n,) bool, what is marked in any process."""

    def hand_round(self, values: np.ndarray | None, count: int, width: int, source: int) -> np.ndarray:
        """(count, width) float32 that the process ``source`` has, for all; the others give None."""

    def first(self, make: Callable[[], T]) -> T:
        """What the first process makes, by itself, for all."""

    def tell(self, value: T) -> list[T]:
        """What each process says, in their order."""

    def settle(self, model: nn.Module) -> None:
        """Give the model's buffers the values that the first process has."""

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Within it the loss of another process is a ResourceError."""

    def part(self) -> None:
        """Nothing more is to be asked of each other."""


class Joint(Protocol):
    """A step of all processes."""

    def pull(self) -> float | Tensor:
        """What to multiply this part's mean loss with before it is differentiated."""

    def settle(self, model: nn.Module) -> tuple[float | Tensor, int | Tensor]:
        """Give the parameters the gradients of the joint batch's mean loss, once this part's are there; parameters that
        no process used have none.

        Returns:
            This part's share in the joint mean loss, and the seeds of the joint batch.
        """


class Alone:
    """One process: nothing is asked of anyone."""

    share = WHOLE

    def wrap(self, forward: Any) -> Any:
        """As it is."""
        return forward

    def joint(self, weight: float | Tensor, seeds: int) -> Joint:
        """Its own."""
        return _OwnStep(seeds)

    def total(self, value: Tensor) -> Tensor:
        """As it is."""
        return value

    def gather(self, values: Sequence[Tensor]) -> Tensor:
        """One after another."""
        return torch.cat(list(values))

    def union(self, mask: np.ndarray) -> np.ndarray:
        """As it is."""
        return mask

    def hand_round(self, values: np.ndarray | None, count: int, width: int, source: int) -> np.ndarray:
        """As they are."""
        assert values is not None
        return values

    def first(self, make: Callable[[], T]) -> T:
        """Makes it."""
        return make()

    def tell(self, value: T) -> list[T]:
        """It alone."""
        return [value]

    def settle(self, model: nn.Module) -> None:
        """Nothing to do."""

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """There is no other to lose."""
        return contextlib.nullcontext()

    def part(self) -> None:
        """Nothing to do."""


ALONE = Alone()


class _OwnStep:
    def __init__(self, seeds: int) -> None:
        self._seeds = seeds

    def pull(self) -> float:
        return 1.0

    def settle(self, model: nn.Module) -> tuple[float, int]:
        return 1.0, self._seeds


class _StepAtOnce:
    """On CPUs: one message a step, so that processes wait for each other once."""

    def __init__(self, weight: float | Tensor, seeds: int) -> None:
        self._own, self._seeds = torch.as_tensor(weight, dtype=torch.float32).detach(), seeds

    def pull(self) -> Tensor:
        return self._own

    def settle(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
        head = torch.tensor([0.0, self._seeds, *(parameter.grad is not None for parameter in learnt)])
        head[0] = self._own
        parts = [torch.zeros_like(p) if p.grad is None else p.grad.detach() for p in learnt]
        joint = torch.cat([head, *(part.float().flatten() for part in parts)])
        dist.all_reduce(joint)
        sums, *places = torch.split(joint, [len(head), *(part.numel() for part in parts)])
        joint[len(head) :] /= sums[0]
        for parameter, used, found in zip(learnt, sums[2:].tolist(), places, strict=True):
            parameter.grad = found.view_as(parameter).to(parameter.dtype) if used else None
        return (self._own / sums[0]).double(), sums[1]


class _StepInParts:
    """On GPUs: gradients travel, and are averaged, while others are computed; what they weigh is known before."""

    def __init__(self, weight: float | Tensor, seeds: int, count: int, device: torch.device) -> None:
        self._own = torch.as_tensor(weight, dtype=torch.float64, device=device).detach()
        self._sums = torch.stack([self._own, self._own.new_tensor(float(seeds))])
        self._count = count
        self._work = dist.all_reduce(self._sums, async_op=True)

    def pull(self) -> Tensor:
        self._work.wait()
        # The gradients are averaged over the processes, and their sum is wanted.
        return (self._own / self._sums[0] * self._count).float()

    def settle(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        return self._own / self._sums[0], self._sums[1]


class Group:
    """Several processes, by torch.distributed: gloo on CPUs, nccl on GPUs.

    Args:
        place: this process's.
        device: that it trains on.

    Raises:
        ResourceError: the others cannot be reached.
    """

    def __init__(self, place: Place, device: torch.device) -> None:
        self.share = Share(place.rank, place.among)
        self._device = device
        end_at_signal(lambda: say(lost()))
        if device.type == "cuda":
            torch.cuda.set_device(device)
        with self.watched():
            store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
            # The store outlives an attempt that torchrun repeats, and with it the addresses of those that are gone.
            store = PrefixStore(f"gnnctl/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
            backend = "nccl" if device.type == "cuda" else "gloo"
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)

    def wrap(self, forward: Any) -> Any:
        """See :class:`Processes`."""
        if self._device.type == "cuda":
            return DistributedDataParallel(forward, find_unused_parameters=True)
        with torch.no_grad():
            for value in (*forward.parameters(), *forward.buffers()):
                dist.broadcast(value, src=0)
        return forward

    def joint(self, weight: float | Tensor, seeds: int) -> Joint:
        """See :class:`Processes`."""
        if self._device.type == "cuda":
            return _StepInParts(weight, seeds, self.share.among, self._device)
        return _StepAtOnce(weight, seeds)

    def total(self, value: Tensor) -> Tensor:
        """See :class:`Processes`."""
        found = value.detach().to(self._device, copy=True)
        with self.watched():
            dist.all_reduce(found)
        return found.to(value.device)

    def union(self, mask: np.ndarray) -> np.ndarray:
        """See :class:`Processes`."""
        found = torch.from_numpy(mask.astype(np.uint8)).to(self._device)
        with self.watched():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        marked: np.ndarray = found.cpu().numpy().astype(bool)
        return marked

    def hand_round(self, values: np.ndarray | None, count: int, width: int, source: int) -> np.ndarray:
        """See :class:`Processes`."""
        if values is None:
            held = torch.empty((count, width), device=self._device)
        else:
            held = torch.from_numpy(np.array(values, np.float32)).to(self._device)
        with self.watched():
            dist.broadcast(held, src=source)
        found: np.ndarray = held.cpu().numpy()
        return found

    def gather(self, values: Sequence[Tensor]) -> Tensor:
        """See :class:`Processes`."""
        parts: list[Any] = [None] * self.share.among
        dist.all_gather_object(parts, torch.cat(list(values)).cpu().numpy() if values else None)
        return torch.cat([torch.from_numpy(part) for part in parts if part is not None])

    def first(self, make: Callable[[], T]) -> T:
        """See :class:`Processes`."""
        held: list[Any] = [make() if self.share.rank == 0 else None]
        with self.watched():
            dist.broadcast_object_list(held, src=0, device=self._device)
        found: T = held[0]
        return found

    def tell(self, value: T) -> list[T]:
        """See :class:`Processes`."""
        told: list[Any] = [None] * self.share.among
        with self.watched():
            dist.all_gather_object(told, value)
        return told

    def settle(self, model: nn.Module) -> None:
        """See :class:`Processes`."""
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """See :class:`Processes`."""
        try:
            yield
        except (dist.DistError, RuntimeError) as error:
            if isinstance(error, dist.DistError) or any(sign in str(error) for sign in _FAILURES):
                raise lost() from error
            raise

    def part(self) -> None:
        """See :class:`Processes`; after the slowest, so that nobody waits for one that is gone."""
        with self.watched():
            dist.barrier()
        dist.destroy_process_group()


def device_of(name: str, place: Place) -> str:
    """The device that a process asks for: on a machine with several processes each has the GPU of its number.

    Raises:
        UsageError: one GPU for several processes.
    """
    if place.among == 1 or name == "cpu":
        return name
    if name not in ("auto", "cuda"):
        if place.local_among > 1:
            raise UsageError(f"--device {name}: each process needs a GPU of its own", fix="pass auto, cpu or cuda")
        return name
    if name == "auto" and torch.cuda.device_count() < place.local_among:
        return "cpu"
    return f"cuda:{place.local}"


def open_processes(place: Place, device: torch.device) -> Processes:
    """The processes of a run: one alone, or all that torchrun started."""
    return ALONE if place.among == 1 else Group(place, device)

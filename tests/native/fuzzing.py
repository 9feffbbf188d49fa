"""What may be wrong with an argument of a native function, by kind of argument."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

REFUSALS = (TypeError, ValueError, OSError, MemoryError)
ODD = [None, "text", b"bytes", 1.5, 2 + 3j, [], [1, 2], {}, object(), ..., range(3), memoryview(b"12345678")]


class Bad(NamedTuple):
    """A value that must be refused; or, where not ``refused``, one that must only not crash."""

    label: str
    value: Any
    refused: bool = True


@dataclass(frozen=True)
class Integer:
    """A number in ``low..high``."""

    valid: int
    low: int
    high: int

    def bad(self) -> Iterator[Bad]:
        for value in (self.low - 1, self.high + 1, -(2**63), 2**63, -(2**64), 2**64, 2**100):
            if not self.low <= value <= self.high:
                yield Bad(f"{value}", value)
        for value in ODD:
            yield Bad(repr(value), value)
        yield Bad("an array", np.array([1, 2]))


@dataclass(frozen=True)
class Real:
    """A number in ``low..high``; values at the edge of that are not tried."""

    valid: float
    low: float
    high: float

    def bad(self) -> Iterator[Bad]:
        for value in (self.low - 1, self.high * 2 + 1, float("nan"), float("inf"), -float("inf")):
            yield Bad(f"{value}", value)
        yield from (Bad(repr(value), value) for value in ODD if not isinstance(value, float))


@dataclass(frozen=True)
class Flag:
    """True or False."""

    valid: bool

    def bad(self) -> Iterator[Bad]:
        yield Bad("text", "yes")
        yield Bad("an array", np.zeros(3))


@dataclass(frozen=True)
class Vector:
    """An array of exactly this dtype and length, contents in ``0..limit - 1`` where there is a limit.

    ``fixed``: its length follows from other arguments, so that another is refused. ``rises``: it is a colptr.
    ``narrow``: int32 is welcome too. ``written``: it is an output. ``optional``: None stands for none.
    ``also``: entries that it must not have.
    """

    valid: np.ndarray
    limit: int | None = None
    fixed: bool = True
    rises: bool = False
    narrow: bool = False
    written: bool = False
    optional: bool = False
    also: tuple[float, ...] = ()

    def bad(self) -> Iterator[Bad]:
        right = self.valid
        yield from (Bad(repr(v), v) for v in [*ODD, 7, right.tolist()] if not (self.optional and v is None))
        for dtype in (
            "bool",
            "int8",
            "uint8",
            "int32",
            "uint32",
            "uint64",
            "float16",
            "float32",
            "float64",
            "complex64",
            "datetime64[s]",
            "U4",
            "O",
        ):
            if right.dtype != dtype and not (self.narrow and dtype == "int32"):
                yield Bad(dtype, right.astype(dtype))
        yield Bad("byte order", right.astype(right.dtype.newbyteorder()))
        yield Bad("record", np.zeros(len(right), [("a", "i4"), ("b", "i4")]))
        yield Bad("two dimensions", right[None])
        yield Bad("no dimension", right[0])
        yield Bad("every second", np.repeat(right, 2)[::2])
        yield Bad("a column", np.stack([right, right], 1)[:, 0])
        yield Bad("backwards", right[::-1].copy()[::-1])
        yield Bad("no stride", np.broadcast_to(right[0], right.shape))
        yield Bad("unaligned", unaligned(right))
        if self.fixed:
            yield Bad("one too many", np.append(right, right[-1:]))
            yield Bad("one too few", right[:-1].copy())
            yield Bad("empty", right[:0].copy())
        if self.limit is not None:
            for at in (0, len(right) // 2, len(right) - 1):
                ends = np.iinfo(right.dtype)
                for value in (-1, self.limit, ends.min, ends.max):
                    if ends.min <= value <= ends.max and not 0 <= value < self.limit:
                        yield Bad(f"{value} at {at}", changed(right, at, value))
        yield from (Bad(f"{value}", changed(right, 1, value)) for value in self.also)
        if self.rises:
            yield Bad("does not begin with 0", changed(right, 0, 1))
            yield Bad("ends too low", changed(right, -1, right[-1] - 1))
            yield Bad("ends too high", changed(right, -1, right[-1] + 1))
            yield Bad("falls", changed(right, 1, right[-1] + 1))
            yield Bad("far beyond", changed(right, 1, 2**62))
        frozen = right.copy()
        frozen.flags.writeable = False
        yield Bad("read-only", frozen, refused=self.written)
        yield Bad("a subclass", np.ma.masked_array(right), refused=False)


@dataclass(frozen=True)
class Listed:
    """A list of whole numbers in ``low..high``; ``fixed``: as many as there are."""

    valid: list[int]
    low: int
    high: int
    fixed: bool = True

    def bad(self) -> Iterator[Bad]:
        yield from (Bad(repr(value), value) for value in [None, "text", 7, {}, object(), [None], ["1"], [1.5], [[1]]])
        for value in (self.low - 1, self.high + 1, 2**64, -(2**63) - 1):
            yield Bad(f"[{value}]", [value, *self.valid[1:]])
        if self.fixed:
            yield Bad("one too many", [*self.valid, self.valid[-1]])
        yield Bad("a tuple", tuple(self.valid), refused=False)
        yield Bad("an array", np.array(self.valid, np.int64), refused=False)


@dataclass(frozen=True)
class Chosen:
    """Values written out."""

    valid: Any
    values: tuple[Bad, ...]

    def bad(self) -> Iterator[Bad]:
        yield from self.values


@dataclass(frozen=True)
class Function:
    """A native function and its arguments.

    ``named``: what messages call an argument, or several of them where an error may be the other's.
    """

    call: Callable[..., Any]
    arguments: dict[str, Any]
    named: dict[str, str] = field(default_factory=dict)

    def valid(self) -> dict[str, Any]:
        """Arguments that are right, written to by nobody else."""
        return {
            name: a.valid.copy() if isinstance(a.valid, np.ndarray) else a.valid for name, a in self.arguments.items()
        }


def unaligned(array: np.ndarray) -> np.ndarray:
    """The same values, one byte off the address that their dtype asks for."""
    memory = np.zeros(array.nbytes + 16, np.uint8)
    start = 1 - memory.ctypes.data % 8 + 8
    memory[start : start + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
    return memory[start : start + array.nbytes].view(array.dtype)


def changed(array: np.ndarray, at: int, value: float) -> np.ndarray:
    """A copy with one other entry."""
    copy = array.copy()
    copy[at] = value
    return copy

"""What an encoder is: options from the spec, a state fitted once, numbers out.

An own encoder subclasses :class:`Encoder` as a dataclass whose fields are its options, and is named in a spec by its
import path, ``package.module:Class``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


class BadValues(Exception):
    """Values that cannot be encoded; whoever knows the table turns it into a DataError.

    Args:
        problem: what is wrong, such as ``"NaN"``.
        positions: (k,) positions within the encoded values.
        fix: how to mend it.
    """

    def __init__(self, problem: str, positions: np.ndarray, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.positions = positions
        self.fix = fix


class WrongType(Exception):
    """A column of a type that the encoder cannot use; ``str()`` says what it needs."""


@dataclass(frozen=True)
class Column:
    """The rows that an encoder is fitted on.

    Attributes:
        num_rows: how many.
        query: runs SQL in which ``{values}`` stands for a one-column relation with column ``value``, order undefined;
            returns rows. What it computes must not depend on order: counts, quantiles, minima, not sums of floats.
        chunks: yields the values in node (or edge) order, in chunks of a fixed size; may be called again.
    """

    num_rows: int
    query: Callable[[str], list[tuple[Any, ...]]]
    chunks: Callable[[], "Iterator[pa.Array]"]


@dataclass(kw_only=True)
class Encoder(ABC):
    """Turns one column into ``width`` float32 columns.

    Attributes:
        argument: the option that the text after a colon sets, as 512 in ``"text:512"``; None if it takes none.
        state: what fitting found, JSON values only.
    """

    argument: ClassVar[str | None] = None

    state: dict[str, Any] = field(default_factory=dict, init=False)

    @property
    def options(self) -> dict[str, Any]:
        """Options as JSON values."""
        return {k: v for k, v in asdict(self).items() if k != "state"}

    @abstractmethod
    def project(self, column: str, column_type: str) -> str:
        """SQL expression that casts a column to what :meth:`encode` takes.

        Args:
            column: SQL expression.
            column_type: its DuckDB type.

        Raises:
            WrongType: no such cast makes sense.
        """

    @abstractmethod
    def fit(self, column: Column) -> None:
        """Set :attr:`state` from the rows to fit on.

        Raises:
            BadValues: no statistic can be had; ``positions`` are those of the rows in ``column``.
        """

    @abstractmethod
    def names(self, name: str) -> list[str]:
        """Names of the encoded columns of the feature ``name``."""

    @abstractmethod
    def encode(self, values: "pa.Array") -> np.ndarray:
        """Encode n values to (n, width) float32.

        Raises:
            BadValues: values that cannot be encoded.
        """


def with_indicator(values: np.ndarray, nulls: np.ndarray, indicator: bool) -> np.ndarray:
    """Append a 0/1 column that marks nulls. values (n, w), nulls (n,) -> (n, w + indicator) float32."""
    if not indicator:
        return values.astype(np.float32, copy=False)
    return np.concatenate([values, nulls[:, None]], axis=1, dtype=np.float32)

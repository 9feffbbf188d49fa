"""Node features as they are stored, and as models see them: float32.

What an array holds is told by its dtype: float32; float16; uint16, the bits of bfloat16 (NumPy has no such dtype); or
int8, whose columns each have a factor and an offset: ``value * scale[0] + scale[1]``. Half the bytes is half the
memory traffic of a gather, and graphs of twice the size stay in memory.
"""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from gnnctl.graph.store_interfaces import Column
from gnnctl.native import gather_features

FeatureFormat = Literal["float32", "float16", "bfloat16", "int8"]
FORMATS: tuple[FeatureFormat, ...] = get_args(FeatureFormat)
_DTYPES: dict[str, FeatureFormat] = {"float32": "float32", "float16": "float16", "uint16": "bfloat16", "int8": "int8"}
_LARGEST = 127


class Stored(NamedTuple):
    """Features as stored: ``values`` (N, F), and for int8 ``scale`` (2, F) float32, factors over offsets."""

    values: np.ndarray
    scale: np.ndarray | None


def feature_format(values: np.ndarray | Column, scale: np.ndarray | None) -> FeatureFormat:
    """What an array of features holds.

    Raises:
        TypeError: no format has this dtype.
        ValueError: not (N, F), or a scale that is missing, superfluous or of another shape.
    """
    found = _DTYPES.get(values.dtype.name)
    if found is None or not values.dtype.isnative:
        raise TypeError(f"features: {values.dtype} is none of {', '.join(FORMATS)} (bfloat16 as uint16)")
    if values.ndim != 2:
        raise ValueError(f"features: expected (N, F), got {values.shape}")
    if (found == "int8") != (scale is not None):
        raise ValueError(f"features: {'int8 needs a scale' if scale is None else f'{found} has no scale'}")
    if scale is not None and (scale.shape != (2, values.shape[1]) or scale.dtype != np.float32):
        raise ValueError(f"features: expected a float32 scale {(2, values.shape[1])}, got {scale.dtype} {scale.shape}")
    return found


def attributes_of(dtype: "np.dtype[Any]") -> dict[str, Any] | None:
    """Attributes that tell readers of a stored array what its dtype cannot."""
    return {"dtype": "bfloat16"} if dtype == np.uint16 else None


def largest_of(format: FeatureFormat) -> float:
    """The greatest finite value that a format holds; int8, which is scaled, holds those of float32."""
    return 65504.0 if format == "float16" else float(np.finfo(np.float32).max)


def int8_scale(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(2, F) float32 factors over offsets that spread each column's range over 255 steps.

    Args:
        low, high: (F,) the least and greatest value of each column.

    Raises:
        ValueError: they are not finite.
    """
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError("features: int8 holds finite values only")
    middle = (np.float64(low) + high) / 2
    step = (np.float64(high) - low) / (2 * _LARGEST)
    return np.stack([np.where(step > 0, step, 1), middle]).astype(np.float32)


def encode_features(x: np.ndarray, format: FeatureFormat, scale: np.ndarray | None = None) -> Stored:
    """Float32 features in another format, rounded to nearest, ties to even.

    Args:
        x: (N, F) float32; finite where the format is int8.
        format: float16 overflows to infinity beyond 65,504; int8 spreads each column's range over 255 steps.
        scale: of int8, where the rows are a part of all; None: from their own range.

    Raises:
        ValueError: values that int8 cannot hold.
    """
    if format == "float16":
        with np.errstate(over="ignore"):
            return Stored(x.astype(np.float16), None)
    if format == "bfloat16":
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
        rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
        # A NaN's bits could round up to infinity: it stays one.
        return Stored(np.where(np.isnan(x), (bits >> 16) | 0x40, rounded).astype(np.uint16), None)
    if format == "int8":
        if scale is None:
            scale = int8_scale(x.min(0), x.max(0)) if len(x) else int8_scale(*np.zeros((2, x.shape[1])))
        values = np.rint((x - scale[1]) / scale[0]).clip(-_LARGEST, _LARGEST)
        return Stored(values.astype(np.int8), scale)
    return Stored(np.ascontiguousarray(x, dtype=np.float32), None)


def decode_features(
    stored: Stored, rows: np.ndarray | None = None, *, out: np.ndarray | None = None, num_threads: int = 1
) -> np.ndarray:
    """Rows as float32.

    Args:
        stored: from memory or mapped.
        rows: (n,) int64; None takes all.
        out: (n, F) float32 to write to; None takes memory that is reused once the result is let go of.
        num_threads: for the gathering.

    Raises:
        ValueError: a row is out of range.
    """
    values = stored.values
    if not values.flags.c_contiguous or not values.flags.aligned:
        values = np.ascontiguousarray(values)
    rows = np.arange(len(values)) if rows is None else np.ascontiguousarray(rows, dtype=np.int64)
    return gather_features(values, rows, stored.scale, out, num_threads)


def read_features(
    values: np.ndarray | Column,
    scale: np.ndarray | None,
    rows: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
    num_threads: int = 1,
) -> np.ndarray:
    """Rows as float32, of an array or of a store's column; arguments as :func:`decode_features` takes them.

    Raises:
        ValueError: a row is out of range of an array. IndexError: of a column.
        ArtifactError: a column's store is damaged.
    """
    if not isinstance(values, Column):
        return decode_features(Stored(values, scale), rows, out=out, num_threads=num_threads)
    wanted = slice(None) if rows is None else np.ascontiguousarray(rows, dtype=np.int64)
    if scale is None and values.dtype == np.float32:
        return values.read(wanted, out, num_threads=num_threads)
    read = Stored(values.read(wanted, num_threads=num_threads), scale)
    return decode_features(read, out=out, num_threads=num_threads)

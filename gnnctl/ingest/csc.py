"""Streams destination-sorted edges into the arrays of a CSC."""

from typing import Any

import numpy as np

from gnnctl.artifacts import ArtifactWriter
from gnnctl.artifacts.arrays import open_array
from gnnctl.graph.graph import EdgeStore


class CscWriter:
    """Streams destination-sorted edges into ``colptr``, ``row`` and further arrays, a batch at a time.

    Args:
        base: folder of the arrays within the artifact.
        num_dst, num_src, num_edges: sizes.
        others: names of further int64 (``time``, ``forward``) or float32 (``weight``) arrays.
    """

    def __init__(
        self, writer: ArtifactWriter, base: str, num_dst: int, num_src: int, num_edges: int, others: dict[str, None]
    ) -> None:
        self._writer, self._base = writer, base
        self._degree = np.zeros(num_dst + 1, np.int64)
        self._last = 0
        row_type = np.int32 if num_src < 2**31 else np.int64
        types: dict[str, Any] = {"row": row_type} | {k: np.float32 if k == "weight" else np.int64 for k in others}
        self._streams = [writer.array_stream(f"{base}/{k}", v, (num_edges,)) for k, v in types.items()]

    def append(self, dst: np.ndarray, *columns: np.ndarray) -> None:
        """The next edges: destinations, sources, then the further arrays, each (n,)."""
        if len(dst) and (int(dst[0]) < self._last or np.any(dst[1:] < dst[:-1])):
            raise AssertionError("edges arrived out of order")
        if len(dst):
            self._last, first = int(dst[-1]), int(dst[0])
            # Only the range that this batch touches: num_dst may be far larger than a batch.
            self._degree[first + 1 : self._last + 2] += np.bincount(dst - first, minlength=self._last - first + 1)
        for stream, column in zip(self._streams, columns, strict=True):
            stream.append(column)

    def close(self) -> None:
        """Finish all arrays."""
        for stream in self._streams:
            stream.close()
        np.cumsum(self._degree, out=self._degree)
        self._writer.array(f"{self._base}/colptr", self._degree)


def open_edges(writer: ArtifactWriter, base: str, feature_names: list[str]) -> EdgeStore:
    """The arrays just written, mapped."""

    def part(name: str) -> np.ndarray | None:
        path = writer.path / base / name
        return open_array(path) if path.exists() else None

    return EdgeStore(
        colptr=open_array(writer.path / base / "colptr"),
        row=open_array(writer.path / base / "row"),
        weight=part("weight"),
        edge_attr=part("edge_attr"),
        time=part("time"),
        forward=part("forward"),
        feature_names=feature_names,
    )

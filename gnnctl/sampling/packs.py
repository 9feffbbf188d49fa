"""Reading the features that lie beside records; see :mod:`gnnctl.sampling.packed`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.artifacts.tables import open_table
from gnnctl.errors import ArtifactError
from gnnctl.graph.features import Stored, decode_features
from gnnctl.graph.types import EdgeType
from gnnctl.native import RowFinder
from gnnctl.sampling.packed import Packing

if TYPE_CHECKING:
    import pyarrow as pa


class Pack:
    """What lies beside one file of records; tables are mapped when they are first asked for.

    Args:
        paths: file of each type.
        packing: what is in them.
    """

    def __init__(self, paths: "dict[str | EdgeType, Path]", packing: Packing) -> None:
        self._paths, self.packing = paths, packing
        self._tables: dict[str | EdgeType, dict[str, np.ndarray]] = {}
        self._finders: dict[str | EdgeType, RowFinder] = {}

    def column(self, t: str | EdgeType, name: str) -> np.ndarray:
        """One column of a type's table; ``x`` and ``edge_attr`` as (rows, F)."""
        if t not in self._tables:
            table = open_table(self._paths[t])
            self._tables[t] = {c: _array(table[c]) for c in table.column_names}
        try:
            return self._tables[t][name]
        except KeyError:
            raise self._damaged(t, f"has no column {name}") from None

    def places(self, t: str | EdgeType, rows: np.ndarray) -> np.ndarray:
        """(n,) int64: where rows (n,) stand in the type's table; -1 for one that is not there."""
        if t not in self._finders:
            name = "pos" if isinstance(t, EdgeType) else "row"
            try:
                self._finders[t] = RowFinder(self.column(t, name))
            except (TypeError, ValueError):
                raise self._damaged(t, f"has a column {name} that does not ascend") from None
        return self._finders[t].places(rows)

    def path(self, t: str | EdgeType) -> Path:
        """The file of a type."""
        return self._paths[t]

    def _damaged(self, t: str | EdgeType, what: str) -> ArtifactError:
        return ArtifactError(f"{self._paths[t]} {what}", fix="make the records again")


class PackedFeatures:
    """Features of batches whose records lie in some files, read beside these.

    Args:
        packs: of those files.
    """

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = packs
        self._packing = packs[0].packing

    def node_features(self, node_type: str, rows: np.ndarray, num_threads: int) -> np.ndarray | None:
        """(n, F) float32, or None for a type without.

        Raises:
            ArtifactError: a row that is not there.
        """
        packed = self._packing.nodes.get(node_type)
        if packed is None:
            return None
        scale = packed.scale_array()
        return self._gathered(
            node_type,
            rows,
            lambda pack, at: decode_features(Stored(pack.column(node_type, "x"), scale), at, num_threads=num_threads),
        )

    def edge_values(self, edge_type: EdgeType, positions: np.ndarray, name: str, virtual: float) -> np.ndarray | None:
        """``weight`` (e,) or ``edge_attr`` (e, F) float32, ``virtual`` where the position is -1; None without any.

        Raises:
            ArtifactError: a position that is not there.
        """
        packed = self._packing.edges.get(edge_type)
        if packed is None or not (packed.weight if name == "weight" else packed.width):
            return None
        real = positions >= 0
        found = self._gathered(edge_type, positions[real], lambda pack, at: pack.column(edge_type, name)[at])
        if real.all():
            return found
        out = np.full((len(positions), *found.shape[1:]), virtual, np.float32)
        out[real] = found
        return out

    def _gathered(self, t: str | EdgeType, rows: np.ndarray, gather: Any) -> np.ndarray:
        out: np.ndarray | None = None
        missing = np.ones(len(rows), bool)
        for pack in self._packs:
            at = pack.places(t, rows)
            there = at >= 0
            if out is None and there.all():
                whole: np.ndarray = gather(pack, at)
                return whole
            new = there & missing
            values = gather(pack, at[new])
            if out is None:
                out = np.empty((len(rows), *values.shape[1:]), np.float32)
            out[new] = values
            missing &= ~there
        if out is None or missing.any():
            row = int(rows[missing][0])
            raise ArtifactError(f"{self._packs[0].path(t)}: row {row} is not there", fix="make the records again")
        return out


def _array(column: "pa.ChunkedArray") -> np.ndarray:
    import pyarrow as pa

    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of an empty table
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    if not pa.types.is_fixed_size_list(array.type):
        plain: np.ndarray = array.to_numpy()
        return plain
    vectors: np.ndarray = array.flatten().to_numpy().reshape(len(array), array.type.list_size)
    return vectors

"""Fits the encoders of one node or edge type and streams its feature matrix."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.console import Progress
from gnnctl.errors import DataError
from gnnctl.ingest.encoders import BadValues, Column, Encoder, WrongType, make_encoder, restore_encoder
from gnnctl.ingest.engine import Engine
from gnnctl.ingest.parse import nearest
from gnnctl.ingest.spec import FeatureSpec
from gnnctl.ingest.storage import RowSink
from gnnctl.ingest.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa

# Statistics are accumulated over chunks of this many rows: part of the content, must never change.
_FIT_ROWS = 1 << 16
_ENCODE_BYTES = 1 << 25


@dataclass
class _Part:
    spec: FeatureSpec
    encoder: Encoder
    sql: str
    fitted: bool = False


class Features:
    """The features of one type: first :attr:`columns` go into its sorted table, then fit, then write.

    Args:
        specs: features in order.
        table: where their columns are.
        saved: encoders of another graph to apply unchanged, or None to fit.
        folder: further place to import encoders from.

    Raises:
        DataError: a missing column, a wrong type, features that differ from the saved ones.
    """

    def __init__(
        self, specs: Sequence[FeatureSpec], table: Table, saved: list[dict[str, Any]] | None, folder: str
    ) -> None:
        self.what = table.what
        self.view = table.view
        self.parts: list[_Part] = []
        for spec, before in _paired(specs, saved, table.what):
            where = f"{table.what}: feature '{spec.name}'"
            made = restore_encoder(before, where, folder) if before else None
            encoder = made or make_encoder(spec.encoder, spec.options, where, folder)
            field = table.field(spec.column, "feature")
            try:
                sql = encoder.project(field.sql, field.type)
            except WrongType as wrong:
                fix = "choose another encoder, or cast the column"
                message = f"{where}: encoder '{spec.encoder}' {wrong}, and {spec.column} has type {field.type}"
                raise DataError(message, fix=fix) from None
            self.parts.append(_Part(spec, encoder, sql, before is not None))

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Alias and SQL of what must be in the sorted table."""
        return [(f"f{i}", part.sql) for i, part in enumerate(self.parts)]

    @property
    def learns(self) -> bool:
        """Whether any encoder takes statistics from the rows."""
        return any(not part.fitted and part.spec.encoder.split(":")[0] not in ("raw", "vector") for part in self.parts)

    @property
    def names(self) -> list[str]:
        """Names of the columns of the matrix, once fitted."""
        return [name for part in self.parts for name in part.encoder.names(part.spec.name)]

    def fit(
        self, engine: Engine, relation: str, where: str | None, name_rows: Callable[[str, list[int]], list[str]]
    ) -> None:
        """Fit what is not fitted yet.

        Args:
            relation: sorted table that has :attr:`columns`.
            where: SQL condition of the rows to fit on, or None for all.
            name_rows: names rows for messages, given the condition and positions among the rows that meet it.

        Raises:
            DataError: no rows, or values that no statistic can be had of.
        """
        condition = f" WHERE {where}" if where else ""
        if not self.parts or all(part.fitted for part in self.parts):
            return
        count = int(engine.value(f"SELECT count(*) FROM {relation}{condition}", self.what))
        if count == 0:
            raise DataError(f"{self.what}: fit selects no row", fix="correct the fit predicate")
        for i, part in enumerate(self.parts):
            if part.fitted:
                continue
            values = f"SELECT f{i} AS value FROM {relation}{condition}"

            def query(sql: str, values: str = values) -> list[tuple[Any, ...]]:
                return engine.rows(sql.format(values=f"({values})"), self.what)

            def chunks(values: str = values) -> "Any":
                for batch in engine.batches(values, self.what, _FIT_ROWS):
                    yield batch.column(0)

            try:
                part.encoder.fit(Column(count, query, chunks))
            except BadValues as bad:
                raise self._error(part, bad, name_rows(condition, bad.positions[:3].tolist())) from None
            part.fitted = True

    def write(
        self,
        engine: Engine,
        relation: str,
        stream: RowSink,
        name_rows: Callable[[str, list[int]], list[str]],
        progress: Progress,
        desc: str,
    ) -> None:
        """Encode the table's rows in order and append them to ``stream``, shape (N, len(names)) float32.

        Raises:
            DataError: values that cannot be encoded.
        """
        width = max(1, len(self.names))
        rows = max(256, min(_FIT_ROWS, _ENCODE_BYTES // (4 * width)))
        aliases = ", ".join(alias for alias, _ in self.columns)
        done = 0
        with progress(total=stream.shape[0], desc=desc, unit="rows") as bar:
            for batch in engine.batches(f"SELECT row, {aliases} FROM {relation}", self.what, rows):
                _check_order(batch.column(0), done)
                encoded = [self._encode(p, batch.column(i + 1), done, name_rows) for i, p in enumerate(self.parts)]
                stream.append(np.concatenate(encoded, axis=1))
                done += batch.num_rows
                bar.update(batch.num_rows)

    def to_json(self) -> list[dict[str, Any]]:
        """The fitted encoders as kept in ``encoders.json``."""
        return [
            {
                "feature": part.spec.name,
                "column": part.spec.column,
                "encoder": part.spec.encoder,
                "options": part.encoder.options,
                "state": part.encoder.state,
            }
            for part in self.parts
        ]

    def _encode(
        self, part: _Part, values: "pa.Array", done: int, name_rows: Callable[[str, list[int]], list[str]]
    ) -> np.ndarray:
        try:
            encoded = part.encoder.encode(values)
        except BadValues as bad:
            raise self._error(part, bad, name_rows("", (bad.positions[:3] + done).tolist())) from None
        expected = (len(values), len(part.encoder.names(part.spec.name)))
        if encoded.shape != expected:
            raise DataError(
                f"{self.what}: encoder '{part.spec.encoder}' gave an array of shape {encoded.shape}, not {expected}",
                fix="correct the encoder: one column per name",
            )
        return encoded

    def _error(self, part: _Part, bad: BadValues, rows: list[str]) -> DataError:
        return DataError(
            f"{self.what}: column '{part.spec.column}' has {bad.problem} at {', '.join(rows)}", fix=bad.fix
        )


def _check_order(rows: "pa.Array", start: int) -> None:
    found = rows.to_numpy(zero_copy_only=False)
    if not np.array_equal(found, np.arange(start, start + len(found))):
        raise AssertionError("DuckDB returned the rows of a sorted table out of order")


def _paired(
    specs: Sequence[FeatureSpec], saved: list[dict[str, Any]] | None, what: str
) -> list[tuple[FeatureSpec, dict[str, Any] | None]]:
    """Specs with the saved encoder of the same name, in the saved order."""
    if saved is None:
        return [(spec, None) for spec in specs]
    named = {spec.name: spec for spec in specs}
    pairs: list[tuple[FeatureSpec, dict[str, Any] | None]] = []
    for before in saved:
        spec = named.pop(before["feature"], None)
        if spec is None:
            fix = f"{nearest(before['feature'], named)}give the type the same features"
            raise DataError(f"{what}: --encoders-from has the feature '{before['feature']}', the spec has not", fix=fix)
        if spec.encoder != before["encoder"]:
            message = (
                f"{what}: feature '{spec.name}' is '{spec.encoder}' here and '{before['encoder']}' in --encoders-from"
            )
            raise DataError(message, fix="use the same encoder")
        pairs.append((spec, before))
    if named:
        raise DataError(f"{what}: --encoders-from has no feature '{next(iter(named))}'", fix="leave it out of the spec")
    return pairs

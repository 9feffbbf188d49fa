"""Nodes of one type: sorted by id, which gives each its row; kept columns, times and features."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.artifacts import ArtifactWriter
from gnnctl.artifacts.arrays import ArrayStream, open_array
from gnnctl.console import Progress
from gnnctl.errors import DataError
from gnnctl.graph.features import attributes_of
from gnnctl.graph.graph import NodeStore
from gnnctl.graph.store_interfaces import Column, Key
from gnnctl.graph.tables import ZARR, TableStream, table_column
from gnnctl.ingest.engine import Engine, quote
from gnnctl.ingest.features import Features
from gnnctl.ingest.graphs import check_graphs, graph_key, with_graphs
from gnnctl.ingest.ids import TEXT, kept_sql, time_sql
from gnnctl.ingest.spec import NodeSpec
from gnnctl.ingest.storage import DTYPES, ColumnRange, EncodedStream
from gnnctl.ingest.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa

NO_TIME = "CAST('-9223372036854775808' AS BIGINT)"
_ROWS = 1 << 16


@dataclass
class Nodes:
    """One node type while it is being ingested.

    Attributes:
        relation: temporary table (row, id, time?, k0.., f0.., fit?), in row order.
        id_type: DuckDB type of its ids.
        is_graphs: whether these are graphs, not nodes.
        graphs: where nodes are in many graphs, those; the nodes of each stand together, in the graphs' order.
        mentions: queries of the endpoint ids (column ``id``) that become nodes where the type's table lacks them.
    """

    spec: NodeSpec
    relation: str
    id_type: str
    table: Table | None
    features: Features | None
    mentions: list[str]
    graphs: "Nodes | None" = None
    is_graphs: bool = False
    num_nodes: int = 0
    row_type: str = "INTEGER"
    _count: int = 0

    @property
    def what(self) -> str:
        """How messages call it."""
        return self.table.what if self.table else f"nodes '{self.spec.name}'"

    @property
    def folder(self) -> str:
        """Where its arrays and tables are in the artifact."""
        return "graphs" if self.is_graphs else f"nodes/{self.spec.name}"

    def key(self, other_type: str, alias: str) -> str:
        """SQL of the id, to be compared with ids of another type."""
        return f"{alias}.id" if other_type == self.id_type else f"CAST({alias}.id AS {TEXT})"

    def build(self, engine: Engine, progress: Progress) -> None:
        """Make :attr:`relation`.

        Raises:
            DataError: an empty table, null or duplicate ids, a wrong type.
        """
        base = self._base(engine)
        union = " UNION ALL ".join(self.mentions)
        if self.mentions:
            seen = f"SELECT DISTINCT id FROM ({union}) WHERE id IS NOT NULL"
            if base:
                engine.rows(f"CREATE TEMP TABLE {self.relation}_own AS {base}", self.what)
                base = f"SELECT * FROM {self.relation}_own UNION ALL BY NAME (SELECT id FROM ({seen}) AS m "
                base += f"ANTI JOIN {self.relation}_own AS o ON m.id = o.id)"
            else:
                base = seen
        most = self._count + (int(engine.value(f"SELECT count(*) FROM ({union})", self.what)) if self.mentions else 0)
        self.row_type = "INTEGER" if most < 2**31 else "BIGINT"
        replace = f" REPLACE (coalesce(time, {NO_TIME}) AS time)" if self.spec.time is not None else ""
        engine.watched(
            f"CREATE TEMP TABLE {self.relation} AS SELECT CAST(row_number() OVER () - 1 AS {self.row_type}) AS row, "
            f"*{replace} FROM (SELECT * FROM ({base}) ORDER BY {'id' if self.graphs is None else 'graph_row, id'})",
            self.what,
            progress,
            f"reading {self.spec.name}",
        )
        engine.rows(f"DROP TABLE IF EXISTS {self.relation}_own", self.what)
        self.num_nodes = int(engine.value(f"SELECT count(*) FROM {self.relation}", self.what))
        self._check_ids(engine)
        if self.graphs is not None:
            check_graphs(engine, self, self.graphs)

    def _base(self, engine: Engine) -> str:
        if self.table is None:
            return ""
        self._count = self.table.count()
        spec, table = self.spec, self.table
        parts = [f"CAST({table.field(spec.id, 'id').sql} AS {self.id_type}) AS id"]
        if spec.time is not None:
            parts.append(f"{time_sql(table.field(spec.time, 'time'), table, 'time')} AS time")
        for i, column in enumerate(self.kept.values()):
            field = table.field(column, "label" if spec.label and column == spec.label[1] else "kept")
            parts.append(f"{kept_sql(field)} AS k{i}")
        if self.features is not None:
            parts += [f"{sql} AS {alias}" for alias, sql in self.features.columns]
        if spec.fit is not None:
            fit = table.field(spec.fit, "fit")
            if fit.type != "BOOLEAN":
                raise DataError(f"{table.what}: fit gives {fit.type}, not true or false", fix="write a predicate")
            parts.append(f"coalesce({fit.sql}, false) AS fit")
        if self.graphs is None:
            return f"SELECT {', '.join(parts)} FROM {table.view}"
        return with_graphs(f"SELECT {', '.join([*parts, graph_key(self, self.graphs)])} FROM {table.view}", self.graphs)

    @property
    def kept(self) -> dict[str, str]:
        """Kept columns, the label first: name -> column or expression."""
        label = {} if self.spec.label is None else dict([self.spec.label])
        return label | self.spec.columns

    def _check_ids(self, engine: Engine) -> None:
        nulls = int(engine.value(f"SELECT count(*) FROM {self.relation} WHERE id IS NULL", self.what))
        if nulls and self.table is not None:
            field = self.table.field(self.spec.id, "id").sql
            rows = engine.rows(
                f"SELECT i FROM (SELECT row_number() OVER () AS i, {field} AS id FROM {self.table.view}) "
                "WHERE id IS NULL ORDER BY i LIMIT 3",
                self.what,
            )
            first = ", ".join(str(i) for (i,) in rows)
            message = f"{self.what}: id column '{self.spec.id}' is null in {nulls} rows: row {first}"
            raise DataError(message, fix='fill the ids in, or leave these rows out with sql = "..."')
        twice = engine.rows(
            f"SELECT id, count(*) FROM {self.relation} GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 3", self.what
        )
        if twice:
            total = engine.value(f"SELECT count(*) - count(DISTINCT id) FROM {self.relation}", self.what)
            first = ", ".join(f"{value!r} ({count} rows)" for value, count in twice)
            message = f"{self.what}: id column '{self.spec.id}' has {total} duplicate ids: {first}"
            raise DataError(message, fix="keep one row per id")

    def name_rows(self, engine: Engine, condition: str, positions: list[int]) -> list[str]:
        """Ids of rows for messages."""
        found = []
        for position in positions:
            sql = f"SELECT id FROM {self.relation}{condition} LIMIT 1 OFFSET {position}"
            found.append(f"id {engine.value(sql, self.what)!r}")
        return found

    def write(self, engine: Engine, writer: ArtifactWriter, progress: Progress, store: str = ZARR) -> NodeStore:
        """Write ids, kept columns, times and features; returns the type as it now stands on disk (arrays mapped).

        ``store`` is the format of the features, as :func:`table_format` reads it.
        """
        base = self.folder
        kept = list(self.kept)
        columns = ", ".join(["row", "id", *(f"k{i}" for i in range(len(kept)))])
        table = _ordered(engine.batches(f"SELECT {columns} FROM {self.relation}", self.what, _ROWS))
        ids = table.select(["id"])
        writer.table(f"{base}/ids", ids)
        named = None
        if kept:
            named = table.drop_columns(["row", "id"]).rename_columns(kept)
            writer.table(f"{base}/columns", named)
        time = None
        if self.spec.time is not None:
            stream = writer.array_stream(f"{base}/time", np.int64, (self.num_nodes,))
            for batch in engine.batches(f"SELECT time FROM {self.relation}", self.what, _ROWS):
                stream.append(batch.column(0).to_numpy())
            stream.close()
            time = open_array(writer.path / base / "time")
        x: np.ndarray | Column | None = None
        x_scale, names = None, []
        if self.features is not None and self.features.parts:

            def name_rows(condition: str, positions: list[int]) -> list[str]:
                return self.name_rows(engine, condition, positions)

            self.features.fit(engine, self.relation, "fit" if self.spec.fit else None, name_rows)
            names = self.features.names
            shape, format = (self.num_nodes, len(names)), self.spec.feature_dtype
            if format == "int8":
                seen = ColumnRange(shape, self.what)
                self.features.write(engine, self.relation, seen, name_rows, progress, f"range of {self.spec.name}")
                writer.array(f"{base}/x_scale", x_scale := seen.scale())
            dtype = DTYPES[format]
            rows: ArrayStream | TableStream
            if store == ZARR:
                rows = writer.array_stream(f"{base}/x", dtype, shape, attributes_of(dtype))
            else:
                rows = TableStream(writer, f"{base}/x", dtype, shape, store)
            sink = rows if format == "float32" else EncodedStream(rows, format, x_scale, names, self.what)
            self.features.write(engine, self.relation, sink, name_rows, progress, f"features of {self.spec.name}")
            rows.close()
            x = open_array(rows.path) if store == ZARR else table_column(rows.path, Key(self.spec.name, "x"))
        label = self.spec.label[0] if self.spec.label else None
        return NodeStore(self.num_nodes, ids["id"], x, time, named, names, label, x_scale)

    def slim(self, engine: Engine) -> None:
        """Keep only what joining edges needs."""
        wanted = "row, id, time" if self.spec.time is not None else "row, id"
        if self.kept or self.graphs or (self.features is not None and self.features.parts) or self.spec.fit:
            engine.rows(
                f"CREATE TEMP TABLE {quote(self.relation + '_slim')} AS SELECT {wanted} FROM {self.relation}", self.what
            )
            engine.rows(f"DROP TABLE {self.relation}", self.what)
            engine.rows(f"ALTER TABLE {quote(self.relation + '_slim')} RENAME TO {self.relation}", self.what)


def _ordered(batches: Any) -> "pa.Table":
    """One table of all batches, its column ``row`` checked to count from 0."""
    import pyarrow as pa

    table = pa.Table.from_batches(list(batches))
    rows = table["row"].to_numpy()
    if not np.array_equal(rows, np.arange(len(rows))):
        raise AssertionError("DuckDB returned the rows of a sorted table out of order")
    return table

"""Edges of one type: endpoints joined to rows, filtered, sorted by destination and streamed into a CSC."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from gnnctl.artifacts import ArtifactWriter
from gnnctl.console import Progress
from gnnctl.errors import DataError
from gnnctl.graph.graph import EdgeStore
from gnnctl.ingest.csc import CscWriter, open_edges
from gnnctl.ingest.engine import Engine
from gnnctl.ingest.features import Features
from gnnctl.ingest.ids import TEXT, id_type, kept_sql, time_sql
from gnnctl.ingest.nodes import NO_TIME, Nodes
from gnnctl.ingest.spec import EdgeSpec
from gnnctl.ingest.tables import Table

_ROWS = 1 << 20


@dataclass
class Edges:
    """One edge type while it is being ingested.

    Attributes:
        relation: name that its temporary tables begin with.
        notes: what was dropped, in words.
    """

    spec: EdgeSpec
    relation: str
    table: Table
    src: Nodes
    dst: Nodes
    features: Features
    notes: list[str]

    @property
    def what(self) -> str:
        """How messages call it."""
        return self.table.what

    @property
    def timed(self) -> bool:
        """Whether edges become visible at some time."""
        return self.spec.time is not None or self.src.spec.time is not None

    @property
    def attributes(self) -> list[str]:
        """What besides the endpoints distinguishes edges, in sorting order."""
        found = ["time"] if self.spec.time is not None else []
        found += ["weight"] if self.spec.weight is not None else []
        return [*found, *(alias for alias, _ in self.features.columns), *self.kept]

    @property
    def kept(self) -> dict[str, str]:
        """Kept columns: name in the temporary tables -> name."""
        return {f"k{i}": name for i, name in enumerate(self.spec.columns)}

    @property
    def order(self) -> list[str]:
        """Sorting order of the CSC."""
        return ["d", *(["visible"] if self.timed else []), "s", *self.attributes]

    def write(self, engine: Engine, writer: ArtifactWriter, progress: Progress) -> EdgeStore:
        """Write the type's arrays; returns them mapped.

        Raises:
            DataError: unknown endpoints, nulls, wrong types.
        """
        self.table.count()
        self._join(engine, progress)
        kept = self._keep(engine)
        count = int(engine.value(f"SELECT count(*) FROM {kept}", self.what))
        order = ", ".join(self.order)
        if self.features.parts:
            engine.watched(
                f"CREATE TEMP TABLE {self.relation} AS SELECT row_number() OVER () - 1 AS row, * "
                f"FROM (SELECT * FROM {kept} ORDER BY {order})",
                self.what,
                progress,
                f"sorting {self.spec.type}",
            )
            engine.rows(f"DROP TABLE {kept}", self.what)
            kept, order = self.relation, "row"
        store = self._stream(engine, writer, progress, kept, order, count)
        engine.rows(f"DROP TABLE {kept}", self.what)
        return store

    # -- joining -----------------------------------------------------------------------------------------------------

    def endpoints(self) -> tuple[str, str]:
        """SQL of source and target ids, each as the type that ids of its column are kept as."""
        source, target = (
            self.table.field(self.spec.source_id, "source"),
            self.table.field(self.spec.target_id, "target"),
        )
        return (
            f"CAST({source.sql} AS {id_type(source, self.table, 'source')})",
            f"CAST({target.sql} AS {id_type(target, self.table, 'target')})",
        )

    def _ends(self) -> list[tuple[Nodes, str, str, str]]:
        """Per end: node type, SQL of the id in this table, its role, the column."""
        found = []
        roles = (("source", self.src, self.spec.source_id), ("target", self.dst, self.spec.target_id))
        for role, nodes, column in roles:
            field = self.table.field(column, role)
            kind = id_type(field, self.table, role)
            found.append((nodes, f"CAST({field.sql} AS {kind if kind == nodes.id_type else TEXT})", role, column))
        return found

    def _join(self, engine: Engine, progress: Progress) -> None:
        spec = self.spec
        (_, source, *_), (_, target, *_) = self._ends()
        columns = [f"{source} AS src", f"{target} AS dst"]
        if spec.time is not None:
            sql = time_sql(self.table.field(spec.time, "time"), self.table, "time")
            columns.append(f"coalesce({sql}, {NO_TIME}) AS time")
        if spec.weight is not None:
            field = self.table.field(spec.weight, "weight")
            if not field.type.removeprefix("U").startswith(
                ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN")
            ) or field.type.endswith("]"):
                message = f"{self.what}: weight column '{spec.weight}' has type {field.type}"
                raise DataError(message, fix="weights are numbers")
            columns.append(f"CAST({field.sql} AS FLOAT) AS weight")
        columns += [f"{sql} AS {alias}" for alias, sql in self.features.columns]
        for alias, column in zip(self.kept, spec.columns.values(), strict=True):
            columns.append(f"{kept_sql(self.table.field(column, 'kept'))} AS {alias}")
        if spec.fit is not None:
            columns.append(f"coalesce({self.table.field(spec.fit, 'fit').sql}, false) AS fit")
        carried = [f"e.{name}" for name in self.attributes + (["fit"] if spec.fit else [])]
        times = [f"{a}.time AS {a}t" for a, n in (("s", self.src), ("d", self.dst)) if n.spec.time is not None]
        engine.watched(
            f"CREATE TEMP TABLE {self.relation}_joined AS "
            f"SELECT {', '.join(['s.row AS s', 'd.row AS d', *times, *carried])} "
            f"FROM (SELECT {', '.join(columns)} FROM {self.table.view}) AS e "
            f"LEFT JOIN {self.src.relation} AS s ON e.src = {self._key(0, 's')} "
            f"LEFT JOIN {self.dst.relation} AS d ON e.dst = {self._key(1, 'd')}",
            self.what,
            progress,
            f"joining {spec.type}",
        )
        if spec.weight is not None:
            self._check_weights(engine)

    def _key(self, end: int, alias: str) -> str:
        nodes, _, role, column = self._ends()[end]
        return nodes.key(id_type(self.table.field(column, role), self.table, role), alias)

    def _check_weights(self, engine: Engine) -> None:
        bad = f"FROM {self.relation}_joined WHERE weight IS NULL OR NOT isfinite(weight)"
        count = int(engine.value(f"SELECT count(*) {bad}", self.what))
        if count:
            rows = engine.rows(f"SELECT s, d, weight {bad} ORDER BY d, s LIMIT 3", self.what)
            where = ", ".join(f"{self.name(engine, s, d)} ({w})" for s, d, w in rows)
            message = (
                f"{self.what}: weight column '{self.spec.weight}' has {count} values that are no finite number: {where}"
            )
            raise DataError(message, fix="correct them, or use an expression such as coalesce(weight, 0)")

    # -- filtering ---------------------------------------------------------------------------------------------------

    def _keep(self, engine: Engine) -> str:
        """Table of the edges to store (s, d, visible?, attributes, fit?), not yet sorted."""
        joined = f"{self.relation}_joined"
        spec = self.spec
        total, sources, targets = engine.rows(f"SELECT count(*), count(s), count(d) FROM {joined}", self.what)[0]
        conditions = []
        if sources < total or targets < total:
            if spec.on_missing != "drop":
                self._refuse_missing(engine)
            conditions += ["s IS NOT NULL", "d IS NOT NULL"]
            gone = int(engine.value(f"SELECT count(*) FROM {joined} WHERE s IS NULL OR d IS NULL", self.what))
            self.notes.append(f"edges '{spec.type}': dropped {gone:,} with an unknown endpoint")
        same = spec.type.src == spec.type.dst
        if spec.self_loops == "drop" and same:
            loops = int(engine.value(f"SELECT count(*) FROM {joined} WHERE s = d", self.what))
            if loops:
                conditions.append("s <> d")
                self.notes.append(f"edges '{spec.type}': dropped {loops:,} self-loops")
        plain = not (conditions or spec.undirected or self.timed or spec.duplicates != "keep")
        if plain:
            return joined
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        select = self._direction("s", "d") + where
        if spec.undirected:
            select += " UNION ALL " + self._direction("d", "s") + (f"{where} AND s <> d" if where else " WHERE s <> d")
        kept = f"{self.relation}_kept"
        engine.rows(f"CREATE TEMP TABLE {kept} AS {self._deduplicated(engine, select)}", self.what)
        engine.rows(f"DROP TABLE {joined}", self.what)
        return kept

    def _direction(self, source: str, target: str) -> str:
        columns = [f"{source} AS s", f"{target} AS d"]
        if self.timed:
            times = ["time"] if self.spec.time is not None else []
            times += [f"{source}t"] if self.src.spec.time is not None else []
            columns.append(f"greatest({', '.join(times)}) AS visible")
        columns += self.attributes + (["fit"] if self.spec.fit else [])
        return f"SELECT {', '.join(columns)} FROM {self.relation}_joined"

    def _deduplicated(self, engine: Engine, select: str) -> str:
        policy = self.spec.duplicates
        if policy == "keep":
            return select
        total, distinct = engine.rows(
            f"SELECT sum(n), count(*) FROM (SELECT count(*) AS n FROM ({select}) GROUP BY d, s)", self.what
        )[0]
        if total == distinct or total is None:
            return select
        if policy == "error":
            rows = engine.rows(
                f"SELECT s, d, count(*) FROM ({select}) GROUP BY d, s HAVING count(*) > 1 ORDER BY d, s LIMIT 3",
                self.what,
            )
            where = ", ".join(f"{self.name(engine, s, d)} ({n} times)" for s, d, n in rows)
            message = f"{self.what}: {total - distinct} duplicate edges: {where}"
            raise DataError(message, fix='remove them, or set duplicates = "first" or "keep"')
        self.notes.append(f"edges '{self.spec.type}': dropped {int(total - distinct):,} duplicates")
        keys = [*(["visible"] if self.timed else []), *self.attributes]
        if not keys and not self.spec.fit:
            return f"SELECT DISTINCT s, d FROM ({select})"
        way = " DESC" if policy == "last" else ""
        order = ", ".join(f"{key}{way}" for key in (keys or ["fit"]))
        return f"SELECT * FROM ({select}) QUALIFY row_number() OVER (PARTITION BY d, s ORDER BY {order}) = 1"

    def _refuse_missing(self, engine: Engine) -> None:
        ends = self._ends()
        for end, (nodes, sql, role, column) in enumerate(ends):
            view = f"FROM {self.table.view} AS e"
            nulls = int(engine.value(f"SELECT count(*) {view} WHERE {sql} IS NULL", self.what))
            if nulls:
                message = f"{self.what}: {role} column '{column}' is null in {nulls} rows"
                raise DataError(message, fix="fill the ids in or pass --on-missing drop")
            unknown = (
                f"FROM (SELECT DISTINCT {sql} AS id {view}) AS e ANTI JOIN {nodes.relation} AS n "
                f"ON e.id = {self._key(end, 'n')}"
            )
            count = int(engine.value(f"SELECT count(*) {unknown}", self.what))
            if count:
                first = engine.rows(f"SELECT e.id {unknown} ORDER BY e.id LIMIT 3", self.what)
                names = ", ".join(repr(i) for (i,) in first)
                are = "endpoint is" if count == 1 else "endpoints are"
                where = nodes.table.label if nodes.table else "the nodes"
                message = f"{self.what}: {role} column '{column}': {count:,} {are} no known {nodes.spec.name}: {names}"
                raise DataError(message, fix=f"add the rows to {where} or pass --on-missing drop (or add)")

    def name(self, engine: Engine, s: int | None, d: int | None) -> str:
        """An edge by its ends' ids, for messages."""
        names = []
        for nodes, row in ((self.src, s), (self.dst, d)):
            found = [] if row is None else engine.rows(f"SELECT id FROM {nodes.relation} WHERE row = {row}", self.what)
            names.append(repr(found[0][0]) if found else "?")
        return " -> ".join(names)

    # -- streaming ---------------------------------------------------------------------------------------------------

    def _stream(
        self, engine: Engine, writer: ArtifactWriter, progress: Progress, kept: str, order: str, count: int
    ) -> EdgeStore:
        import pyarrow as pa

        base = f"edges/{self.spec.type.key}"
        names = ["time"] * (self.spec.time is not None) + ["weight"] * (self.spec.weight is not None)
        csc = CscWriter(writer, base, self.dst.num_nodes, self.src.num_nodes, count, dict.fromkeys(names))
        columns = ", ".join(["d", "s", *names, *self.kept])
        kept_rows: list[pa.RecordBatch] = []
        batches = engine.batches(f"SELECT {columns} FROM {kept} ORDER BY {order}", self.what, _ROWS)
        with progress(total=count, desc=f"edges {self.spec.type}", unit="edges") as bar:
            for batch in batches:
                csc.append(*(column.to_numpy() for column in batch.columns[: 2 + len(names)]))
                kept_rows.append(batch.select(list(self.kept)))
                bar.update(batch.num_rows)
        csc.close()
        columns_kept = None
        if self.kept and kept_rows:
            columns_kept = pa.Table.from_batches(kept_rows).rename_columns(list(self.kept.values()))
            writer.table(f"{base}/columns", columns_kept)
        feature_names: list[str] = []
        if self.features.parts:

            def name_rows(condition: str, positions: list[int]) -> list[str]:
                return [
                    self.name(
                        engine, *engine.rows(f"SELECT s, d FROM {kept}{condition} LIMIT 1 OFFSET {p}", self.what)[0]
                    )
                    for p in positions
                ]

            self.features.fit(engine, kept, "fit" if self.spec.fit else None, name_rows)
            feature_names = self.features.names
            stream = writer.array_stream(f"{base}/edge_attr", np.float32, (count, len(feature_names)))
            self.features.write(engine, kept, stream, name_rows, progress, f"features of {self.spec.type}")
            stream.close()
        made = open_edges(writer, base, feature_names)
        return dataclasses.replace(made, columns=columns_kept, undirected=self.spec.undirected)

"""Encoders that took statistics from rows of val or test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gnnctl.graph.types import EdgeType
from gnnctl.splits.audit.findings import Finding, Level, NotApplicable, Row
from gnnctl.splits.audit.subject import Subject, share
from gnnctl.splits.link import LinkSplit

if TYPE_CHECKING:
    import pyarrow as pa

_NOTHING = ("raw", "vector")  # learn no more than whether nulls occur
_VOCABULARY = ("onehot", "ordinal", "multihot")  # learn which values occur


class _Rows(NamedTuple):
    """A table whose encoders were fitted.

    Attributes:
        what: ``nodes 'paper'``.
        encoders: as ``encoders.json`` has them.
        spec: what the graph's options say of it, or None.
        judged: (N,) bool, rows of val and test.
        ids, columns: what is left of the table's columns.
    """

    what: str
    encoders: list[dict[str, Any]]
    spec: dict[str, Any] | None
    judged: np.ndarray
    ids: "pa.Array | pa.ChunkedArray | None"
    columns: "pa.Table | None"


def fitted_encoders(subject: Subject) -> list[Finding]:
    """Encoders whose statistics are of rows of val or test too.

    A leak where nothing of these rows may be known in training: graphs, splits by time, nodes and edges that a view
    hides. Where messages pass over all nodes, training sees their features anyway, and it is a note. Encoders that only
    learn which categories occur are a note in the first case and nothing in the second.

    Raises:
        NotApplicable: no encoder was fitted on rows that are predicted, or it cannot be told on which.
    """
    artifact = subject.graph.artifact
    if artifact is None:
        raise NotApplicable("the graph was not made by ingest")
    if any(parent["role"] == "encoders" for parent in artifact.manifest.parents):
        raise NotApplicable("encoders were fitted on another graph (--encoders-from)")
    hidden = isinstance(subject.split, LinkSplit) or subject.by.way == "time" or subject.split.target.task == "graph"
    found: list[Finding] = []
    unknown: list[str] = []
    looked_at = 0
    for table in _tables(subject, artifact.manifest.options):
        learning = [e for e in table.encoders if _name(e) not in _NOTHING]
        if not hidden:
            learning = [e for e in learning if _name(e) not in _VOCABULARY]
        if not learning:
            continue
        fitted = _fitted(table)
        if fitted is None:
            unknown.append(f"{table.what}: fit needs columns that the graph does not keep")
            continue
        looked_at += 1
        count = int((fitted & table.judged).sum())
        for level, some in _levels(learning, hidden):
            if not count or not some:
                continue
            encoders = "an encoder" if len(some) == 1 else f"{len(some)} encoders"
            what = f"{encoders} of {table.what} {'is' if len(some) == 1 else 'are'} fitted on "
            what += f"{share(count, int(table.judged.sum()))} rows of val and test"
            fix = 'set fit = "SQL predicate" in the spec, which selects rows of train'
            rows = [Row(table.what, str(e["feature"]), "", str(e["encoder"])) for e in some]
            found.append(Finding(level, what, fix, len(some), rows))
    if not looked_at:
        raise NotApplicable("; ".join(unknown) or "no encoder that was fitted is of rows that are predicted")
    return found


def _levels(learning: list[dict[str, Any]], hidden: bool) -> Iterator[tuple[Level, list[dict[str, Any]]]]:
    if not hidden:
        yield "note", learning
        return
    yield "leak", [e for e in learning if _name(e) not in _VOCABULARY]
    yield "note", [e for e in learning if _name(e) in _VOCABULARY]


def _name(encoder: dict[str, Any]) -> str:
    return str(encoder["encoder"]).split(":")[0]


def _tables(subject: Subject, options: dict[str, Any]) -> Iterator[_Rows]:
    """Tables of which rows are val or test."""
    split, graph = subject.split, subject.graph
    nodes, edges = graph.encoders.get("nodes", {}), graph.encoders.get("edges", {})
    if isinstance(split, LinkSplit):
        for relation, edge_type in enumerate(split.target.edge_types):
            store = graph.edges[edge_type]
            judged = np.zeros(store.num_edges, bool)
            for part in ("val", "test"):
                links = split.part(part)
                judged[links.pos[links.relation == relation]] = True
            spec = _edge_spec(options, edge_type)
            yield _Rows(f"edges '{edge_type}'", edges.get(str(edge_type), []), spec, judged, None, store.columns)
        return
    judged = subject.part_of > 0
    if split.target.task == "node":
        name = split.target.node_type
        node, spec = graph.nodes[name], options.get("nodes", {}).get(name)
        yield _Rows(f"nodes '{name}'", nodes.get(name, []), spec, judged, node.ids, node.columns)
        return
    assert graph.graphs is not None
    table = graph.graphs.table
    yield _Rows("graphs", graph.encoders.get("graphs", []), options.get("graphs"), judged, table.ids, table.columns)
    for name, node in graph.nodes.items():
        of = np.repeat(judged, np.diff(graph.graphs.ptr[name]))
        spec = options.get("nodes", {}).get(name)
        yield _Rows(f"nodes '{name}'", nodes.get(name, []), spec, of, node.ids, node.columns)


def _edge_spec(options: dict[str, Any], edge_type: EdgeType) -> dict[str, Any] | None:
    specs: dict[str, dict[str, Any]] = options.get("edges", {})
    return specs.get(str(edge_type), specs.get(f"{edge_type.src} * {edge_type.dst}"))


def _fitted(table: _Rows) -> np.ndarray | None:
    """(N,) bool: rows that encoders were fitted on, or None where what is kept does not say."""
    import duckdb
    import pyarrow as pa

    if table.spec is None:
        return None
    predicate = table.spec.get("fit")
    if predicate is None:
        return np.ones(len(table.judged), bool)
    # By what they are called in the source, which is what the predicate speaks of.
    columns: dict[str, Any] = {}
    if table.ids is not None:
        columns[table.spec.get("id", "id")] = table.ids
    kept = {**dict([table.spec["label"]] if table.spec.get("label") else []), **table.spec.get("columns", {})}
    for name, source in kept.items():
        if table.columns is not None and name in table.columns.column_names:
            columns[source] = table.columns[name]
    if not columns:
        return None
    with duckdb.connect(config={"enable_external_access": "false"}) as db:
        db.register("kept", pa.table(columns))
        try:
            rows = db.execute(f"SELECT coalesce(CAST(({predicate}) AS BOOLEAN), false) FROM kept").fetchnumpy()
        except duckdb.Error:
            return None
    found: np.ndarray = np.asarray(next(iter(rows.values())), bool)
    return found if found.shape == table.judged.shape else None

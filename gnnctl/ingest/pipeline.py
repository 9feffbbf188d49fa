"""From tables to a graph artifact: opens the sources, makes every node type, then every edge type."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gnnctl.artifacts import ArtifactWriter
from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError
from gnnctl.graph.graph import EdgeStore, Graph, NodeStore
from gnnctl.graph.tables import ZARR
from gnnctl.graph.types import EdgeType
from gnnctl.ingest.edges import Edges
from gnnctl.ingest.engine import Engine
from gnnctl.ingest.features import Features
from gnnctl.ingest.graphs import check_edges, graph_ptr, graph_set
from gnnctl.ingest.ids import TEXT, common_type, id_type
from gnnctl.ingest.molecules import with_molecules
from gnnctl.ingest.nodes import Nodes
from gnnctl.ingest.parse import nearest
from gnnctl.ingest.relations import edge_tables
from gnnctl.ingest.reverse import write_reverse
from gnnctl.ingest.spec import NodeSpec, Spec
from gnnctl.ingest.tables import Table


@dataclass
class Plan:
    """The opened tables of a spec.

    Attributes:
        nodes: node types in graph order.
        edges: edge types in graph order, reverses not included.
        notes: what the user should know, in words.
        graphs: the table of graphs, where there are many.
    """

    spec: Spec
    nodes: dict[str, Nodes]
    edges: list[Edges]
    notes: list[str] = field(default_factory=list)
    graphs: Nodes | None = None

    @classmethod
    def open(cls, spec: Spec, engine: Engine, saved: dict[str, Any] | None = None) -> "Plan":
        """Open every table and find every column, reading no rows yet.

        Args:
            saved: the document ``encoders.json`` of a graph whose encoders are to be applied unchanged.

        Raises:
            DataError: a missing file or column, a wrong type, an unknown encoder.
        """
        for statement in spec.setup:
            engine.rows(statement, f"setup '{statement}'")
        notes: list[str] = []
        nodes: dict[str, Nodes] = {}

        def opened(part: NodeSpec, number: str, what: str, before: list[Any] | None) -> Nodes:
            table = features = None
            if part.source is not None:
                table = Table(engine, f"node_view_{number}", part.source, spec.folder, what)
                features = Features(part.features, table, before, spec.folder)
                if features.learns and part.fit is None:
                    _warn_of_fit(notes, table, part.time, list(part.columns))
            return Nodes(part, f"nodes_{number}", TEXT, table, features, [])

        graphs = None
        if spec.graphs is not None:
            graphs = opened(spec.graphs, "graphs", "graphs", None if saved is None else saved.get("graphs", []))
            graphs.is_graphs = True
            assert graphs.table is not None
            graphs.id_type = id_type(graphs.table.id_field(spec.graphs.id, "id"), graphs.table, "id")
        for i, part in enumerate(spec.nodes):
            before = None if saved is None else saved["nodes"].get(part.name, [])
            nodes[part.name] = opened(part, str(i), f"nodes '{part.name}'", before)
            nodes[part.name].graphs = graphs
        edges = []
        ends: dict[str, list[str]] = {name: [] for name in nodes}
        adding: dict[str, list[tuple[str, str]]] = {name: [] for name in nodes}
        for i, (edge, table, whole) in enumerate(edge_tables(spec, engine, notes)):
            before = None if saved is None else saved["edges"].get(str(edge.type), [])
            features = Features(edge.features, table, before, spec.folder)
            if features.learns and edge.fit is None:
                _warn_of_fit(notes, whole, edge.time, list(edge.columns))
            edges.append(Edges(edge, f"edges_{i}", table, nodes[edge.type.src], nodes[edge.type.dst], features, notes))
            for name, column, role in (
                (edge.type.src, edge.source_id, "source"),
                (edge.type.dst, edge.target_id, "target"),
            ):
                found = table.id_field(column, role)
                kind = id_type(found, table, role)
                ends[name].append(kind)
                if nodes[name].table is None or edge.on_missing == "add":
                    adding[name].append((kind, f"SELECT CAST({found.sql} AS {{kind}}) AS id FROM {whole.view}"))
        for name, node in nodes.items():
            kinds = [kind for kind, _ in adding[name]]
            if node.table is not None:
                own = node.table.id_field(node.spec.id, "id")
                kinds = [id_type(own, node.table, "id"), *kinds]
            node.id_type = common_type(kinds)
            node.mentions = list(dict.fromkeys(query.format(kind=node.id_type) for _, query in adding[name]))
        return cls(spec, nodes, edges, notes, graphs)


def _warn_of_fit(notes: list[str], table: Table, time: str | None, columns: list[str]) -> None:
    given = [c for c in columns if c.lower() in ("split", "fold", "part", "subset")]
    why = "it has times" if time is not None else f"it has a column '{given[0]}'" if given else ""
    note = f'{table.what}: encoders are fitted on all rows though {why}; set fit = "SQL predicate" to choose'
    if why and note not in notes:
        notes.append(note)


def ingest(
    spec: Spec,
    writer: ArtifactWriter,
    *,
    memory: int,
    threads: int,
    encoders_from: Graph | None = None,
    store: str = ZARR,
    progress: Progress = no_progress,
    log: Callable[[str], None] = lambda text: None,
) -> Graph:
    """Read the tables of ``spec`` and write a graph artifact.

    Args:
        memory: bytes that the process may take.
        threads: threads of DuckDB.
        encoders_from: apply this graph's encoders unchanged instead of fitting.
        store: what the features of nodes are kept in, as :func:`table_format` reads it.
        log: takes notes as they arise.

    Returns:
        The graph, its arrays mapped from the writer's directory.

    Raises:
        DataError: bad tables; nothing is published then.
        ResourceError: out of memory or disk.
    """
    spill = writer.path / "spill"
    saved = None if encoders_from is None else encoders_from.encoders
    try:
        with Engine(spec.folder, memory, threads, spill) as engine:
            return _ingest(spec, writer, engine, saved, store, progress, log)
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _ingest(
    spec: Spec,
    writer: ArtifactWriter,
    engine: Engine,
    saved: dict[str, Any] | None,
    store: str,
    progress: Progress,
    log: Callable[[str], None],
) -> Graph:
    spec, dropped = with_molecules(spec, engine, writer.path / "spill" / "molecules")
    plan = Plan.open(spec, engine, saved)
    plan.notes[:0] = dropped
    _check_saved(plan, saved)
    nodes: dict[str, NodeStore] = {}
    edges: dict[EdgeType, EdgeStore] = {}
    table, ptr, graphs = None, {}, None
    if plan.graphs is not None:
        plan.graphs.build(engine, progress)
        table = plan.graphs.write(engine, writer, progress)
    for name, node in plan.nodes.items():
        node.build(engine, progress)
        nodes[name] = node.write(engine, writer, progress, store)
        if table is not None:
            ptr[name] = graph_ptr(engine, node, table.num_nodes)
        node.slim(engine)
    if table is not None:
        graphs = graph_set(table, ptr, plan.notes)
        graphs.write_ptr(writer)
    for edge in plan.edges:
        written = edges[edge.spec.type] = edge.write(engine, writer, progress)
        if graphs is not None:
            check_edges(engine, edge, written, graphs)
        if edge.spec.reverse:
            time = nodes[edge.spec.type.dst].time
            edges[edge.spec.reverse_type] = write_reverse(
                engine, writer, progress, edge.spec, written, edge.src, edge.dst, time
            )
    for note in plan.notes:
        log(note)
    encoders: dict[str, Any] = {
        "nodes": {name: n.features.to_json() for name, n in plan.nodes.items() if n.features and n.features.parts},
        "edges": {str(e.spec.type): e.features.to_json() for e in plan.edges if e.features.parts},
    }
    if plan.graphs is not None and plan.graphs.features is not None and plan.graphs.features.parts:
        encoders["graphs"] = plan.graphs.features.to_json()
    graph = Graph(nodes, edges, encoders=encoders, graphs=graphs)
    writer.json("graph", graph.layout())
    writer.json("encoders", encoders)
    writer.summary.update(graph.summary(), notes=plan.notes)
    return graph


def _check_saved(plan: Plan, saved: dict[str, Any] | None) -> None:
    if saved is None:
        return
    if not saved:
        raise DataError("--encoders-from has no encoders", fix="name a graph that ingest made")
    if saved.get("graphs") and plan.graphs is None:
        raise DataError(
            "--encoders-from has features for graphs, the spec has no [graphs]", fix="add [graphs] as there"
        )
    here = {"nodes": list(plan.nodes), "edges": [str(e.spec.type) for e in plan.edges]}
    for kind in ("nodes", "edges"):
        for name in saved[kind]:
            if name not in here[kind]:
                fix = f"{nearest(name, here[kind])}name the types as there"
                raise DataError(f"--encoders-from has features for {kind} '{name}', the spec has no such type", fix=fix)


def default_threads() -> int:
    """Threads that this process may run on."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Nodes of many graphs: which graph each is in, and that no edge leads from one to another."""

from typing import TYPE_CHECKING

import numpy as np

from gnnctl.errors import DataError
from gnnctl.graph.graph import EdgeStore, NodeStore
from gnnctl.graph.graphs import GraphSet
from gnnctl.graph.types import EdgeType
from gnnctl.ingest.engine import Engine
from gnnctl.ingest.ids import id_type

if TYPE_CHECKING:
    from gnnctl.ingest.edges import Edges
    from gnnctl.ingest.nodes import Nodes

_SHOWN = 3


def graph_key(nodes: "Nodes", graphs: "Nodes") -> str:
    """SQL of the column that says in which graph a row of the nodes' table is, as ``graph_id``."""
    assert nodes.table is not None
    assert nodes.spec.graph is not None
    field = nodes.table.id_field(nodes.spec.graph, "graph")
    kind = id_type(field, nodes.table, "graph")
    return f"CAST({field.sql} AS {kind if kind == graphs.id_type else 'VARCHAR'}) AS graph_id"


def with_graphs(select: str, graphs: "Nodes") -> str:
    """The rows of a query that has ``graph_id``, with the row of that graph as ``graph_row``, null where unknown."""
    # A comparison casts a side of another type to text, as with ids of edges.
    key = "CAST(n.graph_id AS VARCHAR) = CAST(g.id AS VARCHAR)"
    return f"SELECT n.*, g.row AS graph_row FROM ({select}) AS n LEFT JOIN {graphs.relation} AS g ON {key}"


def check_graphs(engine: Engine, nodes: "Nodes", graphs: "Nodes") -> None:
    """Every node must be in a graph that the table has.

    Raises:
        DataError: names the first nodes or graphs.
    """
    column = f"graph column '{nodes.spec.graph}'"
    found = engine.rows(
        f"SELECT id FROM {nodes.relation} WHERE graph_id IS NULL ORDER BY id LIMIT {_SHOWN}", nodes.what
    )
    if found:
        count = engine.value(f"SELECT count(*) FROM {nodes.relation} WHERE graph_id IS NULL", nodes.what)
        first = ", ".join(repr(value) for (value,) in found)
        raise DataError(
            f"{nodes.what}: {column} is null in {count} rows: id {first}", fix="say in which graph they are"
        )
    unknown = engine.rows(
        f"SELECT graph_id, min(id) FROM {nodes.relation} WHERE graph_row IS NULL GROUP BY graph_id "
        f"ORDER BY graph_id LIMIT {_SHOWN}",
        nodes.what,
    )
    if unknown:
        first = ", ".join(f"{graph!r} (of id {node!r})" for graph, node in unknown)
        known = graphs.table.label if graphs.table else "the graphs"
        raise DataError(
            f"{nodes.what}: {column} has graphs that are not in [graphs]: {first}", fix=f"add them to {known}"
        )


def graph_ptr(engine: Engine, nodes: "Nodes", num_graphs: int) -> np.ndarray:
    """(num_graphs + 1,) int64: where the nodes of each graph begin."""
    rows = engine.rows(f"SELECT graph_row, count(*) FROM {nodes.relation} GROUP BY graph_row", nodes.what)
    counts = np.zeros(num_graphs + 1, np.int64)
    for graph, count in rows:
        counts[graph + 1] = count
    return np.cumsum(counts)


def graph_set(table: NodeStore, ptr: dict[str, np.ndarray], notes: list[str]) -> GraphSet:
    """The graphs, with a note where some have no node."""
    found = GraphSet(table, ptr)
    empty = np.flatnonzero(found.sizes == 0)
    if len(empty) and table.ids is not None:
        first = ", ".join(str(table.ids[int(row)]) for row in empty[:_SHOWN])
        notes.append(f"graphs: {len(empty):,} of {found.num_graphs:,} have no node: {first}")
    return found


def check_edges(engine: Engine, edges: "Edges", store: EdgeStore, graphs: GraphSet) -> None:
    """No edge may lead from one graph to another.

    Raises:
        DataError: names the first edges by the ids of their ends.
    """
    edge_type: EdgeType = edges.spec.type
    count, first = graphs.crossing(edge_type, store, _SHOWN)
    if not count:
        return
    named = ", ".join(edges.name(engine, int(source), int(target)) for source, target in first)
    lead = "edge leads" if count == 1 else "edges lead"
    raise DataError(
        f"{edges.what}: {count:,} {lead} from one graph to another: {named}",
        fix="an edge's ends must be nodes of one graph",
    )

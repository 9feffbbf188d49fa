"""What an ingest says: a table of the graph's types, and for a dry run how large it would be."""

from typing import Any

from gnnctl.graph.features import feature_format
from gnnctl.graph.graph import Graph
from gnnctl.ingest.encoders.categorical import MultiHot, Ordinal
from gnnctl.ingest.encoders.text import Text
from gnnctl.ingest.engine import Engine
from gnnctl.ingest.features import Features
from gnnctl.ingest.pipeline import Plan
from gnnctl.ingest.storage import DTYPES


def rows_of_graph(graph: Graph) -> list[list[Any]]:
    """One line per type: kind, name, count, features, label or extras."""
    rows: list[list[Any]] = []
    if graph.graphs is not None:
        table = graph.graphs.table
        extras = [f"label {table.label}"] if table.label else []
        rows.append(["graphs", "", table.num_nodes, len(table.feature_names), ", ".join(extras)])
    for name, node in graph.nodes.items():
        extras = [f"label {node.label}"] if node.label else []
        extras += ["time"] if node.time is not None else []
        if node.x is not None and (stored := feature_format(node.x, node.x_scale)) != "float32":
            extras.append(stored)
        rows.append(["nodes", name, node.num_nodes, len(node.feature_names), ", ".join(extras)])
    for edge_type, edge in graph.edges.items():
        parts = (("weight", edge.weight), ("time", edge.time), ("reverse", edge.forward))
        extras = [part for part, values in parts if values is not None]
        extras += ["undirected"] if edge.undirected else []
        extras += [] if edge.columns is None else [f"columns {', '.join(edge.columns.column_names)}"]
        rows.append(["edges", str(edge_type), edge.num_edges, len(edge.feature_names), ", ".join(extras)])
    return rows


def predict(plan: Plan, engine: Engine) -> dict[str, Any]:
    """Rows of every table, and bytes of the arrays they would become.

    Edges count as in their tables: what filters, duplicates and unknown endpoints take away is not known yet.

    Returns:
        ``{"graphs": ..., "nodes": {type: {"rows", "width", "bytes"}}, "edges": ..., "bytes": total}``;
        a type made from edges alone has its distinct ids counted.
    """
    document: dict[str, Any] = {"nodes": {}, "edges": {}}
    tables = {("nodes", name): node for name, node in plan.nodes.items()}
    if plan.graphs is not None:
        document = {"graphs": {}, **document}
        tables = {("graphs", ""): plan.graphs, **tables}
    for (kind, name), node in tables.items():
        if node.table is not None:
            rows = node.table.count()
        else:
            union = " UNION ALL ".join(node.mentions)
            rows = int(engine.value(f"SELECT count(DISTINCT id) FROM ({union})", node.what))
        width = _width(node.features, engine) if node.features else 0
        stored = DTYPES[node.spec.feature_dtype].itemsize * width
        size = rows * (stored + 8 + 16 * len(node.kept) + (8 if node.spec.time else 0))
        document[kind][name] = {"rows": rows, "width": width, "bytes": size}
    for edge in plan.edges:
        spec = edge.spec
        rows = edge.table.count() * (2 if spec.undirected else 1)
        width = _width(edge.features, engine)
        each = 4 + 4 * width + (8 if spec.time else 0) + (4 if spec.weight else 0)
        ends = document["nodes"][spec.type.dst]["rows"], document["nodes"][spec.type.src]["rows"]
        document["edges"][str(spec.type)] = {"rows": rows, "width": width, "bytes": rows * each + 8 * ends[0]}
        if spec.reverse:
            size = rows * (each + 8) + 8 * ends[1]
            document["edges"][str(spec.reverse_type)] = {"rows": rows, "width": width, "bytes": size}
    document["bytes"] = sum(part["bytes"] for kind in document.values() for part in kind.values())
    return document


def _width(features: Features, engine: Engine) -> int:
    """Columns of the encoded features: counted where counting is one query, else one a feature."""
    total = 0
    for part in features.parts:
        encoder = part.encoder
        values = f"(SELECT {part.sql} AS value FROM {features.view})"
        if part.fitted:
            total += len(encoder.names(part.spec.name))
        elif isinstance(encoder, Text):
            total += encoder.size
        elif isinstance(encoder, Ordinal):
            total += 1
        elif hasattr(encoder, "max"):
            values = f"(SELECT unnest(value) AS value FROM {values})" if isinstance(encoder, MultiHot) else values
            found = int(engine.value(f"SELECT count(DISTINCT value) FROM {values}", features.what))
            total += min(found, encoder.max)
        elif part.spec.encoder.startswith("vector"):
            total += int(engine.value(f"SELECT coalesce(max(len(value)), 0) FROM {values}", features.what))
        else:
            total += 1
    return total

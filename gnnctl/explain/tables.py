"""Explanations as tables with original ids."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gnnctl.explain.explainer import Explanation
from gnnctl.graph.graph import Graph


def names_of(graph: Graph, node_type: str, rows: np.ndarray) -> list[str]:
    """Original ids as text."""
    found: list[str] = pc.cast(graph.ids_of(node_type, rows), pa.string()).to_pylist()
    return found


def name_of(graph: Graph, explanation: Explanation) -> str:
    """The explained node's original id as text."""
    return names_of(graph, explanation.node_type, np.array([explanation.row]))[0]


def nodes_table(graph: Graph, explanations: Sequence[Explanation]) -> pa.Table:
    """One row a node of each neighbourhood, the strongest first: ``explained`` (id), ``type``, ``id``, ``row``,
    ``hop``, ``score``, ``selected`` (in the drawn part)."""
    parts = []
    for e in explanations:
        for name, rows in e.subgraph.nodes.items():
            if len(rows):
                chosen = np.zeros(len(rows), bool)
                chosen[e.selected.nodes.get(name, [])] = True
                part = {
                    "explained": pa.repeat(name_of(graph, e), len(rows)),
                    "type": pa.repeat(name, len(rows)),
                    "id": pa.array(names_of(graph, name, rows), pa.string()),
                    "row": pa.array(rows),
                    "hop": pa.array(e.subgraph.node_hops(name), pa.int64()),
                    "score": pa.array(e.nodes[name]),
                    "selected": pa.array(chosen),
                }
                parts.append(pa.table(part))
    return _ordered(parts, explanations, graph)


def edges_table(graph: Graph, explanations: Sequence[Explanation]) -> pa.Table:
    """One row an edge, the strongest first: ``explained``, ``edge_type``, ``source_type``, ``source`` (id),
    ``target_type``, ``target`` (id), ``position`` (in the graph's CSC), ``score``, ``selected``."""
    parts = []
    for e in explanations:
        for t, edges in e.subgraph.edges.items():
            if count := len(edges.row):
                chosen = np.zeros(count, bool)
                chosen[e.selected.edges.get(t, [])] = True
                source, target = e.subgraph.nodes[t.src][edges.row], e.subgraph.nodes[t.dst][edges.col()]
                part = {
                    "explained": pa.repeat(name_of(graph, e), count),
                    "edge_type": pa.repeat(str(t), count),
                    "source_type": pa.repeat(t.src, count),
                    "source": pa.array(names_of(graph, t.src, source), pa.string()),
                    "target_type": pa.repeat(t.dst, count),
                    "target": pa.array(names_of(graph, t.dst, target), pa.string()),
                    "position": pa.array(edges.pos),
                    "score": pa.array(e.edges[t]),
                    "selected": pa.array(chosen),
                }
                parts.append(pa.table(part))
    if not parts:
        text, number = pa.string(), pa.int64()
        types = {"explained": text, "edge_type": text, "source_type": text, "source": text, "target_type": text}
        types |= {"target": text, "position": number, "score": pa.float32(), "selected": pa.bool_()}
        return pa.schema(list(types.items())).empty_table()
    return _ordered(parts, explanations, graph)


def features_table(graph: Graph, explanations: Sequence[Explanation]) -> pa.Table:
    """One row a feature of a node type, the strongest first: ``explained``, ``type``, ``feature``, ``score`` (over the
    neighbourhood), ``seed_score`` and ``seed_value`` (of the explained node; null for other types)."""
    parts = []
    for e in explanations:
        for name, scores in e.features.items():
            own = e.seed_features if name == e.node_type else None
            x = graph.nodes[name].features(np.array([e.row])) if own is not None else None
            value = None if x is None else x[0]
            part = {
                "explained": pa.repeat(name_of(graph, e), len(scores)),
                "type": pa.repeat(name, len(scores)),
                "feature": pa.array(feature_names(graph, name, len(scores)), pa.string()),
                "score": pa.array(scores),
                "seed_score": pa.nulls(len(scores), pa.float32()) if own is None else pa.array(own),
                "seed_value": pa.nulls(len(scores), pa.float32()) if value is None else pa.array(value),
            }
            parts.append(pa.table(part))
    if not parts:
        types = {"explained": pa.string(), "type": pa.string(), "feature": pa.string(), "score": pa.float32()}
        types |= {"seed_score": pa.float32(), "seed_value": pa.float32()}
        return pa.schema(list(types.items())).empty_table()
    return _ordered(parts, explanations, graph)


def feature_names(graph: Graph, node_type: str, count: int) -> list[str]:
    """Names of a type's features; their numbers where ingest gave none."""
    names = graph.nodes[node_type].feature_names
    return list(names) if len(names) == count else [f"x{i}" for i in range(count)]


def _ordered(parts: list[pa.Table], explanations: Sequence[Explanation], graph: Graph) -> pa.Table:
    """Rows by explained node in the order asked for, then by falling magnitude; stable, so that ties keep theirs."""
    table = pa.concat_tables(parts)
    place = {name_of(graph, e): i for i, e in reversed(list(enumerate(explanations)))}
    asked = np.array([place[name] for name in table["explained"].to_pylist()], np.int64)
    strength = np.abs(table["score"].to_numpy())
    return table.take(pa.array(np.lexsort((-strength, asked)))).combine_chunks()

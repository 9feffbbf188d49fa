"""How the edges of predicted types are dealt out to the parts, and what that says of all other edges."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.splits.by import NO_PART, TRAIN, By, Fractions, by_column, by_hash
from gnnctl.splits.columns import kept_column
from gnnctl.splits.keyed import keyed_hashes
from gnnctl.splits.link_groups import ends_of
from gnnctl.splits.times import Moving, Times, find_bounds, times_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Dealt:
    """What a way of splitting says.

    Attributes:
        parts: by predicted type, the part (E,) int8 of every edge; -1 is none.
        views: by edge type, the first view (E,) int8 that may show an edge; a missing type is in all.
        moments: by edge type (E,) the times that parts were made by, where they were.
        notes: what a user should know.
    """

    parts: dict[EdgeType, np.ndarray] = field(default_factory=dict)
    views: dict[EdgeType, np.ndarray] = field(default_factory=dict)
    moments: dict[EdgeType, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class IdHashes:
    """The hashes of the nodes' ids, by type, made once."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self._graph, self._seed = graph, seed
        self._made: dict[str, np.ndarray] = {}

    def __getitem__(self, node_type: str) -> np.ndarray:
        """(N,) uint64."""
        if node_type not in self._made:
            rows = np.arange(self._graph.num_nodes(node_type))
            self._made[node_type] = keyed_hashes(self._graph.ids_of(node_type, rows), self._seed, "id")
        return self._made[node_type]


def visible_from(graph: Graph, edge_type: EdgeType) -> np.ndarray | None:
    """(E,) int64: when an edge and both its ends are there; the least int64 is always. None where nothing has times."""
    store = graph.edges[edge_type]
    src, dst = graph.nodes[edge_type.src].time, graph.nodes[edge_type.dst].time
    if store.time is None and src is None and dst is None:
        return None
    sources, targets = ends_of(graph, edge_type)
    found = np.full(store.num_edges, ALWAYS) if store.time is None else np.array(store.time, np.int64)
    for times, rows in ((src, sources), (dst, targets)):
        if times is not None:
            np.maximum(found, times[rows], out=found)
    return found


def deal_randomly(hashes: dict[EdgeType, np.ndarray], fractions: Fractions) -> Dealt:
    """Each link by its own hash."""
    return Dealt({t: by_hash(values, fractions) for t, values in hashes.items()})


def deal_by_column(graph: Graph, edge_types: list[EdgeType], column: str, names: dict[str, str]) -> Dealt:
    """Each link as a kept column says.

    Raises:
        DataError: a type does not keep it, or it has a value that is no part.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = [pc.cast(kept_column(graph.edges[t].columns, column, str(t)), pa.string()) for t in edge_types]
    parts = by_column(pa.concat_arrays(values), names, column)
    return Dealt(dict(zip(edge_types, np.split(parts, np.cumsum([len(v) for v in values])[:-1]), strict=True)))


def deal_by_time(
    graph: Graph,
    edge_types: list[EdgeType],
    column: str | None,
    known: dict[EdgeType, np.ndarray],
    fractions: Fractions,
    moving: Moving,
) -> Dealt:
    """The latest links are test; what is not predicted is seen by the parts that begin after it.

    Args:
        graph: the whole graph.
        edge_types: predicted.
        column: kept column of the edges; None: when an edge and its ends become visible.
        known: by predicted type (E,) bool, edges that the shares are of.
        fractions: shares.
        moving: gap and window.

    Raises:
        UsageError: a predicted type without times.
        DataError: a type does not keep the column, or its values have no order.
    """
    others = [t for t, store in graph.edges.items() if store.forward is None and t not in edge_types]
    if column is None:
        found = {t: visible_from(graph, t) for t in [*edge_types, *others]}
        for t in edge_types:
            if found[t] is None:
                fix = "write --by time:COLUMN of a kept column, or ingest with times"
                raise UsageError(f"--by time: edges '{t}' and their ends have no times", fix=fix)
        timed = {t: values for t, values in found.items() if values is not None}
        values = np.concatenate(list(timed.values()))
        times = Times(values, values != ALWAYS, "number")
    else:
        columns = {t: kept_column(graph.edges[t].columns, column, str(t)) for t in edge_types}
        for t in others:
            kept = graph.edges[t].columns
            if kept is not None and column in kept.column_names:
                columns[t] = kept_column(kept, column, str(t))
        times = times_of(_joined(list(columns.values()), column))
        timed = {t: np.empty(len(values)) for t, values in columns.items()}
    stops = np.cumsum([len(values) for values in timed.values()])[:-1]
    counted = [known[t] if t in known else np.zeros(len(values), bool) for t, values in timed.items()]
    bounds = find_bounds(times, np.concatenate(counted), fractions, moving)
    parts = np.where(times.known, bounds.parts(times.values), NO_PART).astype(np.int8)
    views = np.where(times.known, bounds.views(times.values), 0).astype(np.int8)
    by_type = [dict(zip(timed, np.split(each, stops), strict=True)) for each in (parts, views, times.values)]
    dealt = Dealt({t: by_type[0][t] for t in edge_types}, by_type[1], by_type[2])
    untimed = [t for t in others if t not in timed]
    if untimed:
        more = f" and {len(untimed) - 1} more types" if len(untimed) > 1 else ""
        what = "times" if column is None else f"column '{column}'"
        dealt.notes.append(f"every view shows all edges '{untimed[0]}'{more}: they have no {what}")
    return dealt


def deal_by_nodes(graph: Graph, edge_types: list[EdgeType], by: By, fractions: Fractions, hashes: IdHashes) -> Dealt:
    """Nodes are dealt out; an edge is seen from the part on of which its last end is.

    Raises:
        UsageError: a node type that no predicted type leads from or to.
    """
    ends = list(dict.fromkeys(name for t in edge_types for name in (t.src, t.dst)))
    if by.column is not None and by.column not in ends:
        fix = f"name a node type at an end of what is predicted: {', '.join(ends)}"
        raise UsageError(f"--by {by}: no predicted link has an end of type '{by.column}'", fix=fix)
    chosen = ends if by.column is None else [by.column]
    nodes = {name: np.full(graph.num_nodes(name), TRAIN, np.int8) for name in graph.node_types}
    nodes |= {name: by_hash(hashes[name], fractions) for name in chosen}
    dealt = Dealt()
    for t in graph.edges:
        if t.src in chosen or t.dst in chosen:
            src, dst = ends_of(graph, t)
            dealt.views[t] = np.maximum(nodes[t.src][src], nodes[t.dst][dst])
    dealt.parts = {t: dealt.views[t].copy() for t in edge_types if t in dealt.views}
    for t in edge_types:
        dealt.parts.setdefault(t, np.full(graph.edges[t].num_edges, TRAIN, np.int8))
    return dealt


def _joined(columns: "list[pa.Array]", name: str) -> "pa.Array":
    import pyarrow as pa

    kinds = list(dict.fromkeys(str(c.type) for c in columns))
    if len(kinds) > 1:
        raise DataError(
            f"column '{name}' is {kinds[0]} of one edge type and {kinds[1]} of another", fix="keep it in one type"
        )
    return pa.concat_arrays(columns)

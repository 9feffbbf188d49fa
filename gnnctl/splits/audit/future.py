"""What seeds see that is later than they are."""

from collections.abc import Mapping

import numpy as np

from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import Graph
from gnnctl.graph.stores import destinations
from gnnctl.graph.types import EdgeType
from gnnctl.splits.audit.findings import ROWS_KEPT, Finding, Level, NotApplicable, Row
from gnnctl.splits.audit.subject import BLOCK, Subject, share
from gnnctl.splits.columns import column_of
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.node import PARTS
from gnnctl.splits.times import times_of

_HEED = "train with --time before (or until), and tell it to audit --time"
_APART = "split --by time, where a part's view has none but earlier edges"
_STATE = 'state the times in the spec (time = "COLUMN"), and train with --time before'


def future_seen(subject: Subject) -> list[Finding]:
    """Seeds within two hops of an edge, or of a node with features, that is later than they are.

    In a split by time that is a leak, in others a note: they do not claim to foretell anything. It is neither where
    models heed the times; links are scored in the whole view of their part whatever models heed. A node's features are
    taken to be of the node's time.

    Raises:
        NotApplicable: nothing has times, or seeds are graphs.
    """
    split = subject.split
    if isinstance(split, LinkSplit):
        return _of_links(subject, split)
    if split.target.task == "graph":
        raise NotApplicable("the nodes of a graph are all given with it")
    name = split.target.node_type
    times = {t: np.asarray(store.time) for t, store in split.graph.nodes.items() if store.time is not None}
    stated = name in times
    if not stated:
        if subject.by.way != "time" or subject.by.column is None:
            raise NotApplicable(f"nodes '{name}' have no times")
        found = times_of(column_of(split.graph, name, subject.by.column))
        if any(store.time is not None for store in split.graph.edges.values()):
            raise NotApplicable(f"edges have times, but nodes '{name}' only a column")
        order = np.unique(found.values[found.known], return_inverse=True)[1]
        times = {name: np.full(len(found.values), ALWAYS)}
        times[name][found.known] = order
    elif subject.heeded:
        return []
    latest = latest_seen(split.graph, times, {}, hops=2)[name]
    return _findings(subject, times[name], latest, stated)


def _findings(subject: Subject, own: np.ndarray, latest: np.ndarray, stated: bool) -> list[Finding]:
    split = subject.seeds
    found = []
    for part in reversed(PARTS):
        rows = split.part(part)[0]
        rows = rows[own[rows] != ALWAYS]
        late = rows[latest[rows] > own[rows]]
        if not len(late):
            continue
        level: Level = "leak" if subject.by.way == "time" and part != "train" else "note"
        what = f"{share(len(late), len(rows))} seeds of {part} see within two hops what is later than they are"
        names = subject.names(split.target.node_type, late)
        listed = [Row(split.target.node_type, seed, part) for seed in names]
        found.append(Finding(level, what, _HEED if stated else _STATE, len(late), listed))
    return found


def _of_links(subject: Subject, split: LinkSplit) -> list[Finding]:
    if all(links.time is None for links in split.parts.values()):
        raise NotApplicable("links have no times")
    graph = split.graph
    times = {t: np.asarray(store.time) for t, store in graph.nodes.items() if store.time is not None}
    found = []
    for number in (2, 1):  # that training links see each other is their view's nature
        part = PARTS[number]
        links = split.part(part)
        if links.time is None or not links.size:
            continue
        shown = {t: codes <= number for t, codes in split.codes.items()}
        latest = latest_seen(graph, times, shown, hops=1)
        late = np.zeros(links.size, bool)
        rows: list[Row] = []
        for relation, edge_type in enumerate(split.target.edge_types):
            mine = np.flatnonzero((links.relation == relation) & (links.time != ALWAYS))
            src, dst = links.src[mine], links.dst[mine]
            seen = np.maximum(latest[edge_type.src][src], latest[edge_type.dst][dst])
            later = seen > links.time[mine]
            late[mine[later]] = True
            names = subject.edge_names(edge_type, src[later], dst[later])
            rows += [Row(str(edge_type), name, part) for name in names]
        if late.any():
            what = (
                f"an end of {share(int(late.sum()), links.size)} links of {part} has edges that are later than the link"
            )
            level: Level = "leak" if subject.by.way == "time" else "note"
            found.append(Finding(level, what, _APART, int(late.sum()), rows[:ROWS_KEPT]))
    return found


def latest_seen(
    graph: Graph, times: Mapping[str, np.ndarray], shown: Mapping[EdgeType, np.ndarray], hops: int
) -> dict[str, np.ndarray]:
    """By node type (N,) int64: the latest time of an edge, or of a node, on the paths into each node.

    Args:
        times: of nodes by type; a type without is always there.
        shown: by edge type (E,) bool, edges that count; a type without: all.
        hops: length of the paths.
    """
    before: dict[str, np.ndarray] = {}
    for hop in range(hops):
        latest = {t: np.full(store.num_nodes, ALWAYS) for t, store in graph.nodes.items()}
        for edge_type, store in graph.edges.items():
            for start in range(0, store.num_edges, BLOCK):
                stop = min(store.num_edges, start + BLOCK)
                src, dst = np.asarray(store.row[start:stop]), destinations(store.colptr, start, stop)
                seen = np.full(stop - start, ALWAYS)
                if store.time is not None:
                    np.maximum(seen, store.time[start:stop], out=seen)
                if edge_type.src in times:
                    np.maximum(seen, times[edge_type.src][src], out=seen)
                if hop:
                    np.maximum(seen, before[edge_type.src][src], out=seen)
                if edge_type in shown:
                    seen[~shown[edge_type][start:stop]] = ALWAYS
                _raise_to(latest[edge_type.dst], dst, seen)
        before = latest
    return before


def _raise_to(latest: np.ndarray, dst: np.ndarray, seen: np.ndarray) -> None:
    """Set each destination to the latest of its edges; ``dst`` (m,) ascends."""
    if not len(dst):
        return
    starts = np.flatnonzero(np.concatenate([[True], dst[1:] != dst[:-1]]))
    rows = dst[starts]
    latest[rows] = np.maximum(latest[rows], np.maximum.reduceat(seen, starts))

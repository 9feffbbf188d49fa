"""Edge types that say the same as another: the links of one are read off the edges of the other."""

import numpy as np

from gnnctl.graph.stores import destinations
from gnnctl.graph.types import EdgeType
from gnnctl.splits.audit.findings import Finding, Row
from gnnctl.splits.audit.meetings import is_reverse, meetings, pair_keys
from gnnctl.splits.audit.subject import Subject, counted
from gnnctl.splits.link import Links
from gnnctl.splits.node import PARTS

# Of the judged links of a type, and of the edges of the other: what share must stand in both for them to be one.
_SHARE = 0.8
_LEAST = 10  # judged links of a type that can be called a share


def inverse_types(subject: Subject) -> list[Finding]:
    """Types whose edges join the same nodes as the links that are judged, the same way round or the other.

    Knowledge graphs are full of them: WN18 and FB15k lost most of their difficulty to inverse relations (Toutanova and
    Chen 2015, Dettmers et al. 2018).
    """
    split = subject.links
    types = split.target.edge_types
    judged: dict[tuple[int, EdgeType, bool], int] = {}
    totals = np.zeros(len(types), np.int64)
    for number in (1, 2):
        links = split.part(PARTS[number])
        totals += np.bincount(links.relation, minlength=len(types))
        for (relation, edge_type, opposite), links_met in _met(subject, links, number).items():
            key = (relation, edge_type, opposite)
            judged[key] = judged.get(key, 0) + len(links_met)
    found = []
    for (relation, edge_type, opposite), count in judged.items():
        total = int(totals[relation])
        if total < _LEAST or count < _SHARE * total:
            continue
        predicted = types[relation]
        back = _share_of_edges(subject, edge_type, predicted, opposite)
        if back < _SHARE:
            continue
        way = "the other way round" if opposite else "the same way round"
        what = (
            f"{counted(count, 'judged link')} of '{predicted}' ({count / total:.0%}) stand as '{edge_type}' {way}, "
            f"as do {back:.0%} of the edges of that type"
        )
        fix = f'pass --reverse-of "{edge_type}={predicted}" to split' if opposite else "drop one of the two types"
        found.append(Finding("leak", what, fix, count, [Row(str(predicted), str(edge_type), "", way)]))
    return sorted(found, key=lambda f: (-f.count, f.what))


def _met(subject: Subject, links: Links, view: int) -> dict[tuple[int, EdgeType, bool], np.ndarray]:
    """By relation, another type and its direction, the links that an edge of that type repeats, each once."""
    split, graph = subject.links, subject.graph
    seen: dict[tuple[int, EdgeType, bool], list[np.ndarray]] = {}
    for meeting in meetings(split, links, view):
        of = links.relation[meeting.link]
        for relation in np.unique(of):
            predicted = split.target.edge_types[relation]
            if meeting.edge_type == predicted or is_reverse(graph, meeting.edge_type, predicted):
                continue
            met = meeting.link[(of == relation) & ~meeting.earlier]
            seen.setdefault((int(relation), meeting.edge_type, meeting.opposite), []).append(np.unique(met))
    return {key: np.unique(np.concatenate(parts)) for key, parts in seen.items()}


def _share_of_edges(subject: Subject, edge_type: EdgeType, predicted: EdgeType, opposite: bool) -> float:
    """The share of a type's edges that join two nodes which a link of ``predicted`` joins."""
    graph = subject.graph
    keys = []
    for kind, turned in ((edge_type, opposite), (predicted, False)):
        store = graph.edges[kind]
        src, dst = np.asarray(store.row, np.int64), destinations(store.colptr, 0, store.num_edges)
        keys.append(pair_keys(graph, predicted, *((dst, src) if turned else (src, dst))))
    return float(np.isin(keys[0], keys[1]).mean()) if len(keys[0]) else 0.0

"""Links that messages pass along while they are predicted; links, or their reverses, in two parts."""

from collections.abc import Iterator

import numpy as np

from gnnctl.graph.types import EdgeType
from gnnctl.splits.audit.findings import ROWS_KEPT, Finding, Level, Row
from gnnctl.splits.audit.hashing import row_hashes
from gnnctl.splits.audit.meetings import Meeting, is_reverse, meetings, reciprocity
from gnnctl.splits.audit.subject import Subject, share
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.splits.node import PARTS

# Reverse edges of a directed type give links away where they are the rule; else they are facts of their own.
_RULE = 0.5
_TYPES_NAMED = 3
_OWN, _DUPLICATE, _REVERSE, _GENERATED = "itself", "a duplicate", "the reverse", "the generated reverse"


def reachable_links(subject: Subject) -> list[Finding]:
    """Links that are edges of their own part's view: themselves, as duplicates, or the other way round."""
    split = subject.links
    symmetric = _Symmetric(split)
    found = []
    for number, part in enumerate(subject.progress(PARTS, desc="reachable links", unit="parts")):
        links = split.part(part)
        seen = {kind: np.zeros(links.size, bool) for kind in (_OWN, _DUPLICATE, _REVERSE, _GENERATED)}
        for meeting in meetings(split, links, number):
            for kind, chosen in _kinds(split, links, meeting):
                seen[kind][meeting.link[chosen]] = True
        own = seen.pop(_OWN)
        if own.any():
            found.append(_of_itself(subject, links, own, part))
        for kind, mask in seen.items():
            for level, some in symmetric.levels(links, mask & ~own, kind):
                what = f"messages pass along {kind} of {share(int(some.sum()), links.size)} links of {part}"
                found.append(_finding(subject, level, links, some, part, what, _FIXES[kind, level], kind))
    return found


_FIXES: dict[tuple[str, Level], str] = {
    (_DUPLICATE, "leak"): "make the split again: duplicates of a link belong to its part",
    (_GENERATED, "leak"): "make the split again: the reverse of a link belongs to its part",
    (_REVERSE, "leak"): 'pass --reverse-of "TYPE=TYPE" to split, or ingest the edges as undirected',
    (_REVERSE, "note"): 'if both directions are one fact, pass --reverse-of "TYPE=TYPE" to split',
}


def crossing_links(subject: Subject) -> list[Finding]:
    """Links of two parts that join the same two nodes, in either direction."""
    split = subject.links
    symmetric = _Symmetric(split)
    found = []
    for later in (2, 1):
        links = split.part(PARTS[later])
        for earlier in range(later):
            others = split.part(PARTS[earlier])
            for kind in (_DUPLICATE, _REVERSE):
                mask = _shared(split, links, others, kind)
                for level, some in symmetric.levels(links, mask, kind):
                    verb = "are also links" if kind == _DUPLICATE else "are the reverse of links"
                    what = f"{share(int(some.sum()), links.size)} links of {PARTS[later]} {verb} of {PARTS[earlier]}"
                    made = _finding(subject, level, links, some, PARTS[later], what, _FIXES[kind, level], kind)
                    found.append(made)
    return found


class _Symmetric:
    """Which predicted types run both ways."""

    def __init__(self, split: LinkSplit) -> None:
        self._split = split
        self._known: dict[EdgeType, bool] = {}

    def levels(self, links: Links, mask: np.ndarray, kind: str) -> list[tuple[Level, np.ndarray]]:
        """The links of a mask (n,) by what their kind of repetition is, where there are any."""
        rule = self._rule(links) if kind == _REVERSE and mask.any() else np.ones(links.size, bool)
        levels: list[tuple[Level, np.ndarray]] = [("leak", mask & rule), ("note", mask & ~rule)]
        return [(level, some) for level, some in levels if some.any()]

    def _rule(self, links: Links) -> np.ndarray:
        """(n,) bool: links of types whose reverse edges are the rule."""
        types = self._split.target.edge_types
        found = np.zeros(len(types), bool)
        for relation in np.unique(links.relation):
            found[relation] = self._is(types[relation])
        return np.asarray(found[links.relation])

    def _is(self, edge_type: EdgeType) -> bool:
        if edge_type not in self._known:
            graph = self._split.graph
            undirected = graph.edges[edge_type].undirected
            self._known[edge_type] = undirected or reciprocity(graph, edge_type) >= _RULE
        return self._known[edge_type]


def _kinds(split: LinkSplit, links: Links, meeting: Meeting) -> Iterator[tuple[str, np.ndarray]]:
    """What the edges of a meeting are to their links, as masks (m,); edges of other types are nothing."""
    of = links.relation[meeting.link]
    for relation in np.unique(of):
        predicted = split.target.edge_types[relation]
        mine = of == relation
        if meeting.edge_type == predicted:
            own = meeting.pos == links.pos[meeting.link]
            yield _OWN, mine & own
            loops = links.src[meeting.link] == links.dst[meeting.link] if meeting.opposite else np.zeros_like(own)
            yield (_REVERSE if meeting.opposite else _DUPLICATE), mine & ~own & ~loops & ~meeting.earlier
        elif meeting.opposite and is_reverse(split.graph, meeting.edge_type, predicted):
            yield _GENERATED, mine & ~meeting.earlier


def _shared(split: LinkSplit, links: Links, others: Links, kind: str) -> np.ndarray:
    """(n,) bool: links that are among others of their type, or are the reverse of one."""
    loop = np.array([t.src == t.dst for t in split.target.edge_types])[links.relation] & (links.src != links.dst)
    mine = np.flatnonzero(loop if kind == _REVERSE else np.ones(links.size, bool))
    ends = (links.dst, links.src) if kind == _REVERSE else (links.src, links.dst)
    columns, known = [links.relation, *ends], [others.relation, others.src, others.dst]
    if links.time is not None and others.time is not None:  # what comes again later is history, not the same link
        columns.append(links.time)
        known.append(others.time)
    found = np.zeros(links.size, bool)
    found[mine] = np.isin(row_hashes(np.stack(columns, 1)[mine]), row_hashes(np.stack(known, 1)))
    return found


def _of_itself(subject: Subject, links: Links, own: np.ndarray, part: str) -> Finding:
    of = share(int(own.sum()), links.size)
    if part == "train":  # what is seen is learnt worse, but no result looks better for it
        fix = "--disjoint 0.3 keeps that share of them for learning alone"
        what = f"messages pass along {of} links of train while they are learnt"
        return _finding(subject, "note", links, own, part, what, fix, _OWN)
    what = f"messages pass along {of} links of {part} while they are predicted"
    return _finding(subject, "leak", links, own, part, what, "make the split again", _OWN)


def _finding(
    subject: Subject, level: Level, links: Links, mask: np.ndarray, part: str, what: str, fix: str, kind: str
) -> Finding:
    """A finding about some links; the first of each type are named, and the types that have most."""
    rows: list[Row] = []
    types = subject.links.target.edge_types
    counts = np.bincount(links.relation[mask], minlength=len(types))
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    for relation in order:
        some = np.flatnonzero(mask & (links.relation == relation))
        names = subject.edge_names(types[relation], links.src[some], links.dst[some])
        rows += [Row(str(types[relation]), name, part, kind) for name in names]
        if len(rows) >= ROWS_KEPT:
            break
    if len(types) > 1:
        named = ", ".join(f"'{types[i]}' {counts[i]:,}" for i in order[:_TYPES_NAMED])
        what += f" ({named}{', ...' if len(order) > _TYPES_NAMED else ''})"
    return Finding(level, what, fix.replace("TYPE", str(types[order[0]])), int(mask.sum()), rows[:ROWS_KEPT])

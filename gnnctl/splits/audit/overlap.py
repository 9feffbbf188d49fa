"""Seeds that are in two parts."""

import numpy as np

from gnnctl.splits.audit.findings import Finding, Row
from gnnctl.splits.audit.subject import Subject, counted
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.node import PARTS


def overlapping_parts(subject: Subject) -> list[Finding]:
    """Nodes, graphs or links that are a seed of more than one part."""
    split = subject.split
    found = []
    for a, first in enumerate(PARTS):
        for second in PARTS[a + 1 :]:
            rows = np.flatnonzero(np.isin(_seeds(subject, second), _seeds(subject, first)))
            if not len(rows):
                continue
            if isinstance(split, LinkSplit):
                links = split.part(second).take(rows)
                listed = []
                for relation, edge_type in enumerate(split.target.edge_types):
                    some = links.take(links.relation == relation)
                    names = subject.edge_names(edge_type, some.src, some.dst)
                    listed += [Row(str(edge_type), name, second, name, first) for name in names]
            else:
                name = split.target.node_type
                seeds = subject.names(name, split.part(second)[0][rows])
                listed = [Row(name, seed, second, seed, first) for seed in seeds]
            what = f"{counted(len(rows), 'seed')} of {second} {'is' if len(rows) == 1 else 'are'} in {first} too"
            found.append(Finding("leak", what, "make the split again", len(rows), listed))
    return found


def _seeds(subject: Subject, part: str) -> np.ndarray:
    """(n,) int64: a number for each seed of a part."""
    split = subject.split
    if not isinstance(split, LinkSplit):
        return split.part(part)[0]
    links = split.part(part)
    most = max((store.num_edges for store in split.graph.edges.values()), default=0)
    return np.asarray(links.relation * np.int64(most + 1) + links.pos)

"""Graphs of val and test that stand in train already, as far as message passing can tell."""

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.stores import destinations
from gnnctl.splits.audit.duplicates import MATTERS
from gnnctl.splits.audit.findings import Finding, Level, NotApplicable
from gnnctl.splits.audit.hashing import first_of, mixed, row_hashes
from gnnctl.splits.audit.subject import BLOCK, Subject, share
from gnnctl.splits.node import PARTS

_ROUNDS = 4


def repeated_graphs(subject: Subject) -> list[Finding]:
    """Graphs of val and test that equal one of train: in features, and in structure by the Weisfeiler-Lehman test.

    With equal labels at least 1% of a part are a leak, fewer a note. With other labels they are a note: one of the two
    is wrong, or the input says too little.

    Raises:
        NotApplicable: nodes are predicted.
    """
    split = subject.seeds
    if split.target.task != "graph":
        raise NotApplicable("this is one graph; it is for splits of graphs")
    hashes = graph_hashes(subject.graph, _ROUNDS)
    labels = row_hashes(np.ascontiguousarray(subject.labels.reshape(len(hashes), -1)))
    train = np.flatnonzero(subject.part_of == 0)
    found = []
    for number in (2, 1):
        rows = np.flatnonzero(subject.part_of == number)
        same = first_of(mixed(hashes[rows]) + labels[rows], mixed(hashes[train]) + labels[train])
        other = np.where(same < 0, first_of(hashes[rows], hashes[train]), -1)
        cases: tuple[tuple[Level, np.ndarray, str], ...] = (
            ("leak", same, "with the same label"),
            ("note", other, "that has another label"),
        )
        for usual, met, words in cases:
            twice = met >= 0
            if twice.any():
                level: Level = usual if twice.sum() >= MATTERS * len(rows) else "note"
                what = f"{share(int(twice.sum()), len(rows))} graphs of {PARTS[number]} equal one of train {words}"
                fix = "leave repeated graphs out, or keep them together: split --by group:COLUMN"
                listed = subject.meetings(rows[twice], train[met[twice]])
                found.append(Finding(level, what, fix, int(twice.sum()), listed))
    return found


def graph_hashes(graph: Graph, rounds: int) -> np.ndarray:
    """(G,) uint64: equal for graphs that Weisfeiler and Lehman's refinement of colours does not tell apart.

    A node's first colour is its type and features; each round adds the multiset of the colours that its in-edges come
    from, with the edges' type, features and weight (Shervashidze et al. 2011). Times and ids do not count.

    Raises:
        ValueError: it is one graph, not a set of graphs.
    """
    if graph.graphs is None:
        raise ValueError("graph_hashes: this is one graph, not a set of graphs")
    colors = {}
    for number, (name, nodes) in enumerate(graph.nodes.items()):
        own = np.zeros(nodes.num_nodes, np.uint64) if nodes.x is None else row_hashes(nodes.x)
        colors[name] = mixed(own + np.uint64(number))
    for _ in range(rounds):
        sums = {name: np.zeros(len(values), np.uint64) for name, values in colors.items()}
        for number, (edge_type, store) in enumerate(graph.edges.items()):
            kind = mixed(np.array([number + 1]))
            for start in range(0, store.num_edges, BLOCK):
                stop = min(store.num_edges, start + BLOCK)
                edge = np.repeat(kind, stop - start)
                for values in (store.edge_attr, None if store.weight is None else store.weight[:, None]):
                    if values is not None:
                        edge = mixed(edge) + row_hashes(values[start:stop])
                message = mixed(colors[edge_type.src][store.row[start:stop]] + mixed(edge))
                np.add.at(sums[edge_type.dst], destinations(store.colptr, start, stop), message)
        colors = {name: mixed(mixed(colors[name]) + mixed(sums[name])) for name in colors}
    table = graph.graphs.table
    found = np.zeros(graph.graphs.num_graphs, np.uint64) if table.x is None else row_hashes(table.x)
    for name, values in colors.items():
        before = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
        ptr = graph.graphs.ptr[name]
        sizes = np.diff(ptr).astype(np.uint64)
        found = mixed(found) + mixed((before[ptr[1:]] - before[ptr[:-1]]) + mixed(sizes))
    return found

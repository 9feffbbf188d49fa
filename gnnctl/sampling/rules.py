"""What records must be beyond what makes them safe to read: the rules of schemas/README.md and schemas/picks.md.

Whether the picks are those of the published function is another question, which drawing them again answers.
"""

import numpy as np

from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.broken import Broken
from gnnctl.sampling.columns import ranges
from gnnctl.sampling.merge import merge_columns
from gnnctl.sampling.methods import Spec
from gnnctl.sampling.records import Block
from gnnctl.sampling.spec import ALL, SampleSpec


class Rules:
    """The rules for records of one split and spec.

    Args:
        graph: that they were sampled from.
        spec: how.
        parts: by name the (n,) ascending rows and the labels of the split.
        broken: gets what is wrong.
    """

    def __init__(
        self, graph: Graph, spec: Spec, parts: dict[str, tuple[np.ndarray, np.ndarray]], broken: Broken
    ) -> None:
        self._graph, self._spec, self._parts, self._broken = graph, spec, parts, broken
        self._seeds: dict[tuple[str, int], list[np.ndarray]] = {}
        self._hides = False  # whether there are edges that a seed does not see

    def _view(self, part: str) -> Graph:
        """What a part is sampled from."""
        return self._graph

    def check(self, block: Block, where: str) -> None:
        """Check some records; their numbers are in range already."""
        self._check_seeds(block, where)
        self._check_nodes(block, where)
        plain = isinstance(self._spec, SampleSpec) and self._spec.subgraph == "directional"
        for t in block.columns.layout.edge_types:
            self._check_edges(block, t, where, plain)
        if plain:
            self._check_order(block, where)

    def finish(self) -> None:
        """After the last record: every seed of a part is there once an epoch."""
        for (part, epoch), found in self._seeds.items():
            seeds, times = np.unique(np.concatenate(found), return_counts=True)
            name = f"{part}, epoch {epoch}"
            if np.any(times > 1):
                seed = seeds[times > 1][0]
                self._broken.add("seed twice", f"{name}: seed {seed} is in two records", int((times > 1).sum()))
            missing = np.setdiff1d(self._parts[part][0], seeds, assume_unique=True)
            if len(missing):
                line = f"{name}: {len(missing):,} seeds of the split are in no record, {missing[0]} first"
                self._broken.add("seed missing", line)
        for part, (rows, _) in self._parts.items():
            if len(rows) and not any(known == part for known, _ in self._seeds):
                self._broken.add("part missing", f"there are no records of {part}, which has {len(rows):,} seeds")

    def _say(self, rule: str, block: Block, record: np.ndarray, wrong: np.ndarray, where: str, what: str) -> None:
        """``record`` of each checked value, ``wrong`` which are; ``what`` is filled with the first one's place."""
        if np.any(wrong):
            first = int(np.flatnonzero(wrong)[0])
            self._broken.add(rule, f"{where}: record {block.first + int(record[first])}: {what}", int(wrong.sum()))

    def _check_seeds(self, block: Block, where: str) -> None:
        c = block.columns
        record = np.repeat(np.arange(len(block)), c.seed_counts)
        rows, labels = self._parts[block.part]
        self._seeds.setdefault((block.part, block.epoch), []).append(c.seeds.copy())
        at = np.minimum(np.searchsorted(rows, c.seeds), max(len(rows) - 1, 0))
        strange = rows[at] != c.seeds if len(rows) else np.ones(len(c.seeds), bool)
        self._say("part", block, record, strange, where, f"a seed is not in the part {block.part} of the split")
        local = c.nodes[ranges(c.node_start(c.layout.node_type), c.seed_counts)]
        self._say("seeds first", block, record, local != c.seeds, where, "its first nodes are not its seeds in order")
        time = self._graph.nodes[c.layout.node_type].time
        if c.seed_times is not None and c.layout.time is None:
            expected = np.full(len(c.seeds), ALWAYS) if time is None else time[c.seeds]
            wrong = c.seed_times != expected
            self._say("time", block, record, wrong, where, "a seed's time is not its node's")
        if block.labels is not None and not strange.any():
            given, known = (a.reshape(len(a), -1) for a in (block.labels, labels[at]))
            self._say("label", block, record, np.any(given != known, axis=1), where, "a label is not the split's")

    def _check_nodes(self, block: Block, where: str) -> None:
        c = block.columns
        if c.layout.disjoint:
            assert c.node_group is not None
            record = np.repeat(np.arange(len(block)), c.node_counts.sum(axis=(1, 2)))
            wrong = (c.node_group < 0) | (c.node_group >= c.label_counts[record])
            self._say("group", block, record, wrong, where, "node_group names a seed that is not there")
            return
        for i, t in enumerate(c.layout.node_types):
            counts = c.node_counts[:, i].sum(axis=1)
            rows = c.nodes[ranges(c.node_start(t), counts)]
            record = np.repeat(np.arange(len(block)), counts)
            order = np.lexsort((rows, record))
            same = (np.diff(rows[order]) == 0) & (np.diff(record[order]) == 0)
            self._say("node twice", block, record[order][1:], same, where, f"a {t} is there twice")

    def _check_edges(self, block: Block, t: EdgeType, where: str, plain: bool) -> None:
        c, store = block.columns, self._view(block.part).edges[t]
        i = c.layout.edge_types.index(t)
        counts = c.edge_counts[:, i]  # (R, H)
        taken = ranges(c.edge_start(t), counts.sum(axis=1))
        record = np.repeat(np.arange(len(block)), counts.sum(axis=1))
        pos, col = c.edge_pos[taken], c.edge_col[taken].astype(np.int64)
        src = c.nodes[c.node_start(t.src)[record] + c.edge_row[taken]]
        dst = c.nodes[c.node_start(t.dst)[record] + col]
        real = pos >= 0
        if plain:
            self._say("virtual", block, record, ~real, where, f"edge_pos of '{t}' is -1, but all are of the graph")
        at = np.maximum(pos, 0)
        wrong = np.zeros(len(pos), bool)
        if store.num_edges:
            inside = (store.colptr[dst] <= at) & (at < store.colptr[dst + 1])
            wrong = real & ~(inside & (store.row[at] == src))
        what = f"edge_pos of '{t}' is not an edge between these two nodes"
        self._say("position", block, record, wrong, where, what)
        if plain and not wrong.any():
            hop = np.repeat(np.tile(np.arange(1, c.layout.hops + 1), len(block)), counts.ravel())
            self._check_draws(block, t, where, (record, hop, col, pos))

    def _check_draws(
        self, block: Block, t: EdgeType, where: str, edges: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    ) -> None:
        """A node is expanded once, at the hop after the one that reached it, and takes as many as it must."""
        spec, c = self._spec, block.columns
        assert isinstance(spec, SampleSpec)
        record, hop, col, pos = edges
        sizes = c.node_counts[:, c.layout.node_types.index(t.dst)]  # (R, H + 1)
        reached = _hops(sizes)
        starts = np.cumsum(sizes.sum(axis=1)) - sizes.sum(axis=1)
        wrong = reached[starts[record] + col] != hop - 1
        what = f"an edge of '{t}' at hop {{}} does not lead into a node of the hop before"
        self._say("hop", block, record, wrong, where, what.format(hop[wrong][0] if wrong.any() else ""))
        if wrong.any():
            return
        drawn = np.bincount(starts[record] + col, minlength=len(reached))
        if not spec.replace:
            order = np.lexsort((pos, starts[record] + col))
            same = (np.diff(pos[order]) == 0) & (np.diff((starts[record] + col)[order]) == 0)
            self._say("edge twice", block, record[order][1:], same, where, f"an edge of '{t}' is drawn twice")
        fan_out = np.array([*spec.num_neighbors.get(t, (0,) * spec.hops), 0], np.int64)[reached]
        of = np.repeat(np.arange(len(block)), sizes.sum(axis=1))
        rows = c.nodes[c.node_start(t.dst)[of] + np.arange(len(of)) - starts[of]]
        store = self._view(block.part).edges[t]
        degree = store.colptr[rows + 1] - store.colptr[rows]
        most = np.where(degree == 0, 0, fan_out) if spec.replace else np.minimum(fan_out, degree)
        most = np.where(fan_out == ALL, degree, most)
        over = drawn > most
        self._say("fan-out", block, of, over, where, f"a {t.dst} drew more edges of '{t}' than its fan-out")
        if spec.budget is None and spec.time is None and spec.draw != "weighted" and not self._hides:
            what = f"a {t.dst} drew fewer edges of '{t}' than its fan-out and degree allow"
            self._say("too few", block, of, drawn < most, where, what)

    def _check_order(self, block: Block, where: str) -> None:
        """Replaying the expansion over a record's own edges gives the record: numbers and order are canonical."""
        if len(self._broken):
            return  # what is wrong already would be wrong here again
        c = block.columns
        for i in range(len(block)):
            if c.layout.disjoint and c.label_counts[i] > 1:
                continue  # trees are told apart by seed, not by record
            if not merge_columns(c.records(i, i + 1)).same_as(c.subgraph(i)):
                line = f"{where}: record {block.first + i}: nodes or edges are not in the order of an expansion"
                self._broken.add("expansion", line)


def _hops(sizes: np.ndarray) -> np.ndarray:
    """Hop of every node of one type, record after record, from (R, H + 1) counts."""
    return np.repeat(np.tile(np.arange(sizes.shape[1]), len(sizes)), sizes.ravel())

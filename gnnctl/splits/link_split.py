"""Making a split of links: links are grouped, dealt out, and hidden from the views of the parts that predict them."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.splits.by import NO_PART, TEST, TRAIN, VAL, By, Fractions, check_sizes
from gnnctl.splits.keyed import link_hashes
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.splits.link_deal import (
    Dealt,
    IdHashes,
    deal_by_column,
    deal_by_nodes,
    deal_by_time,
    deal_randomly,
    visible_from,
)
from gnnctl.splits.link_groups import LinkGroups, ends_of, group_links
from gnnctl.splits.link_target import LinkTarget
from gnnctl.splits.node import PARTS
from gnnctl.splits.times import Moving

_NONE = np.int8(9)  # later than every part
HIDDEN = 3  # no view shows it


@dataclass(frozen=True)
class LinkOptions:
    """How links are split.

    Args:
        by: random, time, column or inductive.
        fractions: shares of val and test; ``column`` ignores them.
        seed: another seed is another split (not for ``time`` and ``column``).
        names: for ``column``, value -> part.
        moving: for ``time``, gap and window.
        disjoint: the share of the training links that is learnt from and no message; the others are messages only.
            0: all are both.
        support: for ``inductive``, the share of the links of unseen nodes that is shown to their part, not predicted.
        test_sees: whether the links of val are messages of test (``val``), or those of train alone.
        repeats: for ``time``, whether a link that comes again counts once, in the part of its first time (``drop``), or
            each time (``keep``).
        reverses: by predicted type, further types whose edges are its links the other way round.

    Raises:
        UsageError: a share out of range, or options that do not go together.
    """

    by: By = field(default_factory=By)
    fractions: Fractions = field(default_factory=Fractions)
    seed: int = 0
    names: dict[str, str] = field(default_factory=dict)
    moving: Moving = field(default_factory=Moving)
    disjoint: float = 0.0
    support: float = 0.0
    test_sees: Literal["val", "train"] = "val"
    repeats: Literal["drop", "keep"] = "drop"
    reverses: dict[EdgeType, list[EdgeType]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        way = self.by.way
        if way in ("stratified", "group"):
            fix = "pass --by random, time, inductive or column:COLUMN"
            raise UsageError(f"--by {self.by} is for nodes, not for links", fix=fix)
        for name, share in (("--disjoint", self.disjoint), ("--support", self.support)):
            if not 0 <= share < 1:
                raise UsageError(f"{name} {share} is no share of the links", fix="pass a number from 0 to below 1")
        for name, given, ways in (
            ("--map", bool(self.names), "column"),
            ("--gap and --windows", not self.moving.plain, "time"),
            ("--repeats", self.repeats != "drop", "time"),
            ("--support", self.support > 0, "inductive"),
        ):
            if given and way != ways:
                raise UsageError(f"{name}: not with --by {self.by}", fix=f"leave it out, or split --by {ways}")


def split_links(graph: Graph, target: LinkTarget, options: LinkOptions | None = None) -> LinkSplit:
    """Deal the links of the target's types out to the parts, and say which edges each part may see.

    A link is all edges of its type between two nodes, in both directions where the type is undirected, with those of
    its reverse types. It is in one part, and no edge of it is in that part's view. With ``random`` and ``inductive``
    its part depends on the ids of its ends and the seed alone.

    Args:
        graph: what to split.
        target: see :func:`find_link_target` and :func:`find_edge_target`.
        options: how.

    Raises:
        DataError: a column is missing or of the wrong type, or a part would have no links.
        UsageError: what the graph does not allow.
    """
    options = options or LinkOptions()
    hashes = IdHashes(graph, options.seed)
    labels = {t: target.labels(graph, t) for t in target.edge_types} if target.task == "edge" else {}
    known = {t: labels[t][0] if labels else np.ones(graph.edges[t].num_edges, bool) for t in target.edge_types}
    keyed = {t: _hashes(graph, t, hashes, options) for t in target.edge_types}
    dealt = _deal(graph, target, options, hashes, known, keyed)
    codes = dict(dealt.views)
    chosen: list[tuple[np.ndarray, Links]] = []
    counts = {"without_label": 0, "in_no_part": 0, "message_only": 0, "duplicate": 0}
    crossing = 0
    for number, edge_type in enumerate(target.edge_types):
        moments = dealt.moments if options.repeats == "keep" else None
        groups = _groups(graph, edge_type, options, moments)
        made = _Supervision.choose(groups, dealt, known[edge_type], keyed[edge_type], target, options)
        for t, group in {edge_type: groups.group, **groups.reverses}.items():
            own = codes[t] if t in codes else np.zeros(len(group), np.int8)
            codes[t] = np.where(group >= 0, np.maximum(own, made.codes[group]), own) if made.codes.size else own
        chosen.append((made.parts, _links(graph, number, edge_type, groups, made.positions, labels)))
        counts = {reason: counts[reason] + made.counts[reason] for reason in counts}
        crossing += made.crossing
    for t, store in graph.edges.items():
        forward = t.forward
        if store.forward is not None and forward in codes:
            codes[t] = codes[forward][store.forward]
    parts = _parts(chosen)
    check_sizes({n: links.size for n, links in parts.items()}, options.by, options.fractions, "links")
    if target.problem == "regression" and (numbers := parts["train"].label) is not None:
        target = replace(target, mean=float(numbers.mean(dtype=np.float64)), std=float(numbers.std(dtype=np.float64)))
    made_split = LinkSplit(graph, target, parts, {}, {t: c for t, c in codes.items() if c.any()}, counts, dealt.notes)
    made_split.warnings.extend(_warnings(made_split, options, crossing))
    return made_split


def _deal(
    graph: Graph,
    target: LinkTarget,
    options: LinkOptions,
    hashes: IdHashes,
    known: dict[EdgeType, np.ndarray],
    keyed: dict[EdgeType, np.ndarray],
) -> Dealt:
    by = options.by
    if by.way == "column":
        return deal_by_column(graph, target.edge_types, by.column or "", options.names)
    if by.way == "time":
        return deal_by_time(graph, target.edge_types, by.column, known, options.fractions, options.moving)
    if by.way == "inductive":
        return deal_by_nodes(graph, target.edge_types, by, options.fractions, hashes)
    return deal_randomly(keyed, options.fractions)


def _groups(
    graph: Graph, edge_type: EdgeType, options: LinkOptions, moments: dict[EdgeType, np.ndarray] | None
) -> LinkGroups:
    reverses = options.reverses.get(edge_type, [])
    missing = [] if moments is None else [t for t in reverses if t not in moments]
    if missing:
        fix = "leave it out, or keep the column of both"
        raise UsageError(f"--repeats keep: edges '{missing[0]}' have no such times", fix=fix)
    return group_links(graph, edge_type, reverses, moments)


def _hashes(graph: Graph, edge_type: EdgeType, hashes: IdHashes, options: LinkOptions) -> np.ndarray:
    """(E,) uint64 by the ids of both ends; the same both ways round where the type is undirected."""
    src, dst = ends_of(graph, edge_type)
    first, second = hashes[edge_type.src][src], hashes[edge_type.dst][dst]
    if graph.edges[edge_type].undirected or edge_type in options.reverses.get(edge_type, []):
        first, second = np.minimum(first, second), np.maximum(first, second)
    return link_hashes(first, second, str(edge_type), options.seed)


@dataclass
class _Supervision:
    """What is decided of one predicted type.

    Attributes:
        positions: (n,) int64, ascending, of the edges that stand for the links.
        parts: (n,) int8, their parts.
        codes: by group (count,) int8, the first view that may show its edges.
        counts: edges that are in no part, by reason; of two directions one counts.
        crossing: links whose edges were dealt to several parts.
    """

    positions: np.ndarray
    parts: np.ndarray
    codes: np.ndarray
    counts: dict[str, int]
    crossing: int

    @classmethod
    def choose(
        cls,
        groups: LinkGroups,
        dealt: Dealt,
        known: np.ndarray,
        hashes: np.ndarray,
        target: LinkTarget,
        options: LinkOptions,
    ) -> "_Supervision":
        part, group = dealt.parts[groups.edge_type], groups.group
        usable = known & (part >= 0)
        first = groups.least(np.where(usable, part, _NONE), int(_NONE))
        key = np.zeros(groups.count, np.uint64)
        key[group] = hashes
        predicted = first < _NONE
        codes = np.zeros(groups.count, np.int8)
        codes[first == VAL] = 2 if options.test_sees == "val" else HIDDEN
        codes[first == TEST] = HIDDEN
        if options.disjoint:
            aside = (first == TRAIN) & _share(key, options, "disjoint", options.disjoint)
            codes[aside] = 1
            predicted &= (first != TRAIN) | aside
        if options.support:
            shown = (first != TRAIN) & predicted & _share(key, options, "support", options.support)
            codes[shown] = first[shown]
            predicted &= ~shown
        # Of two directions one stands for the link, by a bit of its hash: not always that to the smaller row.
        backwards = np.zeros(len(group), np.int8)
        if groups.undirected:
            flipped = (key[group] >> np.uint64(7) & np.uint64(1)).astype(bool)
            backwards = ((groups.src != groups.dst) & ((groups.src > groups.dst) != flipped)).astype(np.int8)
        candidates = np.flatnonzero(usable & predicted[group] & (part == first[group]))
        moments = dealt.moments.get(groups.edge_type)
        positions = _standing(candidates, group, backwards, moments, keep_all=target.task == "edge")
        single = backwards == groups.least(backwards, 1)[group]
        last = groups.greatest(np.where(usable, part, NO_PART).astype(np.int8), NO_PART)
        supervised = int((single & usable & predicted[group]).sum())
        counts = {
            "without_label": int((single & ~known).sum()),
            "in_no_part": int((single & known & (part < 0)).sum()),
            "message_only": int((single & usable & ~predicted[group]).sum()),
            "duplicate": max(0, supervised - len(positions)),
        }
        return cls(positions, part[positions], codes, counts, int((first < last).sum()))


def _share(key: np.ndarray, options: LinkOptions, domain: str, share: float) -> np.ndarray:
    """Which links (count,) a share falls to; by a hash of their own hash."""
    zero = np.zeros_like(key)
    return link_hashes(key, zero, domain, options.seed, domain) < np.uint64(int(share * 2**64))


def _standing(
    candidates: np.ndarray, group: np.ndarray, backwards: np.ndarray, moments: np.ndarray | None, *, keep_all: bool
) -> np.ndarray:
    """Ascending positions of the edges that stand for their links: the earliest of one direction, or all of that."""
    keys = [candidates, *([] if moments is None else [moments[candidates]]), backwards[candidates], group[candidates]]
    order = candidates[np.lexsort(keys)]
    begins = np.concatenate([[True], group[order][1:] != group[order][:-1]])[: len(order)]
    if keep_all:
        direction = backwards[order[begins]][np.cumsum(begins) - 1] if len(order) else backwards[:0]
        return np.sort(order[backwards[order] == direction])
    return np.sort(order[begins])


def _links(
    graph: Graph,
    number: int,
    edge_type: EdgeType,
    groups: LinkGroups,
    positions: np.ndarray,
    labels: dict[EdgeType, tuple[np.ndarray, np.ndarray]],
) -> Links:
    time = visible_from(graph, edge_type)
    return Links(
        np.full(len(positions), number, np.int64),
        groups.src[positions],
        groups.dst[positions],
        positions.astype(np.int64),
        None if time is None else time[positions],
        labels[edge_type][1][positions] if labels else None,
    )


def _parts(chosen: list[tuple[np.ndarray, Links]]) -> dict[str, Links]:
    """The links of all types, by part."""
    part = np.concatenate([p for p, _ in chosen])
    all_links = [links for _, links in chosen]
    timed = any(links.time is not None for links in all_links)
    times = [np.full(links.size, ALWAYS) if links.time is None else links.time for links in all_links]
    labels = [links.label for links in all_links if links.label is not None]
    joined = Links(
        np.concatenate([links.relation for links in all_links]),
        np.concatenate([links.src for links in all_links]),
        np.concatenate([links.dst for links in all_links]),
        np.concatenate([links.pos for links in all_links]),
        np.concatenate(times) if timed else None,
        np.concatenate(labels) if labels else None,
    )
    return {name: joined.take(part == number) for number, name in enumerate(PARTS)}


def _warnings(split: LinkSplit, options: LinkOptions, crossing: int) -> list[str]:
    found = []
    if not options.disjoint:
        found.append(
            "training links are messages too, so that a model sees what it learns to predict; "
            "--disjoint 0.3 keeps that share of them for learning alone"
        )
    if crossing and options.by.way == "time":
        found.append(f"{crossing:,} links come again in a later part, and count in the first (--repeats keep: in each)")
    elif crossing:
        found.append(f"{crossing:,} links are in more than one part, and stay in the first of train, val and test")
    target = split.target
    seen = np.bincount(split.part("train").relation, minlength=len(target.edge_types)) > 0
    judged = np.concatenate([split.part("val").relation, split.part("test").relation])
    absent = sorted({int(i) for i in np.unique(judged) if not seen[i]})
    if absent:
        some = ", ".join(f"'{target.edge_types[i]}'" for i in absent[:3]) + (", ..." if len(absent) > 3 else "")
        found.append(f"never seen in training: {len(absent)} of {len(target.edge_types)} edge types ({some})")
    if target.classes is not None:
        found += _unseen_classes(split)
    elif target.std == 0:
        found.append(f"every training label is {target.mean}: there is nothing to learn")
    empty = [name for name, links in split.parts.items() if not links.size]
    if empty:
        found.append(f"the {' and '.join(empty)} part has no links")
    return found


def _unseen_classes(split: LinkSplit) -> list[str]:
    classes = split.target.classes or []
    counts = {name: split.class_counts(name) for name in split.parts}
    absent = np.flatnonzero((counts["train"] == 0) & (counts["val"] + counts["test"] > 0))
    if not len(absent):
        return []
    some = ", ".join(str(classes[i]) for i in absent[:5]) + (", ..." if len(absent) > 5 else "")
    return [f"never seen in training, so never predicted: {len(absent)} of {len(classes)} classes ({some})"]

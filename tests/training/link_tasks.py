"""Small splits of links, in memory: shifts on a circle, and people who like things of their own kind."""

import numpy as np
import pyarrow as pa

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.splits.link_groups import ends_of
from gnnctl.splits.link_target import LinkTarget

LIKES, LIKED = EdgeType("person", "likes", "thing"), EdgeType("thing", "rev", "person")


def cut(graph: Graph, target: LinkTarget, seed: int = 0, negatives: int = 2, labels: dict | None = None) -> LinkSplit:
    """Seven in ten links to train; a reverse type, if there is one, follows its forward type."""
    rng = np.random.default_rng(seed)
    parts: dict[str, list[tuple[np.ndarray, ...]]] = {"train": [], "val": [], "test": []}
    codes = {}
    for number, t in enumerate(target.edge_types):
        src, dst = ends_of(graph, t)
        part = rng.choice(3, len(src), p=[0.7, 0.15, 0.15])
        codes[t] = (part + (part > 0)).astype(np.int8)
        back = EdgeType(t.dst, "rev", t.src)
        if back in graph.edges:
            code = {(s, d): c for s, d, c in zip(src, dst, codes[t], strict=True)}
            codes[back] = np.array([code[d, s] for s, d in zip(*ends_of(graph, back), strict=True)], np.int8)
        for i, name in enumerate(parts):
            pos = np.flatnonzero(part == i)
            label = None if labels is None else labels[t][pos]
            parts[name].append((np.full(len(pos), number), src[pos], dst[pos], pos, None, label))
    links = {
        name: Links(*(None if part[0] is None else np.concatenate(part) for part in zip(*found, strict=True)))
        for name, found in parts.items()
    }
    fixed = {}
    for name in ("val", "test"):
        of = np.repeat(np.arange(len(links[name].src)), negatives)
        ends = np.array([graph.num_nodes(t.dst) for t in target.edge_types])[links[name].relation[of]]
        wrong = rng.integers(0, ends)
        fixed[name] = Links(links[name].relation[of], links[name].src[of], wrong, np.full(len(of), -1))
    return LinkSplit(graph, target, links, fixed if negatives else {}, codes)


def shifts(nodes: int = 24, kinds: int = 4, **options: int) -> LinkSplit:
    """Relation k leads from every place of a circle to the k-th next: compositions tell what was left out."""
    at = np.arange(nodes)
    types = [EdgeType("place", f"by{k}", "place") for k in range(1, kinds + 1)]
    edges = {t: np.stack([at, (at + k) % nodes]) for k, t in enumerate(types, 1)}
    graph = Graph.from_coo({"place": nodes}, edges, ids={"place": pa.array([f"p{i}" for i in at])})
    return cut(graph, LinkTarget("link", types), **options)


def tastes(people: int = 30, things: int = 20, seed: int = 0) -> LinkSplit:
    """People like most things of their own kind; edges have a feature and a mark, which follows both ends."""
    rng = np.random.default_rng(seed)
    kind, own = rng.integers(0, 2, people), rng.integers(0, 2, things)
    pairs = np.argwhere((kind[:, None] == own[None]) & (rng.random((people, things)) < 0.6)).T
    attr = rng.normal(size=(pairs.shape[1], 2)).astype(np.float32)
    graph = Graph.from_coo(
        {"person": people, "thing": things},
        {LIKES: pairs, LIKED: pairs[::-1]},
        x={"thing": rng.normal(size=(things, 3)).astype(np.float32)},
        edge_attr={LIKES: attr},
        ids={"person": pa.array([f"a{i}" for i in range(people)]), "thing": pa.array([f"t{i}" for i in range(things)])},
    )
    return cut(graph, LinkTarget("link", [LIKES]))


def marks(seed: int = 0, problem: str = "multiclass") -> LinkSplit:
    """Whether the first feature of a link of :func:`tastes` is positive; as a number, twice the feature."""
    found = tastes(seed=seed)
    values = found.graph.edges[LIKES].edge_attr[:, 0]
    if problem == "regression":
        labels = (2 * values + 5).astype(np.float32)
        target = LinkTarget("edge", [LIKES], "regression", "mark", None, 1, float(labels.mean()), float(labels.std()))
    else:
        labels = (values > 0).astype(np.int64)
        target = LinkTarget("edge", [LIKES], "multiclass", "mark", ["no", "yes"], 2)
    return cut(found.graph, target, labels={LIKES: labels}, negatives=0)

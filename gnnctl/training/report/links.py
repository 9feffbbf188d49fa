"""Where a model of links does well and where not: by edge type, by the ends' degrees, by type, column and time."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from gnnctl.graph.graph import Graph
from gnnctl.page import Card, html_table
from gnnctl.page.charts import line_chart
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.training.link_metrics import Ranks
from gnnctl.training.link_objective import LinkScores
from gnnctl.training.link_options import LinkOptions
from gnnctl.training.report.quality import calibration_card, reliability
from gnnctl.training.report.slices import by_powers, by_values, headline, over_time, slice_table
from gnnctl.training.tasks import Task

PLACES = (1, 3, 10, 30, 100, 300, 1000)
BINS = 24  # of scores
DEGREE = "Edges that touch a node in the view that training saw; generated reverses are not counted again."
Slices = tuple[list[str], list[np.ndarray]]


def link_cards(
    split: LinkSplit, part: str, links: Links, scores: LinkScores, plain: Ranks, options: LinkOptions
) -> list[Card]:
    """Cards on links that were ranked among all candidates.

    Args:
        part: their part's name.
        links: n of them, all of the part or some. scores: the model's. plain: their ranks by the baseline.
        options: what training minimised.
    """
    types = split.target.edge_types
    # Question i < n is (source, type, ?) of link i, question n + i is (?, type, destination).
    n = len(links.relation)
    ranks, others = (torch.cat([found.dst, found.src]).numpy() for found in (scores.ranks, plain))
    columns = {"mrr": _mrr(ranks), "hits@10": _hits(ranks, 10), "baseline": _mrr(others)}
    both = {name: _of_links(value, n) for name, value in columns.items()}
    cards = []
    if len(types) > 1:
        each = {"destination": columns["mrr"], "source": lambda chosen: columns["mrr"](chosen + n)}
        slices = _by_type(split, links)
        note = "Of both questions, and of each: which destination, and which source?"
        values = {**both, **each}
        cards.append(slice_table("mrr by edge type", "edge type", *slices, values, unit="links", note=note, wide=True))
    cards.append(_places(ranks, others, part))
    if len(scores.negative):
        cards.append(told_card(scores.positive, scores.negative, part, options))
    src, dst = _degrees(split, links)
    for title, degrees in (("what is asked for", (dst, src)), ("what is given", (src, dst))):
        slices = by_powers(np.concatenate(degrees))
        cards.append(slice_table(f"mrr by degree of {title}", "edges", *slices, columns, unit="questions", note=DEGREE))
    ends = np.array([[t.dst, t.src] for t in types])[links.relation].T.reshape(-1)
    if len(kinds := np.unique(ends)) > 1:
        members = [np.flatnonzero(ends == kind) for kind in kinds]
        title = "mrr by type of what is asked for"
        cards.append(slice_table(title, "type", kinds.tolist(), members, columns, unit="questions"))
    cards += [
        slice_table(f"mrr by {name}", name, *found, both, unit="links") for name, found in _by_columns(split, links, "")
    ]
    if links.time is not None and (chart := over_time("mrr", links.time, both["mrr"])) is not None:
        cards.append(chart)
    return cards


def told_card(positive: Tensor, negative: Tensor, part: str, options: LinkOptions) -> Card:
    """How well links are told from their fixed negatives, by their scores (n,) and (n * K,)."""
    told = options.loss == "bce" and not options.adversarial
    return (_calibration if told else _apart)(positive, negative, part)


def edge_cards(task: Task, split: LinkSplit, links: Links, logits: Tensor) -> list[Card]:
    """Slices of the headline metric of edges' labels.

    Args:
        links: n of them, all of a part. logits: (n, num_outputs).
    """
    assert links.label is not None
    columns, cards = headline(task, logits, torch.from_numpy(links.label)), []
    metric = next(iter(columns))
    if len(split.target.edge_types) > 1:
        cards.append(slice_table(f"{metric} by edge type", "edge type", *_by_type(split, links), columns, wide=True))
    for title, degrees in zip(("source", "destination"), _degrees(split, links), strict=True):
        cards.append(
            slice_table(f"{metric} by degree of the {title}", "edges", *by_powers(degrees), columns, note=DEGREE)
        )
    target = split.target.column or ""
    cards += [slice_table(f"{metric} by {n}", n, *found, columns) for n, found in _by_columns(split, links, target)]
    if links.time is not None and (chart := over_time(metric, links.time, columns[metric])) is not None:
        cards.append(chart)
    return cards


def degrees_seen(view: Graph, whole: Graph) -> dict[str, np.ndarray]:
    """By node type (N,) int64: the edges of a view that a node is an end of, each once.

    Edges of generated reverse types are their forward edges, and both directions of an undirected type are one.

    Args:
        whole: the graph that the view is of, which knows what is undirected.
    """
    found = {name: np.zeros(store.num_nodes, np.int64) for name, store in view.nodes.items()}
    for t, store in view.edges.items():
        if store.forward is not None:
            continue
        found[t.dst] += np.diff(store.colptr)
        if not whole.edges[t].undirected:
            found[t.src] += np.bincount(store.row, minlength=len(found[t.src]))
    return found


def _mrr(ranks: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda chosen: float((1 / ranks[chosen]).mean())


def _hits(ranks: np.ndarray, k: int) -> Callable[[np.ndarray], float]:
    return lambda chosen: float((ranks[chosen] <= k).mean())


def _of_links(value: Callable[[np.ndarray], float], n: int) -> Callable[[np.ndarray], float]:
    """A value of both questions of links."""
    return lambda chosen: value(np.concatenate([chosen, chosen + n]))


def _places(ranks: np.ndarray, others: np.ndarray, part: str) -> Card:
    half = len(ranks) // 2
    most = max(ranks.max(), others.max())
    rows: list[list[Any]] = []
    for i, k in enumerate(PLACES):
        if i == 0 or PLACES[i - 1] < most:
            rows.append([f"{k:,}", *(float((r <= k).mean()) for r in (ranks, ranks[:half], ranks[half:], others))])
    table = html_table(["among the first", "both", "destination", "source", "baseline"], rows)
    note = (
        "Share of the questions, which destination and which source, whose answer stands there among all candidates, "
        "other known answers left out. The baseline asks how many training links a candidate ends."
    )
    return Card(f"Where the answers stand, {part} part", table, note)


def _by_type(split: LinkSplit, links: Links) -> Slices:
    types = split.target.edge_types
    counts = np.bincount(links.relation, minlength=len(types))
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    short = len({t.rel for t in types}) == len(types)
    names = [types[i].rel if short else str(types[i]) for i in order]
    return names, [np.flatnonzero(links.relation == i) for i in order]


def _degrees(split: LinkSplit, links: Links) -> tuple[np.ndarray, np.ndarray]:
    """(n,) each: degrees of the links' sources and destinations in the train view."""
    seen = degrees_seen(split.view("train"), split.graph)
    src, dst = np.zeros_like(links.src), np.zeros_like(links.dst)
    for i, t in enumerate(split.target.edge_types):
        own = links.relation == i
        src[own], dst[own] = seen[t.src][links.src[own]], seen[t.dst][links.dst[own]]
    return src, dst


def _by_columns(split: LinkSplit, links: Links, target: str) -> Iterable[tuple[str, Slices]]:
    """Slices by each kept column of few values but the target's; of links of one type."""
    table = split.graph.edges[split.target.edge_types[0]].columns
    if table is None or len(split.target.edge_types) > 1:
        return
    for name in table.column_names:
        if name not in target.split(",") and (found := by_values(table[name].take(pa.array(links.pos)))):
            yield name, found


def _calibration(positive: Tensor, negative: Tensor, part: str) -> Card:
    each = len(negative) // len(positive)
    probability = torch.cat([positive, negative]).double().sigmoid().numpy()
    truth = np.arange(len(probability)) < len(positive)
    weight = np.where(truth, 1.0, 1 / each)
    note = (
        "Links and their fixed negatives weigh the same in all, as in training. Below the dashed line the model "
        "sees links where there are none; above it, it overlooks them."
    )
    bins = reliability(probability, truth, weight)
    return calibration_card(*bins, part, "probability of a link", "share of links", note)


def _apart(positive: Tensor, negative: Tensor, part: str) -> Card:
    values = [positive.double().numpy(), negative.double().numpy()]
    every = np.concatenate(values)
    low, high = np.quantile(every, [0.005, 0.995])
    edges = np.linspace(low, high, BINS + 1) if high > low else np.array([low - 0.5, low + 0.5])
    middle = (edges[1:] + edges[:-1]) / 2
    lines = {}
    for name, found in zip(("links", "fixed negatives"), values, strict=True):
        counts = np.histogram(np.clip(found, edges[0], edges[-1]), edges)[0] / len(found)
        lines[name] = [(float(at), float(share)) for at, share in zip(middle, counts, strict=True)]
    note = "Shares of the links, and of the pairs that are none, by score. Where both are high they are mixed up."
    return Card(f"Are links told from what is none? {part} part", line_chart(lines, x="score", y="share"), note)

"""The chosen part of an explanation as an SVG: the explained node in the middle, strong edges thick."""

from dataclasses import dataclass
from html import escape

import networkx as nx
import numpy as np

from gnnctl.explain.explainer import Explanation
from gnnctl.explain.tables import names_of
from gnnctl.graph.graph import Graph

WIDTH, HEIGHT, MARGIN = 920, 620, 70
# Colours of node types, in the graph's order; after Okabe and Ito, told apart by colour-blind readers.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a6d3b", "#7f7f7f")
STYLE = """
.g-edge{fill:none;stroke:#5f7482}.g-for{stroke:#0b7a75}.g-against{stroke:#b3541e;stroke-dasharray:6 4}
.g-arrow{fill:#5f7482}.g-node{stroke:#fff;stroke-width:1.5}.g-ring{fill:none;stroke:#1d2730;stroke-width:2.5}
.g-label{font:12px system-ui,sans-serif;fill:#1d2730;paint-order:stroke;stroke:#fff;stroke-width:3px}
.g-seed{font-weight:700;font-size:14px}
@media (prefers-color-scheme:dark){.g-label{fill:#e8eef2;stroke:#10181e}.g-node{stroke:#10181e}.g-ring{stroke:#e8eef2}
.g-edge{stroke:#8fa3b0}.g-arrow{fill:#8fa3b0}.g-for{stroke:#3cc7bf}.g-against{stroke:#f0935a}}
"""


@dataclass(frozen=True)
class DrawnNode:
    """A node of the drawing, at its place in the picture."""

    node_type: str
    name: str
    x: float
    y: float
    score: float
    is_seed: bool


def color_of(graph: Graph, node_type: str) -> str:
    """Colour of a node type."""
    return PALETTE[graph.node_types.index(node_type) % len(PALETTE)]


def draw(graph: Graph, explanation: Explanation, *, signed: bool, standalone: bool = True) -> str:
    """An SVG document of the selected edges.

    Args:
        signed: tell edges that speak for the prediction from those against it.
        standalone: with a background and namespace of its own, to lie in a file.
    """
    nodes = _placed(graph, explanation)
    edges = _edges(explanation)
    strongest = max((abs(score) for *_, score in edges), default=1.0) or 1.0
    seed = next(node for node in nodes.values() if node.is_seed)
    title = f"{len(edges)} edges that matter most to the prediction of {seed.node_type} {seed.name}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" width="100%">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
    ]
    if standalone:
        parts.append(
            "<style>.g-back{fill:#fff}@media (prefers-color-scheme:dark){.g-back{fill:#10181e}}</style>"
            f'<rect class="g-back" width="{WIDTH}" height="{HEIGHT}"/>'
        )
    # Weak edges first, so that strong ones lie on top.
    for source, target, relation, score in sorted(edges, key=lambda edge: abs(edge[3])):
        parts.append(_edge(nodes[source], nodes[target], relation, score, strongest, signed))
    parts += [_circle(graph, node) for node in nodes.values()]
    parts += _labels(list(nodes.values()), [(nodes[source], nodes[target]) for source, target, *_ in edges])
    return "".join([*parts, "</svg>"])


Key = tuple[str, int]


def _edges(explanation: Explanation) -> list[tuple[Key, Key, str, float]]:
    """Source, target, relation and score of each selected edge."""
    found = []
    for t, positions in explanation.selected.edges.items():
        edges = explanation.subgraph.edges[t]
        targets = edges.col()
        for p in positions:
            source, target = (t.src, int(edges.row[p])), (t.dst, int(targets[p]))
            found.append((source, target, t.rel, float(explanation.edges[t][p])))
    return found


def _placed(graph: Graph, explanation: Explanation) -> dict[Key, DrawnNode]:
    keys: list[Key] = [(name, int(n)) for name, rows in explanation.selected.nodes.items() for n in rows]
    seed = (explanation.node_type, 0)
    layout = nx.Graph()
    layout.add_nodes_from(keys)
    layout.add_edges_from((source, target) for source, target, *_ in _edges(explanation) if source != target)
    # The selected edges hang together at the seed, so every distance that the layout needs is finite.
    place = nx.kamada_kawai_layout(layout) if len(keys) > 1 else {seed: np.zeros(2)}
    at = np.array([place[key] for key in keys]) - place[seed]
    low, high = at.min(0), at.max(0)
    room = np.array([WIDTH - 2 * MARGIN - 80, HEIGHT - 2 * MARGIN])
    at = (at - (low + high) / 2) * (room / np.maximum(high - low, 1e-6)) + np.array([WIDTH, HEIGHT]) / 2
    if len(keys) == 1:
        at[:] = WIDTH / 2, HEIGHT / 2
    names = {
        name: dict(zip(rows.tolist(), names_of(graph, name, explanation.subgraph.nodes[name][rows]), strict=True))
        for name, rows in explanation.selected.nodes.items()
    }
    return {
        (name, n): DrawnNode(
            name, names[name][n], float(x), float(y), float(explanation.nodes[name][n]), (name, n) == seed
        )
        for (name, n), (x, y) in zip(keys, at, strict=True)
    }


def _radius(node: DrawnNode) -> float:
    return 15.0 if node.is_seed else 8.5


def _edge(source: DrawnNode, target: DrawnNode, relation: str, score: float, strongest: float, signed: bool) -> str:
    share = abs(score) / strongest
    width = 1.0 + 5.0 * share
    direction = (" g-for" if score > 0 else " g-against") if signed else ""
    tip = f"{source.node_type} {source.name} — {relation} → {target.node_type} {target.name}: {score:.4g}"
    opening = f'<path class="g-edge{direction}" stroke-width="{width:.2f}" opacity="{0.45 + 0.5 * share:.2f}" d="'
    closing = f'"><title>{escape(tip)}</title></path>'
    if source is target:
        x, y = source.x, source.y - _radius(source)
        return f"{opening}M{x - 5:.1f} {y:.1f}c-18 -30 28 -30 10 0{closing}"
    offset = np.array([target.x - source.x, target.y - source.y])
    length = float(np.hypot(*offset)) or 1.0
    ahead, aside = offset / length, np.array([-offset[1], offset[0]]) / length
    start = np.array([source.x, source.y]) + ahead * _radius(source)
    tip_at = np.array([target.x, target.y]) - ahead * (_radius(target) + 2)
    head = 7.0 + width
    base = tip_at - ahead * head
    # A slight bow keeps the two directions between a pair of nodes apart.
    bend = (start + base) / 2 + aside * min(18.0, length / 10)
    corners = [tip_at, base + aside * head / 2.4, base - aside * head / 2.4]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    path = f"M{start[0]:.1f} {start[1]:.1f}Q{bend[0]:.1f} {bend[1]:.1f} {base[0]:.1f} {base[1]:.1f}"
    arrow = f'<polygon class="g-arrow" opacity="{0.55 + 0.4 * share:.2f}" points="{points}"/>'
    return f"{opening}{path}{closing}{arrow}"


def _circle(graph: Graph, node: DrawnNode) -> str:
    ring = (
        f'<circle class="g-ring" cx="{node.x:.1f}" cy="{node.y:.1f}" r="{_radius(node) + 4}"/>' if node.is_seed else ""
    )
    tip = f"{node.node_type} {node.name}: {node.score:.4g}"
    return (
        f'{ring}<circle class="g-node" cx="{node.x:.1f}" cy="{node.y:.1f}" r="{_radius(node)}" '
        f'fill="{color_of(graph, node.node_type)}"><title>{escape(tip)}</title></circle>'
    )


def _labels(nodes: list[DrawnNode], edges: list[tuple[DrawnNode, DrawnNode]]) -> list[str]:
    """A label beside each node, on the side where it covers least; long ids are cut, the tooltip has them whole."""
    taken: list[tuple[float, float, float, float]] = [
        (n.x - _radius(n), n.y - _radius(n), n.x + _radius(n), n.y + _radius(n)) for n in nodes
    ]
    taken += [_along(source, target, i / 24) for source, target in edges for i in range(1, 24)]
    found = []
    for node in sorted(nodes, key=lambda n: (not n.is_seed, n.y)):
        text = node.name if len(node.name) <= 28 else f"{node.name[:26]}…"
        wide, tall, gap = 6.9 * len(text) * (1.2 if node.is_seed else 1.0), 15.0, _radius(node) + 5
        choices = (
            ("start", node.x + gap, node.y + 4),
            ("end", node.x - gap, node.y + 4),
            ("middle", node.x, node.y - gap - 3),
            ("middle", node.x, node.y + gap + 11),
        )
        boxes = [_box(anchor, x, y, wide, tall) for anchor, x, y in choices]
        costs = [sum(_overlap(box, other) for other in taken) + _outside(box) for box in boxes]
        best = int(np.argmin(costs))
        anchor, x, y = choices[best]
        taken.append(boxes[best])
        seed = " g-seed" if node.is_seed else ""
        found.append(
            f'<text class="g-label{seed}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )
    return found


Box = tuple[float, float, float, float]


def _box(anchor: str, x: float, y: float, wide: float, tall: float) -> Box:
    left = {"start": x, "end": x - wide, "middle": x - wide / 2}[anchor]
    return left, y - tall + 3, left + wide, y + 3


def _along(source: DrawnNode, target: DrawnNode, share: float) -> Box:
    """A spot of an edge, as drawn with its bow (see _edge)."""
    dx, dy = target.x - source.x, target.y - source.y
    length = float(np.hypot(dx, dy)) or 1.0
    bow = min(18.0, length / 10) / length * 2 * share * (1 - share)
    x, y = source.x + share * dx - bow * dy, source.y + share * dy + bow * dx
    return x - 4, y - 4, x + 4, y + 4


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _outside(box: Box) -> float:
    return 40 * (max(0.0, -box[0]) + max(0.0, box[2] - WIDTH) + max(0.0, -box[1]) + max(0.0, box[3] - HEIGHT))

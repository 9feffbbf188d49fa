"""The explanation as a page: one file without any reference to the network, light or dark as the reader's system is."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from gnnctl.explain.drawing import color_of, draw
from gnnctl.explain.explainer import Explanation
from gnnctl.explain.tables import name_of
from gnnctl.graph.graph import Graph
from gnnctl.page import document

READING = {
    "gnn-explainer": "Each score is a mask between 0 and 1 that was learned for this one prediction: the model keeps "
    "its answer when inputs with a mask near 0 are taken away, and loses it without those near 1.",
    "saliency": "Each score is an absolute gradient: how strongly the predicted value would move if this input changed "
    "a little. It says how sensitive the model is, not in which direction.",
    "integrated-gradients": "Each score is a share of the predicted value, measured along the way from an empty "
    "neighbourhood to the real one. Positive scores speak for the prediction, negative ones against it; all scores add "
    "up to the difference between the two.",
}
FIDELITY = {
    "plus": ("Necessary (fidelity+)", "how far the score falls when the drawn edges are silenced; high is good"),
    "minus": ("Sufficient (fidelity−)", "how far the score falls when only the drawn edges are left; near 0 is good"),
}


@dataclass(frozen=True)
class Subject:
    """What the page says about the prediction besides its explanation.

    Attributes:
        target: name of the predicted column.
        problem: multiclass, multilabel or regression.
        output_names: of the model's outputs.
        known: the true value as text, or None.
        part: the split's part of the node, or "".
        model: one line on the model.
        algorithm: its name. signed, unit: what its scores are.
    """

    target: str
    problem: str
    output_names: list[str]
    known: str | None
    part: str
    model: str
    algorithm: str
    signed: bool
    unit: str


def page(
    graph: Graph,
    explanations: Sequence[Explanation],
    subjects: Sequence[Subject],
    nodes: pa.Table,
    features: pa.Table,
    *,
    top: int,
) -> str:
    """The whole page; ``nodes`` and ``features`` are the tables of :mod:`gnnctl.explain.tables`."""
    names = [f"{e.node_type} {name_of(graph, e)}" for e in explanations]
    title = "Why: " + ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    sections = []
    for i, (explanation, subject) in enumerate(zip(explanations, subjects, strict=True)):
        mine = pa.compute.equal(nodes["explained"], name_of(graph, explanation))
        own = pa.compute.equal(features["explained"], name_of(graph, explanation))
        tables = nodes.filter(mine).to_pylist(), features.filter(own).slice(0, 20 * top).to_pylist()
        sections.append(_section(i, graph, explanation, subject, *tables, top=top))
    links = "".join(f'<a href="#node-{i}">{escape(name)}</a>' for i, name in enumerate(names))
    navigation = f'<nav aria-label="Explained nodes">{links}</nav>' if len(names) > 1 else ""
    return document(title, "".join(sections), navigation)


def _section(
    number: int,
    graph: Graph,
    explanation: Explanation,
    subject: Subject,
    nodes: list[dict[str, Any]],
    features: list[dict[str, Any]],
    *,
    top: int,
) -> str:
    name = name_of(graph, explanation)
    neighbours = [n for n in nodes if n["hop"] > 0 and n["score"] != 0][:top]
    strong = [f for f in features if f["score"] != 0][:top]
    drawn = explanation.selected.num_edges
    total = explanation.subgraph.num_edges
    caption = (
        f"The {drawn} strongest of {total:,} edges that the prediction used, chosen so that they hang together. "
        "Thick lines matter most; an arrow points the way a message goes. Hover for full names and scores."
        if drawn
        else "No edge mattered to this prediction: the node has no in-edges, or the model ignored them."
    )
    if subject.signed and drawn:
        caption += " Dashed lines speak against the prediction."
    picture = draw(graph, explanation, signed=subject.signed, standalone=False)
    return (
        f'<section id="node-{number}"><header><p class="kicker">{escape(explanation.node_type)}</p>'
        f"<h1>{escape(name)}</h1>{_answer(explanation, subject)}</header>"
        f'<div class="grid"><figure class="card wide">{picture}'
        f"{_legend(graph, explanation)}<figcaption>{caption}</figcaption></figure>"
        f"{_scores(explanation, subject)}{_faithful(explanation, subject)}"
        f"{_neighbours(graph, neighbours, subject)}{_features(graph, explanation, strong, subject)}"
        f'<div class="card wide reading"><h2>How to read this</h2><p>{READING[subject.algorithm]}</p>'
        f"<p>Everything here was computed on what the prediction itself used: {explanation.subgraph.num_nodes:,} nodes "
        f"and {total:,} edges within {explanation.subgraph.hops} hops. On them the model gives the score "
        f"{explanation.recomputed:.6g} again (the prediction’s is {explanation.score:.6g}). An explanation tells what "
        "the model relies on; whether the world works that way is another question.</p></div></div></section>"
    )


def _answer(explanation: Explanation, subject: Subject) -> str:
    if subject.problem == "regression":
        answer = f"{escape(subject.target)} is predicted as <strong>{explanation.score:.4g}</strong>"
    else:
        label = escape(subject.output_names[explanation.output])
        answer = (
            f"{escape(subject.target)} <strong>{label}</strong> with probability "
            f"<strong>{explanation.score:.1%}</strong>"
        )
    truth = ""
    if subject.known is not None:
        right = subject.problem == "multiclass" and subject.known == subject.output_names[explanation.output]
        mark = (" ✓" if right else " ✗") if subject.problem == "multiclass" else ""
        truth = f'<span class="chip">known: {escape(subject.known)}{mark}</span>'
    part = f'<span class="chip">{escape(subject.part)} part</span>' if subject.part else ""
    chips = f'<span class="chip">{escape(subject.algorithm)}</span><span class="chip">{escape(subject.model)}</span>'
    return f'<p class="answer">{answer}</p><p class="chips">{truth}{part}{chips}</p>'


def _legend(graph: Graph, explanation: Explanation) -> str:
    kinds = [
        f'<li><i style="background:{color_of(graph, name)}"></i>{escape(name)}</li>'
        for name in graph.node_types
        if name in explanation.selected.nodes
    ]
    return f'<ul class="legend">{"".join(kinds)}<li><i class="ring"></i>explained node</li></ul>'


def _scores(explanation: Explanation, subject: Subject) -> str:
    if subject.problem == "regression":
        return ""
    order = sorted(range(len(explanation.scores)), key=lambda c: (-explanation.scores[c], c))[:6]
    if explanation.output not in order:
        order[-1] = explanation.output
    rows = "".join(
        f'<tr class="{"chosen" if c == explanation.output else "other"}">'
        f'<th scope="row">{escape(subject.output_names[c])}</th>'
        f"<td>{_bar(float(explanation.scores[c]), 1.0)}</td><td>{explanation.scores[c]:.1%}</td></tr>"
        for c in order
    )
    return f'<div class="card"><h2>Scores</h2><table>{rows}</table></div>'


def _faithful(explanation: Explanation, subject: Subject) -> str:
    found = explanation.fidelity
    without, only = found.score_without, found.score_only
    unit = " standard deviations" if subject.problem == "regression" else ""
    rows = "".join(
        f"<dt>{FIDELITY[key][0]}</dt><dd><b>{_change(value)}</b>{unit}<small>{FIDELITY[key][1]} "
        f"({explanation.score:.3g} → {after:.3g})</small></dd>"
        for key, value, after in (("plus", found.plus, without), ("minus", found.minus, only))
    )
    return f'<div class="card"><h2>Is it faithful?</h2><dl>{rows}</dl></div>'


def _neighbours(graph: Graph, rows: list[dict[str, Any]], subject: Subject) -> str:
    if not rows:
        return '<div class="card"><h2>Neighbours</h2><p>No neighbour mattered.</p></div>'
    most = max(abs(row["score"]) for row in rows)
    body = "".join(
        f'<tr><td><i class="dot" style="background:{color_of(graph, row["type"])}"></i>{escape(row["type"])}</td>'
        f'<th scope="row">{escape(row["id"])}</th><td class="n">{row["hop"]}</td>'
        f'<td>{_bar(row["score"], most)}</td><td class="n">{_number(row["score"], subject)}</td></tr>'
        for row in rows
    )
    head = (
        '<tr><th scope="col">Type</th><th scope="col">Neighbour</th><th scope="col" class="n">Hop</th>'
        f'<th scope="col" colspan="2">{escape(subject.unit)}</th></tr>'
    )
    return f'<div class="card"><h2>Top neighbours</h2><table><thead>{head}</thead>{body}</table></div>'


def _features(graph: Graph, explanation: Explanation, rows: list[dict[str, Any]], subject: Subject) -> str:
    if not rows:
        return '<div class="card"><h2>Features</h2><p>No feature mattered.</p></div>'
    most = max(abs(row["score"]) for row in rows)
    body = "".join(
        f'<tr><td><i class="dot" style="background:{color_of(graph, row["type"])}"></i>{escape(row["type"])}</td>'
        f'<th scope="row">{escape(row["feature"])}</th>'
        f'<td class="n">{_value(row["seed_value"])}</td>'
        f'<td>{_bar(row["score"], most)}</td><td class="n">{_number(row["score"], subject)}</td></tr>'
        for row in rows
    )
    head = (
        '<tr><th scope="col">Type</th><th scope="col">Feature</th><th scope="col" class="n">Here</th>'
        f'<th scope="col" colspan="2">{escape(subject.unit)}</th></tr>'
    )
    return (
        f'<div class="card"><h2>Top features</h2><table><thead>{head}</thead>{body}</table>'
        f"<p><small>Scores are taken over the whole neighbourhood; “Here” is the feature’s value at "
        f"{escape(name_of(graph, explanation))}.</small></p></div>"
    )


def _bar(value: float, most: float) -> str:
    share = min(abs(value) / most, 1.0) * 100 if most else 0.0
    side = " against" if value < 0 else ""
    return f'<span class="bar{side}" aria-hidden="true"><i style="width:{share:.1f}%"></i></span>'


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _change(value: float) -> str:
    text = f"{value:+.3f}"
    return "0.000" if float(text) == 0 else text


def _number(value: float, subject: Subject) -> str:
    return f"{value:+.3g}" if subject.signed else f"{value:.3g}"

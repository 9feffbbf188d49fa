"""Writes a guessed spec as TOML with comments."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

_HEAD = """\
# A first spec, guessed from the tables: read it, correct it, then run
#     gnnctl ingest graph.toml -o graph
# Tables are named relative to this file. Where a column stands, an SQL expression may stand too.
# Encoders: standard, log, quantile, raw (numbers); onehot, ordinal, multihot (categories); text:512; vector.
"""

_NOTES = {
    "label": "kept as it is, to be predicted",
    "columns": "kept as they are, for splitting and reports",
    "reverse": "also adds the opposite edge type",
    "undirected": "true stores both directions of every edge",
    "relation": "an edge type for each value, named by it in place of the *",
    "weight": "a number per edge",
    "time": "edges are visible from then on",
}


@dataclass
class Draft:
    """A spec about to be written: sections by type, and remarks for its head."""

    nodes: dict[str, dict[str, Any]]
    edges: dict[str, dict[str, Any]]
    comments: list[str] = field(default_factory=list)


def write_toml(draft: Draft) -> str:
    """The draft as text that :func:`read_spec` reads."""
    lines = [_HEAD.rstrip("\n"), *(f"# {comment}" for comment in draft.comments)]
    for kind, sections in (("nodes", draft.nodes), ("edges", draft.edges)):
        for name, section in sections.items():
            lines += ["", *_section(f"{kind}.{_key(name)}", section)]
    return "\n".join(lines) + "\n"


def _section(title: str, section: dict[str, Any]) -> list[str]:
    lines = [f"[{title}]"]
    features = section.get("features") or {}
    for key, value in section.items():
        if key == "features" or value == []:
            continue
        text = f"{key} = {_value(value)}"
        lines.append(f"{text:<38}  # {_NOTES[key]}" if key in _NOTES else text)
    if features:
        lines.append(f"[{title}.features]")
        lines += [f"{_key(name)} = {_value(value)}" for name, value in features.items()]
    return lines


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's strings and booleans are TOML's; DEL is the one character that only TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

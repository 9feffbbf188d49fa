"""The flag form of ingest: one node type and one edge type, what is not said guessed from the tables."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from gnnctl.errors import UsageError


@dataclass(frozen=True)
class Flags:
    """What the command line says; None where it is silent.

    Args:
        nodes, edges: ``FILE`` or ``NAME=FILE``; the name of the node type, and of the relation.
        features: ``COLUMN=ENCODER`` each, or the one word ``none``.
    """

    nodes: str | None = None
    edges: str | None = None
    id: str | None = None
    source: str | None = None
    target: str | None = None
    label: str | None = None
    time: str | None = None
    edge_time: str | None = None
    weight: str | None = None
    features: Sequence[str] = field(default_factory=tuple)
    columns: Sequence[str] = field(default_factory=tuple)
    reverse: bool = False
    undirected: bool = False
    relation: str | None = None
    edge_columns: Sequence[str] = field(default_factory=tuple)


def named_file(text: str) -> tuple[str, str]:
    """``NAME=FILE`` or ``FILE`` -> name and file; the file's stem names it where nothing else does."""
    name, equals, path = text.partition("=")
    if equals and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:+-]*", name):
        return name, path
    return type_name(text), text


def type_name(path: str) -> str:
    """A type's name from a file's: ``data/papers-2024.csv.gz`` -> ``papers-2024``."""
    stem = PurePath(path).name.split(".")[0]
    name = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_+-]+", "_", stem)).strip("_+-")
    return name or "node"


def apply_flags(document: dict[str, Any], flags: Flags) -> dict[str, Any]:
    """A guessed spec with what the flags say put in its place.

    Args:
        document: one node type (or none) and one edge type (or none), as :func:`guess_document` makes them.

    Raises:
        UsageError: flags about a table that is not there.
    """
    for name in ("id", "label", "time", "features", "columns"):
        if getattr(flags, name) and not flags.nodes:
            raise UsageError(f"--{name} is about a node table, and there is no --nodes", fix="pass --nodes FILE")
    for name in ("source", "target", "relation", "edge_time", "edge_columns", "weight", "reverse", "undirected"):
        if getattr(flags, name) and not flags.edges:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is about an edge table, and there is no --edges", fix="pass --edges FILE")
    for node in document["nodes"].values():
        _override(node, {"id": flags.id, "label": flags.label, "time": flags.time})
        if flags.features:
            node["features"] = _features(flags.features)
        if flags.columns:
            node["columns"] = list(dict.fromkeys([*node.get("columns", []), *flags.columns]))
        used = {node.get("id"), node.get("label"), node.get("time")}
        if not flags.features:
            node["features"] = {k: v for k, v in node.get("features", {}).items() if k not in used}
        if "columns" in node:
            node["columns"] = [c for c in node["columns"] if c not in (node.get("label"), node.get("id"))]
    for edge in document["edges"].values():
        given = {"source": flags.source, "target": flags.target, "time": flags.edge_time, "weight": flags.weight}
        _override(edge, given)
        used = set(given.values())
        edge["features"] = {k: v for k, v in edge.get("features", {}).items() if k not in used}
        if flags.edge_columns:
            edge["columns"] = list(dict.fromkeys([*edge.get("columns", []), *flags.edge_columns]))
        if flags.reverse:
            edge["reverse"] = True
        if flags.undirected:
            edge["undirected"] = True
    return document


def _override(table: dict[str, Any], values: dict[str, str | None]) -> None:
    table.update({key: value for key, value in values.items() if value is not None})


def _features(texts: Sequence[str]) -> dict[str, str]:
    if list(texts) == ["none"]:
        return {}
    found = {}
    for text in texts:
        column, equals, encoder = text.rpartition("=")
        if not equals or not column:
            raise UsageError(
                f"--features {text} names no encoder", fix="write COLUMN=ENCODER, as --features year=standard"
            )
        found[column] = encoder
    return found

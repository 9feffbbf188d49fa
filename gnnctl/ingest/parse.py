"""Reads a TOML spec; whatever it does not know is refused by name, with the nearest thing it does know."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from gnnctl.errors import DataError
from gnnctl.graph.features import FORMATS
from gnnctl.graph.graphs import GRAPH
from gnnctl.graph.types import EdgeType
from gnnctl.ingest.spec import (
    SPLIT,
    Duplicates,
    EdgeSpec,
    FeatureSpec,
    MoleculeSpec,
    NodeSpec,
    OnMissing,
    SelfLoops,
    Source,
    Spec,
    Unreadable,
)

_TOP = ("nodes", "edges", "graphs", "setup", "self_loops", "duplicates", "on_missing")
_SOURCE = ("table", "sql", "database", "cypher", "options")
_NODE = (*_SOURCE, "id", "graph", "label", "time", "columns", "features", "fit", "feature_dtype")
_GRAPHS = (*_SOURCE, "id", "label", "columns", "features", "fit", "feature_dtype")
_MOLECULES = ("smiles", "unreadable")
_EDGE = (
    *_SOURCE,
    *("source", "target", "relation", "weight", "time", "columns", "features", "fit"),
    *("reverse", "undirected", "self_loops", "duplicates", "on_missing"),
)
ANY = "*"  # stands for a relation that a column names
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]*")


def read_spec(path: Path) -> Spec:
    """Read a spec file.

    Raises:
        DataError: missing, not TOML, an unknown key, a value of the wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"spec {path} does not exist", fix="name a graph.toml, or pass --nodes and --edges") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"spec {path} cannot be read: {error}", fix="name a TOML file") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"spec {path} is not TOML: {error}", fix="correct that line") from None
    return parse_spec(document, folder=str(path.parent), where=str(path))


def parse_spec(document: Mapping[str, Any], folder: str = ".", where: str = "the spec") -> Spec:
    """Check a spec read from TOML (or written as the same nested dictionaries) and give it types.

    Args:
        document: tables ``nodes`` and ``edges``, and defaults for every edge type.
        folder: what relative paths are relative to.
        where: how messages call the spec.

    Raises:
        DataError: an unknown key, a missing one, a value of the wrong type.
    """
    reader = _Reader(where)
    reader.keys(document, _TOP, "")
    node_tables = reader.get(document, "nodes", dict, {}, "")
    edge_tables = reader.get(document, "edges", dict, {}, "")
    defaults = {k: document[k] for k in ("self_loops", "duplicates", "on_missing") if k in document}
    nodes = [reader.node(name, table) for name, table in node_tables.items()]
    edges = [reader.edge(name, table, defaults) for name, table in edge_tables.items()]
    known = {node.name for node in nodes}
    for edge in edges:
        for name in (edge.type.src, edge.type.dst):
            if name not in known:
                known.add(name)
                nodes.append(NodeSpec(name))
    mentioned = {name for edge in edges for name in (edge.type.src, edge.type.dst)}
    for node in nodes:
        if node.source is None and node.name not in mentioned:
            raise reader.error(f"nodes.{node.name} has no table and no edge type mentions it", "give it a table")
    molecules = reader.molecules(document.get("graphs"), nodes, edges)
    if not nodes and molecules is None:
        raise reader.error('there is no [nodes.NAME] and no [edges."SRC REL DST"]', "add one")
    reader.unique_types(edges)
    graphs = reader.graphs(document["graphs"], nodes, edges) if "graphs" in document else None
    for node in nodes:
        if graphs is None and node.graph is not None:
            raise reader.error(f"[nodes.{node.name}] has graph, and there is no table of graphs", "add [graphs]")
    setup = document.get("setup", [])
    setup = reader.strings(setup if isinstance(setup, list) else [setup], "setup")
    return Spec(tuple(nodes), tuple(edges), folder, tuple(setup), graphs, molecules)


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'? `` for messages, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=5, cutoff=0.6)
    # Letters swapped ("lable") are likelier than letters replaced ("table").
    found.sort(key=lambda candidate: sorted(candidate) != sorted(word))
    return f"did you mean '{found[0]}'? " if found else ""


class _Reader:
    """Checks with the spec's name in every message."""

    def __init__(self, where: str) -> None:
        self.where = where

    def error(self, message: str, fix: str) -> DataError:
        return DataError(f"{self.where}: {message}", fix=fix)

    def keys(self, table: Mapping[str, Any], known: tuple[str, ...], section: str) -> None:
        for key in table:
            if key not in known:
                place = f"[{section}] has " if section else ""
                raise self.error(f"{place}unknown key '{key}'", f"{nearest(key, known)}known are {', '.join(known)}")

    def get(self, table: Mapping[str, Any], key: str, kind: type, default: Any, section: str) -> Any:
        value = table.get(key, default)
        if value is not default and not isinstance(value, kind):
            words = {str: "a string", bool: "true or false", dict: "a table", list: "a list"}[kind]
            raise self.error(f"[{section or 'top level'}] {key} must be {words}, not {value!r}", "correct it")
        return value

    def choice(self, table: Mapping[str, Any], key: str, choices: tuple[str, ...], section: str) -> Any:
        value = table.get(key, choices[0])
        if value not in choices:
            raise self.error(f"[{section}] {key} = {value!r}", f"it takes {', '.join(choices)}")
        return value

    def strings(self, values: Any, section: str) -> list[str]:
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise self.error(f"{section} must be a list of strings, not {values!r}", "correct it")
        return values

    def name(self, name: str, what: str) -> str:
        if not _NAME.fullmatch(name) or "__" in name:
            fix = "use letters, digits, - . : + and single _, beginning with a letter or digit"
            raise self.error(f"'{name}' cannot name {what}", fix)
        return name

    def source(self, table: Mapping[str, Any], section: str) -> Source | None:
        given = [key for key in ("table", "sql", "database") if key in table]
        if len(given) > 1:
            raise self.error(f"[{section}] has both {given[0]} and {given[1]}", "keep one")
        if ("database" in table) != ("cypher" in table):
            one, other = ("database", "cypher") if "database" in table else ("cypher", "database")
            raise self.error(f"[{section}] has {one} and no {other}", f"add {other}")
        options = self.get(table, "options", dict, {}, section)
        if "sql" in table:
            return Source(sql=self.get(table, "sql", str, None, section).strip().rstrip(";"), options=options)
        if "database" in table:
            if options:
                raise self.error(f"[{section}] options are for files", "leave them out")
            path, query = (self.get(table, key, str, None, section).strip() for key in ("database", "cypher"))
            return Source(database=path, cypher=query)
        if "table" not in table:
            return None
        files = table["table"]
        parts: tuple[str, ...] = ()
        if isinstance(files, dict):
            if not files:
                raise self.error(f"[{section}] table names no part", 'write table = { train = "FILE", test = "FILE" }')
            parts, files = tuple(files), list(files.values())
        named = self.strings(files if isinstance(files, list) else [files], f"[{section}] table")
        return Source(tuple(named), None, options, parts)

    def columns(self, table: Mapping[str, Any], source: Source | None, section: str) -> dict[str, str]:
        """Kept columns; a table given in parts keeps the part of each row."""
        columns = table.get("columns", {})
        if not isinstance(columns, dict):
            columns = {c: c for c in self.strings(columns, f"[{section}] columns")}
        self.strings(list(columns.values()), f"[{section}] columns")
        return {**columns, **({SPLIT: SPLIT} if source is not None and source.parts else {})}

    def node(self, name: str, table: Any) -> NodeSpec:
        section = f"nodes.{self.name(name, 'a node type')}"
        return self.table(name, section, table, _NODE)

    def graphs(self, table: Any, nodes: list[NodeSpec], edges: list[EdgeSpec]) -> NodeSpec:
        """The table of graphs; every node must say in which it is."""
        found = self.table(GRAPH, "graphs", table, (*_GRAPHS, *_MOLECULES))
        if found.source is None:
            raise self.error("[graphs] has no table and no sql", 'add table = "FILE"')
        for node in nodes:
            if node.name == GRAPH:
                raise self.error(f"nodes.{GRAPH} is what [graphs] are called", "rename the node type")
            if node.source is None:
                raise self.error(f"nodes.{node.name} has no table, so nothing says in which graph a node is", "add one")
            if node.graph is None:
                raise self.error(f"[nodes.{node.name}] does not say in which graph a node is", 'add graph = "COLUMN"')
        for edge in edges:
            if edge.on_missing == "add":
                what = f'[edges."{edge.type}"] on_missing = "add": an added node would be in no graph'
                raise self.error(what, "use error or drop")
        return found

    def molecules(self, table: Any, nodes: list[NodeSpec], edges: list[EdgeSpec]) -> MoleculeSpec | None:
        """What makes the graphs' nodes and edges, where that is their table."""
        if not isinstance(table, dict):
            return None
        files = table.get("table")
        named = files if isinstance(files, list) else [files]
        sdf = all(isinstance(file, str) and file.lower().endswith(".sdf") for file in named)
        if "smiles" not in table and not sdf:
            if "unreadable" in table:
                raise self.error("[graphs] has unreadable, and no molecules", 'add smiles = "COLUMN"')
            return None
        if "smiles" in table and sdf:
            raise self.error("[graphs] has smiles, and its table is an SDF file", "leave smiles out")
        if nodes or edges:
            raise self.error(
                "[graphs] are molecules, which make their own atoms and bonds", "leave out [nodes] and [edges]"
            )
        smiles = self.get(table, "smiles", str, None, "graphs")
        return MoleculeSpec(smiles, self.choice(table, "unreadable", get_args(Unreadable), "graphs"))

    def table(self, name: str, section: str, table: Any, known: tuple[str, ...]) -> NodeSpec:
        """What nodes and graphs have in common."""
        if not isinstance(table, dict):
            raise self.error(f"{section} must be a table", f"write [{section}]")
        self.keys(table, known, section)
        source = self.source(table, section)
        if source is None and table:
            raise self.error(f"[{section}] has no table and no sql", 'add table = "FILE"')
        return NodeSpec(
            name=name,
            source=source,
            id=self.get(table, "id", str, "id", section),
            label=self.label(table, section),
            time=self.get(table, "time", str, None, section),
            columns=self.columns(table, source, section),
            features=self.features(table, section),
            fit=self.get(table, "fit", str, None, section),
            feature_dtype=self.choice(table, "feature_dtype", FORMATS, section),
            graph=self.get(table, "graph", str, None, section),
        )

    def label(self, table: Mapping[str, Any], section: str) -> tuple[str, str] | None:
        label = self.get(table, "label", str, None, section)
        if label is None:
            return None
        return (label if re.fullmatch(r"[\w .-]+", label) else "label"), label

    def edge(self, name: str, table: Any, defaults: Mapping[str, Any]) -> EdgeSpec:
        words = name.split()
        if len(words) != 3:
            raise self.error(f'edges."{name}" is no edge type', 'write [edges."SOURCE RELATION TARGET"]')
        section = f'edges."{name}"'
        if not isinstance(table, dict):
            raise self.error(f"{section} must be a table", f"write [{section}]")
        if (words[1] == ANY) != ("relation" in table):
            said = "names no relation" if words[1] == ANY else f"names the relation '{words[1]}' and a column of them"
            fix = f'write [edges."{words[0]} {ANY} {words[2]}"] with relation = "COLUMN", or a name without it'
            raise self.error(f"[{section}] {said}", fix)
        for word, what in zip(words, ("a node type", "a relation", "a node type"), strict=True):
            if word != ANY or what != "a relation":
                self.name(word, what)
        self.keys(table, _EDGE, section)
        source = self.source(table, section)
        if source is None:
            raise self.error(f"[{section}] has no table and no sql", 'add table = "FILE"')
        merged = {**defaults, **table}
        edge = EdgeSpec(
            type=EdgeType(*words),
            source=source,
            source_id=self.get(table, "source", str, "source", section),
            target_id=self.get(table, "target", str, "target", section),
            weight=self.get(table, "weight", str, None, section),
            time=self.get(table, "time", str, None, section),
            features=self.features(table, section),
            fit=self.get(table, "fit", str, None, section),
            reverse=self.get(table, "reverse", bool, False, section),
            undirected=self.get(table, "undirected", bool, False, section),
            self_loops=self.choice(merged, "self_loops", get_args(SelfLoops), section),
            duplicates=self.choice(merged, "duplicates", get_args(Duplicates), section),
            on_missing=self.choice(merged, "on_missing", get_args(OnMissing), section),
            relation=self.get(table, "relation", str, None, section),
            columns=self.columns(table, source, section),
        )
        if edge.undirected and edge.type.src != edge.type.dst:
            raise self.error(f"[{section}] undirected needs one node type at both ends", "use reverse = true")
        if edge.undirected and edge.reverse:
            raise self.error(f"[{section}] has both undirected and reverse", "keep one")
        return edge

    def features(self, table: Mapping[str, Any], section: str) -> tuple[FeatureSpec, ...]:
        section = f"{section}.features"
        features = self.get(table, "features", dict, {}, section)
        return tuple(self.feature(name, value, section) for name, value in features.items())

    def feature(self, name: str, value: Any, section: str) -> FeatureSpec:
        if isinstance(value, str):
            return FeatureSpec(name, name, value)
        if not isinstance(value, dict) or not isinstance(value.get("encoder"), str):
            raise self.error(
                f"[{section}] '{name}' needs an encoder", f'write {name} = "standard", or a table with encoder'
            )
        column = self.get(value, "column", str, name, section)
        options = {k: v for k, v in value.items() if k not in ("encoder", "column")}
        return FeatureSpec(name, column, value["encoder"], options)

    def unique_types(self, edges: list[EdgeSpec]) -> None:
        if twice := type_twice(edges):
            raise self.error(f"two edge types are called '{twice}'", "rename one relation")


def type_twice(edges: Iterable[EdgeSpec]) -> EdgeType | None:
    """An edge type that two sections make, reverses counted, or None."""
    seen: set[EdgeType] = set()
    for edge in edges:
        for kind in [edge.type, *([edge.reverse_type] if edge.reverse else [])]:
            if kind in seen:
                return kind
            seen.add(kind)
    return None

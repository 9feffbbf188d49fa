"""What an ingest reads: node and edge tables, which columns mean what, and how features are encoded."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gnnctl.graph.features import FeatureFormat
from gnnctl.graph.types import EdgeType

OnMissing = Literal["error", "drop", "add"]
SelfLoops = Literal["keep", "drop"]
Duplicates = Literal["keep", "first", "last", "error"]
Unreadable = Literal["error", "drop"]
SPLIT = "split"  # column of a table given in parts: which part a row is from


@dataclass(frozen=True)
class Source:
    """Where rows come from: files, a query, or a database; exactly one of ``table``, ``sql`` and ``cypher`` is set.

    Args:
        table: files as written in the spec, relative to its folder; globs allowed.
        parts: where the files are parts of a data set, the name of each; rows have it in the column ``split``.
        sql: a DuckDB query; file names in it are relative to the spec's folder too.
        options: reader options of DuckDB (``delim``, ``header``, ``types``, ...), for CSV and JSON.
        database: a ladybug database, its path relative to the spec's folder.
        cypher: a query to it.
    """

    table: tuple[str, ...] = ()
    sql: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    database: str | None = None
    cypher: str | None = None

    @property
    def label(self) -> str:
        """How messages call it."""
        if self.sql is not None:
            return "its query"
        if self.database is not None:
            return self.database
        return self.table[0] if len(self.table) == 1 else f"{self.table[0]} and {len(self.table) - 1} more"


@dataclass(frozen=True)
class FeatureSpec:
    """One feature: a column or SQL expression and the encoder that turns it into numbers.

    Args:
        name: name of the feature; prefix of its columns in ``x``.
        column: column or SQL expression.
        encoder: built-in name or import path ``package.module:Class``.
        options: options of the encoder.
    """

    name: str
    column: str
    encoder: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeSpec:
    """One node type. Without a source its nodes are whatever ids the edges mention."""

    name: str
    source: Source | None = None
    id: str = "id"
    label: tuple[str, str] | None = None  # (name, column or expression)
    time: str | None = None
    columns: dict[str, str] = field(default_factory=dict)  # name -> column or expression, kept as they are
    features: tuple[FeatureSpec, ...] = ()
    fit: str | None = None
    feature_dtype: FeatureFormat = "float32"  # what features are stored as; models see float32
    graph: str | None = None  # column of the graph that each node is in

    @property
    def unset(self) -> tuple[str, ...]:
        """Fields that a recipe leaves out, so that it is the one of before they were there."""
        return ("feature_dtype",) if self.feature_dtype == "float32" else ()


@dataclass(frozen=True)
class EdgeSpec:
    """One edge type; ``reverse`` adds ``(dst, rev_rel, src)``, ``undirected`` stores both directions in this type.

    With ``relation``, a column or expression, it stands for a type for each value, named by it in place of the ``*``.
    """

    type: EdgeType
    source: Source
    source_id: str = "source"
    target_id: str = "target"
    weight: str | None = None
    time: str | None = None
    features: tuple[FeatureSpec, ...] = ()
    fit: str | None = None
    reverse: bool = False
    undirected: bool = False
    self_loops: SelfLoops = "keep"
    duplicates: Duplicates = "keep"
    on_missing: OnMissing = "error"
    relation: str | None = None
    columns: dict[str, str] = field(default_factory=dict)  # name -> column or expression, kept as they are

    @property
    def reverse_type(self) -> EdgeType:
        """Type of the generated reverse edges."""
        return EdgeType(self.type.dst, f"rev_{self.type.rel}", self.type.src)


@dataclass(frozen=True)
class MoleculeSpec:
    """Graphs that are molecules: a column of SMILES, or, where that is None, SDF files."""

    smiles: str | None = None
    unreadable: Unreadable = "error"


@dataclass(frozen=True)
class Spec:
    """Everything one ingest reads.

    Args:
        nodes: node types in graph order; types that only edges mention are appended.
        edges: edge types in graph order, generated reverses not included.
        folder: what relative paths are relative to.
        setup: SQL statements run first, such as ``ATTACH 'shop.sqlite'``.
        graphs: the table of the graphs that nodes are in; None where all are in one.
        molecules: how nodes and edges are made of the graphs' table; None where they have tables.
    """

    nodes: tuple[NodeSpec, ...]
    edges: tuple[EdgeSpec, ...]
    folder: str = "."
    setup: tuple[str, ...] = ()
    graphs: NodeSpec | None = None
    molecules: MoleculeSpec | None = None

    def to_json(self) -> dict[str, Any]:
        """The part of the spec that decides the result, for the artifact's recipe; the folder is not in it."""
        graphs = self.graphs
        return {
            **({} if graphs is None else {"graphs": _plain(graphs, skip=("name", *graphs.unset))}),
            **({} if self.molecules is None else {"molecules": vars(self.molecules)}),
            "setup": list(self.setup),
            "nodes": {node.name: _plain(node, skip=("name", *node.unset)) for node in self.nodes},
            "edges": {str(edge.type): _plain(edge, skip=("type",)) for edge in self.edges},
            "order": [[node.name for node in self.nodes], [str(edge.type) for edge in self.edges]],
        }


def _plain(value: Any, skip: tuple[str, ...] = ()) -> Any:
    """Dataclasses as JSON values, without fields that are unset."""
    if isinstance(value, (Source, FeatureSpec, NodeSpec, EdgeSpec)):
        fields = {k: _plain(v) for k, v in vars(value).items() if k not in skip}
        return {k: v for k, v in fields.items() if v not in (None, [], {}, False)}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value

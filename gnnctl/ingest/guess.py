"""Guesses a spec from tables: which hold nodes, which hold edges, what their columns are good for.

A node table has a column of unique values; an edge table has two columns whose values are all ids of nodes. A guess is
a draft: it ingests as it is, and says in comments what it was not sure of.
"""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from gnnctl.errors import DataError
from gnnctl.ingest.engine import Engine, quote
from gnnctl.ingest.flags import Flags, type_name
from gnnctl.ingest.profile import ColumnProfile, TableProfile, profile
from gnnctl.ingest.spec import SPLIT
from gnnctl.ingest.toml import Draft, write_toml

_LABELS = ("label", "target", "class", "y", "category", "section", "topic")
_SPLITS = ("split", "fold", "part", "subset")
_SOURCES = ("source", "src", "from", "head", "subject", "citing", "follower", "sender", "u")
_TARGETS = ("target", "dst", "to", "tail", "object", "cited", "followee", "receiver", "recipient", "v")
_WEIGHTS = ("weight", "edge_weight")
_RELATIONS = ("relation", "predicate", "rel", "relationship", "edge_type", "relation_type")
_PARTS = ("train", "training", "valid", "val", "validation", "dev", "test", "testing")
_FEW = 64
_MANY_RELATIONS = 1000


@dataclass(frozen=True)
class _End:
    """One end of an edge table: its column, and the node table it points to (None: a type made from the edges)."""

    column: str
    nodes: TableProfile | None


def guess_toml(engine: Engine, files: list[str]) -> str:
    """A commented spec for these tables.

    Raises:
        DataError: a table cannot be read, or none of them makes sense.
    """
    tables = _tables(files)
    profiles = [profile(engine, i, name, file) for i, (name, file) in enumerate(tables)]
    names: dict[str, int] = {}
    for p in profiles:
        names[p.name] = names.get(p.name, 0) + 1
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise DataError(f"two tables would both be called '{twice[0]}'", fix="rename a file, or guess them one by one")
    edges, nodes = _edge_tables(engine, profiles)
    draft = Draft({}, {})
    for p in profiles:
        if p.name in nodes:
            draft.nodes[p.name] = _node_section(engine, p, p.unique[0].name, None, draft.comments)
    for p in profiles:
        if p.name in edges:
            source, target = edges[p.name]
            relation = _relation(p, source, target)
            name = _edge_name(p, source, target, relation)
            draft.edges[name] = _edge_section(p, source, target, relation)
        elif p.name not in nodes:
            draft.comments.append(f"{p.file} is left out: no column is unique, and no two columns hold ids of nodes.")
    if not draft.nodes and not draft.edges:
        raise DataError(
            f"{', '.join(files)}: no table has a column of unique values or two columns of ids",
            fix='write the spec by hand, with sql = "..." where a table needs work',
        )
    return write_toml(draft)


def _tables(files: list[str]) -> list[tuple[str, str | dict[str, str]]]:
    """Names and files; those of one folder called train, valid, test are one table in parts."""
    found: dict[str, str | dict[str, str]] = {}
    parts: dict[str, dict[str, str]] = {}
    for file in files:
        if type_name(file).lower() in _PARTS:
            parts.setdefault(str(PurePath(file).parent), {})[type_name(file)] = file
    together = {
        folder: dict(sorted(each.items(), key=lambda part: _PARTS.index(part[0].lower())))
        for folder, each in parts.items()
        if len(each) > 1
    }
    tables: list[tuple[str, str | dict[str, str]]] = []
    for file in files:
        folder = str(PurePath(file).parent)
        if type_name(file) not in together.get(folder, {}):
            tables.append((type_name(file), file))
        elif folder not in found:
            found[folder] = together[folder]
            tables.append((type_name(folder) if folder != "." else "row", together[folder]))
    return tables


def guess_document(
    engine: Engine, nodes: list[tuple[str, str]], edges: list[tuple[str, str]], flags: Flags
) -> dict[str, Any]:
    """The flag form's spec as nested dictionaries, from at most one node and one edge table ``(name, file)``."""
    comments: list[str] = []
    document: dict[str, Any] = {"nodes": {}, "edges": {}}
    tables = [profile(engine, i, name, file) for i, (name, file) in enumerate(nodes)]
    for p in tables:
        if flags.id is None and not p.unique:
            raise DataError(f"{p.table.what} has no column of unique values", fix="name the id column with --id")
        document["nodes"][p.name] = _node_section(engine, p, flags.id or p.unique[0].name, flags.label, comments)
    for i, (name, file) in enumerate(edges):
        p = profile(engine, len(tables) + i, name, file)
        home = tables[0] if tables else None
        node_type = home.name if home else "node"
        if flags.source and flags.target:
            source, target = _End(flags.source, home), _End(flags.target, home)
        else:
            wanted = flags.id if home else None
            ends = _ends(engine, p, tables, wanted) or (_loose_ends(p) if home is None else None)
            if ends is None:
                message = f"{p.table.what}: no two columns hold ids of {node_type}"
                raise DataError(message, fix="name them with --source and --target")
            source = _End(flags.source, home) if flags.source else ends[0]
            target = _End(flags.target, home) if flags.target else ends[1]
        # Who names the relation means one.
        relation = flags.relation or (_relation(p, source, target) if name == type_name(file) else None)
        section = _edge_section(p, source, target, relation)
        document["edges"][f"{node_type} {'*' if relation else p.name} {node_type}"] = section
    return document


# -- which table is what ---------------------------------------------------------------------------------------------


def _edge_tables(engine: Engine, profiles: list[TableProfile]) -> tuple[dict[str, tuple[_End, _End]], set[str]]:
    """Edge tables with their ends, and the names of the node tables."""
    candidates = [p for p in profiles if p.unique]
    edges: dict[str, tuple[_End, _End]] = {}
    for p in profiles:
        others = [c for c in candidates if c is not p]
        ends = _ends(engine, p, others, None)
        # A table with ids of its own that others point to holds nodes, whatever else it points to itself.
        called_so = (
            ends and _rank(ends[0].column, _SOURCES) < len(_SOURCES) and _rank(ends[1].column, _TARGETS) < len(_TARGETS)
        )
        if ends and (called_so or not (p.unique and _pointed_to(engine, p, profiles))):
            edges[p.name] = ends
    nodes = {p.name for p in candidates if p.name not in edges}
    edges = {name: ends for name, ends in edges.items() if all(e.nodes is None or e.nodes.name in nodes for e in ends)}
    for p in profiles:
        if p.name not in edges and p.name not in nodes and (loose := _loose_ends(p)):
            edges[p.name] = loose
    return edges, nodes


def _pointed_to(engine: Engine, p: TableProfile, profiles: list[TableProfile]) -> bool:
    key = p.unique[0]
    return any(
        _contained(engine, other, column, p, key)
        for other in profiles
        if other is not p
        for column in other.id_like
        if column.kind == key.kind and column.distinct != other.rows and column.distinct > 1
    )


def _ends(
    engine: Engine, p: TableProfile, tables: list[TableProfile], id_column: str | None
) -> tuple[_End, _End] | None:
    """The two columns of ``p`` that hold ids of nodes, likeliest first: by name, then by what they point to."""
    found: list[tuple[ColumnProfile, TableProfile]] = []
    for column in p.id_like:
        homes = []
        for table in tables:
            key = table.columns.get(id_column) if id_column else table.unique[0]
            if key is not None and column.kind == key.kind and _contained(engine, p, column, table, key):
                homes.append(table)
        if homes:
            # The file's name decides (package__depends__virtual), else the smallest table that has all the values.
            words = p.name.lower().replace("__", "_").split("_")
            home = min(homes, key=lambda t: (t.name.lower() not in (column.name.lower(), *words), t.rows))
            found.append((column, home))
    if len(found) < 2:
        return None
    order = {c.name: i for i, c in enumerate(p.columns.values())}
    sources = sorted(found, key=lambda f: (_rank(f[0].name, _SOURCES), _names_table(f), order[f[0].name]))
    source = sources[0]
    rest = [f for f in found if f is not source]
    target = min(rest, key=lambda f: (_rank(f[0].name, _TARGETS), _names_table(f), order[f[0].name]))
    return _End(source[0].name, source[1]), _End(target[0].name, target[1])


def _loose_ends(p: TableProfile) -> tuple[_End, _End] | None:
    """Ends of an edge table whose nodes have no table: columns called so, or the first two of one kind."""
    columns = p.id_like
    sources = [c for c in columns if _rank(c.name, _SOURCES) < len(_SOURCES)]
    targets = [c for c in columns if _rank(c.name, _TARGETS) < len(_TARGETS)]
    if sources and targets:
        return _End(sources[0].name, None), _End(targets[0].name, None)
    same = [c for c in columns if c.kind == columns[0].kind]
    return (_End(same[0].name, None), _End(same[1].name, None)) if len(same) >= 2 else None


def _rank(name: str, words: tuple[str, ...]) -> int:
    bare = name.lower().removesuffix("_id")
    return words.index(bare) if bare in words else len(words)


def _names_table(found: tuple[ColumnProfile, TableProfile]) -> bool:
    """False (first) where a column is called like the table it points to: ``author_id`` and ``authors``."""
    bare = found[0].name.lower().removesuffix("_id")
    return bare.rstrip("s") != found[1].name.lower().rstrip("s")


def _contained(engine: Engine, p: TableProfile, column: ColumnProfile, home: TableProfile, key: ColumnProfile) -> bool:
    within = key.least <= column.least <= column.most <= key.most
    if column.nulls or column.distinct > key.distinct or (column.kind == "integer" and not within):
        return False
    outside = (
        f"SELECT 1 FROM {p.table.view} AS e ANTI JOIN {home.table.view} AS n "
        f"ON CAST(e.{quote(column.name)} AS VARCHAR) = CAST(n.{quote(key.name)} AS VARCHAR) "
        f"WHERE e.{quote(column.name)} IS NOT NULL LIMIT 1"
    )
    return not engine.rows(outside, p.table.what)


# -- what the columns are good for -----------------------------------------------------------------------------------


def _relation(p: TableProfile, source: _End, target: _End) -> str | None:
    """The column that says of which relation each edge is, or None."""
    for word in _RELATIONS:
        for column in p.columns.values():
            named = column.name.lower() == word and column.name not in (source.column, target.column)
            few = 1 < column.distinct <= min(_MANY_RELATIONS, p.rows // 2)
            if named and few and column.kind == "text" and not column.nulls:
                return column.name
    return None


def _edge_name(p: TableProfile, source: _End, target: _End, relation: str | None) -> str:
    src = source.nodes.name if source.nodes else "node"
    dst = target.nodes.name if target.nodes else "node"
    if relation:
        return f"{src} * {dst}"
    return f"{src} {p.name.removeprefix(f'{src}_').removesuffix(f'_{dst}') or 'to'} {dst}"


def _edge_section(p: TableProfile, source: _End, target: _End, relation: str | None) -> dict[str, Any]:
    section: dict[str, Any] = {"table": p.value, "source": source.column, "target": target.column}
    if relation:
        section["relation"] = relation
    rest = [c for c in p.columns.values() if c.name not in (source.column, target.column, relation)]
    splits = [c.name for c in rest if c.name.lower().startswith(_SPLITS) and c.kind in ("text", "integer")]
    rest = [c for c in rest if c.name not in splits]
    # That of a table in parts is kept anyway.
    section["columns"] = [name for name in splits if not isinstance(p.value, dict) or name != SPLIT]
    for column in rest:
        name = column.name.lower()
        if name in _WEIGHTS and column.kind in ("integer", "number") and not (column.nulls or column.nan):
            section["weight"] = column.name
        elif column.kind == "time" or (column.kind == "integer" and name in ("time", "timestamp", "year")):
            section.setdefault("time", column.name)
    opposite = {"undirected": False} if source.nodes is target.nodes and not relation else {"reverse": True}
    section.update(opposite)
    used = {section.get("weight"), section.get("time")}
    section["features"] = _features([c for c in rest if c.name not in used and c.distinct != p.rows], p.rows)
    return section


def _node_section(engine: Engine, p: TableProfile, key: str, label: str | None, comments: list[str]) -> dict[str, Any]:
    rest = [c for c in p.columns.values() if c.name != key]
    splits = [c for c in rest if c.name.lower().startswith(_SPLITS) and c.kind in ("text", "integer")]
    rest = [c for c in rest if c not in splits]
    guessed = label or _label(p, rest, comments)
    rest = [c for c in rest if c.name != guessed]
    features = _features(rest, p.rows)
    for name in [c.name for c in rest if guessed and features.get(c.name) == "onehot"]:
        if guessed in p.columns and _gives_away(engine, p, name, guessed):
            del features[name]
            comments.append(f"nodes.{p.name}: {name} tells the label {guessed}, so it is no feature here.")
    section: dict[str, Any] = {"table": p.value, "id": key}
    if guessed:
        section["label"] = guessed
    section["columns"] = [c.name for c in splits] + [
        c.name for c in rest if c.name not in features and c.kind in ("text", "time", "integer", "boolean")
    ]
    section["features"] = features
    return section


def _gives_away(engine: Engine, p: TableProfile, name: str, label: str) -> bool:
    """Whether each value of a column goes with one label only."""
    pairs = (
        f"SELECT count(DISTINCT ({quote(name)}, {quote(label)})) FROM {p.table.view} WHERE {quote(label)} IS NOT NULL"
    )
    return bool(engine.value(pairs, p.table.what) <= p.columns[name].distinct)


def _label(p: TableProfile, columns: list[ColumnProfile], comments: list[str]) -> str | None:
    for word in _LABELS:
        for column in columns:
            if column.name.lower() == word and column.distinct > 1:
                return column.name
    few = [c for c in columns if c.kind in ("text", "integer") and 2 <= c.distinct <= min(100, p.rows // 10)]
    if not few:
        return None
    best = max(few, key=lambda c: (c.kind == "text", c.distinct))
    comments.append(f"nodes.{p.name}: the label is a guess ({best.distinct} classes); name another, or none.")
    return best.name


def _features(columns: list[ColumnProfile], rows: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in columns:
        encoder = _encoder(column, rows)
        if encoder is None:
            continue
        if column.nan and column.kind == "number":
            found[column.name] = {"encoder": encoder, "nan": "null"}
        elif column.kind == "vector" and column.nulls:
            found[column.name] = {"encoder": encoder, "nulls": "indicator"}
        else:
            found[column.name] = encoder
    return found


def _encoder(column: ColumnProfile, rows: int) -> str | None:
    if column.kind == "vector":
        return "vector" if column.lengths[0] == column.lengths[1] > 0 else "multihot"
    if column.kind == "list":
        return "multihot"
    if column.distinct < 2:
        return None
    if column.kind == "boolean":
        return "raw"
    if column.kind == "integer" and column.distinct <= 16:
        return "onehot"
    if column.kind in ("integer", "number"):
        wide = column.least >= 0 and column.most > 100 * max(column.median, 1.0)
        return "log" if wide else "standard"
    if column.kind == "text" and column.distinct <= min(_FEW, rows // 2):
        return "onehot"
    return "text:512" if column.kind == "text" and column.words >= 2.5 else None

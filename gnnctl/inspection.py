"""What an artifact of any kind is, what it was made from, and whether every byte of it is still there."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnnctl.artifacts import Artifact
from gnnctl.artifacts.manifest import SCHEMAS
from gnnctl.console import table
from gnnctl.errors import ArtifactError, UsageError

_SHORT = 12  # hexadecimal digits of a hash that people read
_MANY = 16  # lines of one table of counts
_MANY_OPTIONS = 80


@dataclass(frozen=True)
class Ancestor:
    """One artifact of a family tree.

    Attributes:
        role: the part it played for its child; empty for the artifact itself.
        path: where it lies, or should.
        kind: empty where it could not be read.
        fingerprint: the one that its child was made from.
        problem: why it cannot be used, or empty.
        parents: the artifacts that it was made from.
    """

    role: str
    path: Path
    kind: str
    fingerprint: str
    problem: str = ""
    parents: list["Ancestor"] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The tree as a JSON document."""
        return {
            "role": self.role,
            "path": str(self.path),
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "problem": self.problem,
            "parents": [parent.to_json() for parent in self.parents],
        }

    def lines(self) -> list[str]:
        """The tree as text, a line an artifact, parents beneath their child."""
        name = f"{self.role}: " if self.role else ""
        kind = f"{self.kind} " if self.kind and self.kind != self.role else ""
        note = f"  ({self.problem})" if self.problem else ""
        found = [f"{name}{kind}{self.path}  {self.fingerprint[:_SHORT]}{note}"]
        for i, parent in enumerate(self.parents):
            last = i == len(self.parents) - 1
            first, *rest = parent.lines()
            found.append(f"{'└── ' if last else '├── '}{first}")
            found += [f"{'    ' if last else '│   '}{line}" for line in rest]
        return found


def ancestry(artifact: Artifact) -> Ancestor:
    """The family tree of an artifact, walked through its parents' relative paths; what is gone is said, not raised."""
    return _walk(artifact, "", artifact.path)


def _walk(artifact: Artifact, role: str, shown: Path) -> Ancestor:
    parents = []
    for entry in artifact.manifest.parents:
        path = Path(os.path.normpath(shown / entry["path"]))
        try:
            parent = artifact.parent(entry["role"])
        except ArtifactError as error:
            parents.append(Ancestor(entry["role"], path, "", entry["fingerprint"], _problem(error, path)))
        else:
            parents.append(_walk(parent, entry["role"], path))
    return Ancestor(role, shown, artifact.kind, artifact.fingerprint, parents=parents)


def describe(artifact: Artifact) -> dict[str, Any]:
    """All that ``gnnctl inspect --json`` says of an artifact."""
    manifest = artifact.manifest
    return {
        "path": str(artifact.path),
        "kind": manifest.kind,
        "format": manifest.format,
        "fingerprint": manifest.fingerprint,
        "content": manifest.content,
        "stage": manifest.stage,
        "created": manifest.created,
        "bytes": artifact.bytes,
        "files": len(manifest.files),
        "options": manifest.options,
        "inputs": manifest.inputs,
        "summary": manifest.summary,
        "versions": manifest.versions,
        "ancestry": ancestry(artifact).to_json(),
    }


def summary_text(artifact: Artifact) -> str:
    """The same for people: what it is, its counts, its options, its largest files, its ancestry."""
    manifest = artifact.manifest
    head = [
        ["kind", f"{manifest.kind} (format {manifest.format})"],
        ["made", f"{manifest.created} by {manifest.stage}, gnnctl {manifest.versions.get('gnnctl', '?')}"],
        ["size", f"{size_text(artifact.bytes)} in {len(manifest.files):,} files"],
        ["fingerprint", manifest.fingerprint[:_SHORT]],
        ["content", manifest.content[:_SHORT]],
    ]
    blocks = [f"{artifact.path}\n" + _aligned(head)]
    if manifest.summary:
        blocks.append("Summary\n" + "\n".join(_tree(manifest.summary)))
    if manifest.options:
        lines = _tree(manifest.options)
        if len(lines) > _MANY_OPTIONS:  # such as the whole spec of an ingest
            lines = _aligned([[k, _value(v)] for k, v in manifest.options.items()]).splitlines()
        blocks.append("Options\n" + "\n".join(lines))
    if manifest.inputs:
        blocks.append("Inputs\n" + _aligned([[k, v[:_SHORT]] for k, v in manifest.inputs.items()]))
    largest = sorted(_grouped(artifact).items(), key=lambda item: (-item[1], item[0]))[:8]
    if largest:
        blocks.append("Largest\n" + _aligned([[name, size_text(size)] for name, size in largest]))
    blocks.append("Ancestry\n  " + "\n  ".join(ancestry(artifact).lines()))
    return "\n\n".join(blocks)


def schemas_of(kind: str) -> dict[str, Any]:
    """The JSON Schemas of a kind by file: its manifest, narrowed to the kind, and its own documents.

    Raises:
        UsageError: no such kind.
    """
    manifest = json.loads((SCHEMAS / "manifest.json").read_text(encoding="utf-8"))
    kinds = manifest["properties"]["kind"]["enum"]
    if kind not in kinds:
        raise UsageError(f"there is no kind '{kind}'", fix=f"kinds are {', '.join(kinds)}")
    manifest["properties"]["kind"] = {"const": kind}
    found = {"manifest.json": manifest}
    for own in sorted([*SCHEMAS.glob(f"{kind}.json"), *SCHEMAS.glob(f"{kind}.*.json")]):
        schema = json.loads(own.read_text(encoding="utf-8"))
        # A schema's title begins with the document that it describes.
        document = str(schema.get("title", "")).partition(" ")[0]
        found[document if document.endswith((".json", ".jsonl")) else f"{kind}.json"] = schema
    return found


def size_text(size: float) -> str:
    """Bytes in a unit that people read."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _grouped(artifact: Artifact) -> dict[str, int]:
    """Bytes by array, table or other file."""
    arrays = artifact.array_names()
    sizes: dict[str, int] = {}
    for entry in artifact.manifest.files:
        name = next((a for a in arrays if entry["path"].startswith(f"{a}/")), entry["path"])
        sizes[name] = sizes.get(name, 0) + entry["bytes"]
    return sizes


def _tree(values: dict[str, Any], indent: str = "  ") -> list[str]:
    """Nested counts, a line each; long tables of numbers are cut short."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict) and value:
            header, rows = _rows(value)
            lines.append(f"{indent}{key}")
            if not rows:
                lines += _tree(value, indent + "  ")
                continue
            shown = table(header, rows[:_MANY]).splitlines()
            lines += [f"{indent}  {line}" for line in (shown if len(header) > 2 else shown[2:])]
            if len(rows) > _MANY:
                lines.append(f"{indent}  and {len(rows) - _MANY} more (--json shows all)")
        elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            lines += [f"{indent}{key}", *(f"{indent}  {text}" for text in value)]
        elif value not in ({}, []):
            lines.append(f"{indent}{key}  {_value(value)}")
    return lines


def _rows(values: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Counts as rows of a table; counts of the same things side by side. No rows: it is neither."""
    if all(_is_flat(v) for v in values.values()):
        return ["", ""], [[k, v] for k, v in values.items()]
    inner = list(values.values())
    same = all(isinstance(v, dict) and v.keys() == inner[0].keys() for v in inner)
    if same and inner[0] and all(_is_flat(x) for v in inner for x in v.values()):
        return ["", *values], [[key, *(v[key] for v in inner)] for key in inner[0]]
    return [], []


def _is_flat(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _aligned(rows: list[list[str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name.ljust(width)}  {text}".rstrip() for name, text in rows)


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "..."


def _problem(error: ArtifactError, path: Path) -> str:
    if not path.exists():
        return "gone"
    return "another one stands there now" if "another" in error.message else error.message

"""The manifest of an artifact: what it is, how it was made, from what, and the hash of every file."""

import json
import platform
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnnctl import __version__
from gnnctl.artifacts.checksum import checksum_json
from gnnctl.errors import ArtifactError

if TYPE_CHECKING:
    from gnnctl.artifacts.artifact import Artifact

NAME = "manifest.json"

# The newest format of each kind that this release writes; every older one can still be read.
FORMATS = {"graph": 1, "split": 1, "subgraphs": 1, "model": 1, "predictions": 1, "explanation": 1, "report": 1}

_CHANGES_SHOWN = 4

_WITH_ARTICLE = {
    "subgraphs": "a set of subgraphs",
    "predictions": "a set of predictions",
    "explanation": "an explanation",
}

SCHEMAS = Path(__file__).parent.parent / "schemas"


@dataclass(frozen=True)
class Parent:
    """An artifact that another was made from, and the part it played (``"graph"``, ``"split"``)."""

    role: str
    artifact: "Artifact"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a stage writes: the same recipe means the same artifact.

    Args:
        kind: kind of the artifact.
        stage: the stage that makes it.
        algorithm: version of the stage's algorithm; raised when the same options give another result.
        options: resolved options, JSON values only; nothing that does not change the result.
        parents: artifacts it is made from.
        inputs: name of each external input to the SHA-256 of its bytes.
    """

    kind: str
    stage: str
    algorithm: int
    options: dict[str, Any]
    parents: list[Parent] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the recipe; independent of where the artifacts lie and of the names of input files."""
        return checksum_json(
            {
                "kind": self.kind,
                "format": FORMATS[self.kind],
                "stage": self.stage,
                "algorithm": self.algorithm,
                "options": self.options,
                "parents": {p.role: p.artifact.fingerprint for p in self.parents},
                "inputs": sorted(self.inputs.values()),
            }
        )

    def differences(self, manifest: "Manifest") -> list[str]:
        """What an existing artifact was made otherwise, in words."""
        found: list[str] = []
        if manifest.kind != self.kind:
            found.append(f"it is {a(manifest.kind)}, not {a(self.kind)}")
            return found
        changes = _changes(manifest.options, self.options)
        found += changes[:_CHANGES_SHOWN]
        if len(changes) > _CHANGES_SHOWN:
            found.append(f"and {len(changes) - _CHANGES_SHOWN} options more")
        old_parents = {p["role"]: p["fingerprint"] for p in manifest.parents}
        found += [
            f"the {p.role} ({p.artifact.path}) is another one"
            for p in self.parents
            if old_parents.get(p.role) != p.artifact.fingerprint
        ]
        if sorted(self.inputs.values()) != sorted(manifest.inputs.values()):
            changed = [name for name, checksum in self.inputs.items() if checksum not in manifest.inputs.values()]
            found.append("the input changed: " + ", ".join(changed) if changed else "an input was dropped")
        return found or [f"it was made by version {manifest.algorithm} of the stage, this is version {self.algorithm}"]


@dataclass
class Manifest:
    """The contents of ``manifest.json``; its fields are the published contract (schemas/manifest.json)."""

    kind: str
    format: int
    fingerprint: str
    content: str
    stage: str
    algorithm: int
    options: dict[str, Any]
    parents: list[dict[str, str]]
    inputs: dict[str, str]
    files: list[dict[str, Any]]
    contents: dict[str, str]
    summary: dict[str, Any]
    versions: dict[str, str]
    created: str

    def write(self, directory: Path) -> None:
        """Write ``manifest.json`` into a directory."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False)
        (directory / NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Read and check ``manifest.json``.

        Raises:
            ArtifactError: missing, not JSON, of a future format, or not as the schema says.
        """
        path = directory / NAME
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            what = "does not exist" if not directory.exists() else "is no artifact: it has no manifest.json"
            raise ArtifactError(f"{directory} {what}", fix="name the output folder of a gnnctl stage") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{path} is damaged: {error}", fix="make the artifact again") from None
        if isinstance(document, dict):
            kind, form = document.get("kind"), document.get("format")
            if isinstance(form, int) and kind in FORMATS and form > FORMATS[kind]:
                raise ArtifactError(
                    f"{directory} has format {form} of kind {kind}; gnnctl {__version__} reads up to {FORMATS[kind]}",
                    fix="upgrade gnnctl",
                )
        _validate(document, path)
        return cls(**document)


def _validate(document: Any, path: Path) -> None:
    import jsonschema

    schema = json.loads((SCHEMAS / "manifest.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or "the document"
        raise ArtifactError(f"{path} is not a valid manifest: {where}: {error.message}", fix="make the artifact again")


def a(kind: str) -> str:
    """A kind of artifact as messages name one: "a graph", "an explanation"."""
    return _WITH_ARTICLE.get(kind, f"a {kind}")


def versions() -> dict[str, str]:
    """Versions of what can change a result."""
    found = {"gnnctl": __version__, "python": platform.python_version(), "platform": sys.platform}
    for package in ("numpy", "pyarrow", "zarr", "duckdb", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The present moment, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _changes(old: dict[str, Any], new: dict[str, Any], within: str = "") -> list[str]:
    """Which options differ, tables of options entered: ``training.lr was 0.01, now 0.1``."""
    found = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += _changes(before, after, f"{within}{key}.")
        elif before != after:
            found.append(f"{within}{key} was {_short(before)}, now {_short(after)}")
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."

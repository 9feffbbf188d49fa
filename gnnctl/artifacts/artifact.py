"""Reading an artifact: what its manifest says is checked, its arrays are mapped."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.artifacts import manifest as manifests
from gnnctl.artifacts.arrays import open_array
from gnnctl.artifacts.checksum import checksum_json, file_checksum
from gnnctl.artifacts.directory import recover
from gnnctl.artifacts.manifest import Manifest
from gnnctl.artifacts.tables import open_table
from gnnctl.errors import ArtifactError

if TYPE_CHECKING:
    import pyarrow as pa


class Artifact:
    """An artifact on disk, open for reading. Use :meth:`open`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._arrays: dict[str, np.ndarray] = {}

    @classmethod
    def open(
        cls, path: Path | str, kind: str | None = None, *, optional: Callable[[str], bool] | None = None
    ) -> "Artifact":
        """Open and check an artifact: kind, format, recipe, and the size of every file.

        Args:
            optional: whether a file may be missing, because nothing will read it.

        Raises:
            ArtifactError: missing, damaged, edited, of a future format or of another kind.
        """
        path = Path(path)
        recover(path)
        artifact = cls(path, Manifest.read(path))
        if kind is not None and artifact.kind != kind:
            raise ArtifactError(
                f"{path} is {manifests.a(artifact.kind)}, not {manifests.a(kind)}", fix=f"name {manifests.a(kind)}"
            )
        artifact._check(optional)
        return artifact

    def _check(self, optional: Callable[[str], bool] | None) -> None:
        m = self.manifest
        recipe = {
            "kind": m.kind,
            "format": m.format,
            "stage": m.stage,
            "algorithm": m.algorithm,
            "options": m.options,
            "parents": {p["role"]: p["fingerprint"] for p in m.parents},
            "inputs": sorted(m.inputs.values()),
        }
        if checksum_json(recipe) != m.fingerprint or checksum_json(m.contents) != m.content:
            raise ArtifactError(
                f"{self.path / manifests.NAME} was edited: its hashes do not fit what it says",
                fix="make the artifact again",
            )
        for entry in m.files:
            file = self.path / entry["path"]
            size = file.stat().st_size if file.is_file() else None
            if size is None and optional is not None and optional(entry["path"]):
                continue
            if size != entry["bytes"]:
                what = "is missing" if size is None else f"has {size:,} bytes, not {entry['bytes']:,}"
                raise ArtifactError(f"{file} {what}", fix="make the artifact again, or copy it whole")

    def reference(self, folder: Path) -> str:
        """How an artifact at ``folder`` names this one: its relative path."""
        return os.path.relpath(self.path.resolve(), folder.resolve())

    @property
    def kind(self) -> str:
        """One of the keys of ``gnnctl.artifacts.FORMATS``."""
        return self.manifest.kind

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the recipe."""
        return self.manifest.fingerprint

    @property
    def content(self) -> str:
        """SHA-256 of the contents, however they are cut into files."""
        return self.manifest.content

    def has(self, name: str) -> bool:
        """Whether an array, table or document of this name is there."""
        return name in self.manifest.contents

    def array_names(self, prefix: str = "") -> list[str]:
        """Names of the arrays whose name starts with ``prefix``."""
        ends = "/zarr.json"
        paths = [entry["path"] for entry in self.manifest.files]
        return sorted(p.removesuffix(ends) for p in paths if p.endswith(ends) and p.startswith(prefix))

    def array(self, name: str) -> np.ndarray:
        """A stored array, mapped read-only.

        Raises:
            ArtifactError: there is none of this name, or it is damaged.
        """
        if name not in self._arrays:
            self._arrays[name] = open_array(self.path / name)
        return self._arrays[name]

    def table(self, name: str) -> "pa.Table":
        """A stored table, mapped read-only.

        Raises:
            ArtifactError: there is none of this name, or it is damaged.
        """
        return open_table(self.path / f"{name}.arrow")

    def json(self, name: str) -> Any:
        """A stored JSON document.

        Raises:
            ArtifactError: there is none of this name, or it is damaged.
        """
        path = self.path / f"{name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path} cannot be read: {error}", fix="make the artifact again") from None

    def parent(
        self, role: str, override: Path | None = None, *, optional: Callable[[str], bool] | None = None
    ) -> "Artifact":
        """The artifact that played ``role`` in making this one, found by its relative path or at ``override``.

        ``optional`` is that of :meth:`open`.

        Raises:
            ArtifactError: not there, or not the one this artifact was made from.
        """
        entry = next((p for p in self.manifest.parents if p["role"] == role), None)
        if entry is None:
            raise ArtifactError(f"{self.path} was made without a {role}", fix="make the artifact again")
        if override is None and "://" in entry["path"]:
            raise ArtifactError(
                f"{self.path} was made from the {role} that {entry['path']} served", fix=f"name it with --{role}"
            )
        path = override if override is not None else Path(self.path.resolve(), entry["path"]).resolve()
        if not path.exists():
            recover(path)
        if not path.exists():
            raise ArtifactError(
                f"{self.path} was made from the {role} at {path}, which is gone", fix=f"name it with --{role}"
            )
        found = Artifact.open(path, optional=optional)
        if found.fingerprint != entry["fingerprint"]:
            raise ArtifactError(
                f"{self.path} was made from another {role} than the one at {path}",
                fix=f"make {self.path} again, or name the old {role} with --{role}",
            )
        return found

    def verify(self) -> list[str]:
        """Hash every byte again; what is wrong, a line each (an empty list: all is well)."""
        problems = []
        listed = {entry["path"]: entry for entry in self.manifest.files}
        for name, entry in listed.items():
            if file_checksum(self.path / name) != entry["checksum"]:
                problems.append(f"{self.path / name}: its bytes have changed")
        for file in sorted(self.path.rglob("*")):
            name = file.relative_to(self.path).as_posix()
            if file.is_file() and name not in listed and name != manifests.NAME:
                problems.append(f"{file}: not in the manifest")
        return problems

    @property
    def bytes(self) -> int:
        """Bytes of all files of the artifact."""
        return sum(entry["bytes"] for entry in self.manifest.files)

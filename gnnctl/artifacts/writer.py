"""Writing an artifact: everything goes into a locked working directory, published whole."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.artifacts import manifest as manifests
from gnnctl.artifacts.arrays import ArrayStream
from gnnctl.artifacts.artifact import Artifact
from gnnctl.artifacts.checksum import checksum_json, file_checksum
from gnnctl.artifacts.directory import WorkDirectory, recover
from gnnctl.artifacts.manifest import FORMATS, Manifest, Recipe
from gnnctl.artifacts.tables import table_checksum, write_table
from gnnctl.errors import ArtifactError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_RECIPE = "recipe.json"


def finished(output: Path, recipe: Recipe, force: bool = False) -> Artifact | None:
    """The artifact at ``output`` if this very recipe made it; None if there is nothing, or ``force`` replaces it.

    Raises:
        ArtifactError: something else stands there.
        UsageError: it would be written over, or into, what it is made from; or a folder on the way is a file.
    """
    target = output.resolve()
    if not target.name:
        raise UsageError(f"{output} cannot be an artifact", fix="choose another output")
    recover(Path(os.path.abspath(output)))
    for ancestor in (path for parent in recipe.parents for path in _lineage(parent.artifact)):
        if ancestor == target or ancestor in target.parents:
            where = "is" if ancestor == target else "lies in"
            raise UsageError(f"{output} {where} {ancestor}, which it is made from", fix="choose another output")
    if not output.exists() and not output.is_symlink():
        standing = next(folder for folder in target.parents if folder.exists())
        if not standing.is_dir():
            raise UsageError(f"{output}: {standing} is a file, not a folder", fix="choose another output")
        return None
    if not (output / manifests.NAME).is_file():
        if output.is_dir() and not any(output.iterdir()):
            return None
        raise ArtifactError(f"{output} exists and is no artifact", fix="choose another output or remove it")
    try:
        existing = Artifact.open(output)
    except ArtifactError:
        if force:
            return None
        raise
    if existing.fingerprint == recipe.fingerprint:
        return existing
    if force:
        return None
    differences = "; ".join(recipe.differences(existing.manifest))
    raise ArtifactError(f"{output} was made otherwise: {differences}", fix="pass --force to replace it")


def _lineage(artifact: Artifact) -> Iterator[Path]:
    """Where an artifact lies, and those it was made from as far as they are still there."""
    yield artifact.path.resolve()
    for entry in artifact.manifest.parents:
        with contextlib.suppress(ArtifactError):
            yield from _lineage(artifact.parent(entry["role"]))


class ArtifactWriter:
    """Writes one artifact; use as a context manager.

    A clean exit publishes; an exception removes the working directory, unless ``resume``: then it is kept, and the
    next writer of the same recipe finds its files (:attr:`resumed`).

    Args:
        output: folder to publish as.
        recipe: what is being made.
        force: replace an artifact of another recipe; see :func:`finished`.
        resume: keep unfinished work.

    Raises:
        ArtifactError: something else stands at ``output``.
        ResourceError: another process is writing the same output.
    """

    def __init__(self, output: Path, recipe: Recipe, *, force: bool = False, resume: bool = False) -> None:
        self.output = Path(os.path.abspath(output))
        self.recipe = recipe
        self.resume = resume
        self.resumed = False
        self.summary: dict[str, Any] = {}
        self._contents: dict[str, str] = {}
        self._other: set[str] = set()
        self._streams: dict[str, ArrayStream] = {}
        finished(self.output, recipe, force)
        self._directory = WorkDirectory(self.output)
        self.path = self._directory.path
        marker = self.path / _RECIPE
        try:
            if resume and marker.is_file() and json.loads(marker.read_text()) == recipe.fingerprint:
                self.resumed = any(entry.name != _RECIPE for entry in self.path.iterdir())
            else:
                self._directory.clear()
                marker.write_text(json.dumps(recipe.fingerprint))
        except BaseException:
            if not self.resumed:
                self._directory.discard()
            self._directory.release()
            raise

    def __enter__(self) -> "ArtifactWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._locate(error)
        try:
            if kind is None:
                self._publish()
            elif not self.resume:
                self._directory.discard()
        except BaseException as failure:
            self._locate(failure)
            if not self.resume:
                self._directory.discard()
            raise
        finally:
            for stream in self._streams.values():
                stream.abort()
            self._directory.release()

    def _locate(self, error: BaseException | None) -> None:
        """A failed write names no file: say whose it was."""
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(self.output)

    def array(self, name: str, values: np.ndarray, attributes: dict[str, Any] | None = None) -> None:
        """Write a numeric array as Zarr; bfloat16 is passed as uint16 with an attribute."""
        stream = self.array_stream(name, values.dtype, values.shape, attributes)
        stream.append(values)

    def array_stream(
        self, name: str, dtype: Any, shape: tuple[int, ...], attributes: dict[str, Any] | None = None
    ) -> ArrayStream:
        """An array to be appended to; it is closed at the latest when the artifact is published."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        self._streams[name] = ArrayStream(self.path / name, dtype, shape, attributes)
        return self._streams[name]

    def table(self, name: str, values: "pa.Table") -> None:
        """Write a table as ``name.arrow``."""
        write_table(self.path / f"{name}.arrow", values)
        self._contents[name] = table_checksum(values)

    def json(self, name: str, value: Any) -> None:
        """Write a JSON document as ``name.json``."""
        path = self.path / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        self._contents[name] = checksum_json(value)

    def file(self, name: str, *, content: bool = True) -> Path:
        """Where to write any other file; ``content`` says whether its bytes count as the artifact's content."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not content:
            self._other.add(name)
        return path

    def content(self, name: str, checksum: str) -> None:
        """State the logical hash of something that lies in files named with ``content=False``."""
        self._contents[name] = checksum

    def _publish(self) -> None:
        for name, stream in self._streams.items():
            self._contents[name] = stream.close()
        (self.path / _RECIPE).unlink()
        files = []
        named = {f"{name}.arrow" for name in self._contents} | {f"{name}.json" for name in self._contents}
        for file in sorted(p for p in self.path.rglob("*") if p.is_file()):
            name = file.relative_to(self.path).as_posix()
            checksum = file_checksum(file)
            files.append({"path": name, "bytes": file.stat().st_size, "checksum": checksum})
            in_array = any(name.startswith(f"{array}/") for array in self._streams)
            if name not in named and name not in self._other and not in_array:
                self._contents[name] = checksum
        recipe = self.recipe
        Manifest(
            kind=recipe.kind,
            format=FORMATS[recipe.kind],
            fingerprint=recipe.fingerprint,
            content=checksum_json(self._contents),
            stage=recipe.stage,
            algorithm=recipe.algorithm,
            options=recipe.options,
            parents=[
                {
                    "role": p.role,
                    "path": p.artifact.reference(self.output),
                    "fingerprint": p.artifact.fingerprint,
                }
                for p in recipe.parents
            ],
            inputs=recipe.inputs,
            files=files,
            contents=self._contents,
            summary=self.summary,
            versions=manifests.versions(),
            created=manifests.now(),
        ).write(self.path)
        if self.output.exists():
            with contextlib.suppress(OSError):
                self.output.rmdir()  # an empty folder made beforehand
        self._directory.publish()

"""Immutable directories that the stages exchange: a manifest, Arrow tables, Zarr arrays."""

from gnnctl.artifacts.artifact import Artifact
from gnnctl.artifacts.checksum import canonical_json, checksum_json, file_checksum, file_checksums
from gnnctl.artifacts.manifest import FORMATS, Manifest, Parent, Recipe
from gnnctl.artifacts.writer import ArtifactWriter, finished

__all__ = [
    "FORMATS",
    "Artifact",
    "ArtifactWriter",
    "Manifest",
    "Parent",
    "Recipe",
    "canonical_json",
    "checksum_json",
    "file_checksum",
    "file_checksums",
    "finished",
]

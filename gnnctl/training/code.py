"""Code of the user's own, which is among what a result depends on."""

import importlib.util
from pathlib import Path

from gnnctl.artifacts import file_checksum


def code_inputs(name: str) -> dict[str, str]:
    """File and SHA-256 of the module that a model or sampler ``package.module:Class`` is in, for the recipe."""
    module, colon, _ = name.partition(":")
    try:
        found = importlib.util.find_spec(module) if colon else None
    except (ImportError, ValueError):
        return {}  # building the model says what is wrong
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return {}
    return {found.origin: file_checksum(Path(found.origin))}

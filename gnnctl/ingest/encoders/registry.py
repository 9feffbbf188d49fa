"""Finds encoders by name or import path and gives them their options."""

import dataclasses
import importlib
import sys
from typing import Any

from gnnctl.errors import DataError
from gnnctl.ingest.encoders.base import Encoder
from gnnctl.ingest.encoders.categorical import MultiHot, OneHot, Ordinal
from gnnctl.ingest.encoders.numeric import Log, Numeric, Quantile, Standard
from gnnctl.ingest.encoders.text import Text
from gnnctl.ingest.encoders.vector import Vector
from gnnctl.ingest.parse import nearest

BUILTIN: dict[str, type[Encoder]] = {
    "standard": Standard,
    "log": Log,
    "quantile": Quantile,
    "raw": Numeric,
    "onehot": OneHot,
    "ordinal": Ordinal,
    "multihot": MultiHot,
    "text": Text,
    "vector": Vector,
}


def make_encoder(text: str, options: dict[str, Any], where: str, folder: str = ".") -> Encoder:
    """The encoder that a spec names.

    Args:
        text: ``"log"``, ``"text:512"`` or ``"package.module:Class"``.
        options: its options.
        where: how messages call the feature.
        folder: further place to import from, the spec's folder.

    Raises:
        DataError: no such encoder, an unknown option, a bad value.
    """
    name, colon, argument = text.partition(":")
    kind = BUILTIN.get(name)
    if kind is None:
        if not colon:
            known = ", ".join(BUILTIN)
            fix = f"{nearest(name, BUILTIN)}there are {known}; others by import path, package.module:Class"
            raise DataError(f"{where}: unknown encoder '{text}'", fix=fix)
        return _build(_imported(name, argument, where, folder), options, where, text)
    if colon:
        if kind.argument is None:
            raise DataError(f"{where}: encoder '{name}' takes nothing after a colon", fix=f'write "{name}"')
        field = next(f for f in dataclasses.fields(kind) if f.name == kind.argument)
        try:
            options = {kind.argument: int(argument) if field.type is int else argument, **options}
        except ValueError:
            raise DataError(f"{where}: '{text}' needs a whole number after the colon", fix="correct it") from None
    return _build(kind, options, where, name)


def restore_encoder(saved: dict[str, Any], where: str, folder: str = ".") -> Encoder:
    """An encoder as ``encoders.json`` keeps it, fitted."""
    encoder = make_encoder(saved["encoder"], saved["options"], where, folder)
    encoder.state = saved["state"]
    return encoder


def _build(kind: type[Encoder], options: dict[str, Any], where: str, name: str) -> Encoder:
    known = {f.name: f for f in dataclasses.fields(kind) if f.init}
    for key, value in options.items():
        if key not in known:
            takes = ", ".join(known) or "none"
            fix = f"{nearest(key, known)}it takes {takes}"
            raise DataError(f"{where}: encoder '{name}' has no option '{key}'", fix=fix)
        if known[key].type is int and (not isinstance(value, int) or isinstance(value, bool)):
            raise DataError(f"{where}: {key} must be a whole number, not {value!r}", fix="correct it")
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: encoder '{name}': {error}", fix="correct the spec") from None


def _imported(module: str, name: str, where: str, folder: str) -> type[Encoder]:
    sys.path.insert(0, folder)
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        fix = "install it, or put its file beside the spec"
        raise DataError(f"{where}: encoder '{module}:{name}' cannot be imported: {error}", fix=fix) from None
    finally:
        sys.path.remove(folder)
    if not (isinstance(kind, type) and issubclass(kind, Encoder)):
        raise DataError(f"{where}: '{module}:{name}' is no Encoder", fix="subclass gnnctl.ingest.encoders.Encoder")
    return kind

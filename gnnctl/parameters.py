"""``NAME:parameter=value,parameter=value``: how the command line names a part of the library and tunes it."""

import importlib
import inspect
import re
from collections.abc import Callable, Container, Mapping
from typing import Any

from gnnctl.errors import UsageError

Value = int | float | bool | str
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def split_name(text: str, known: Container[str]) -> tuple[str, str]:
    """(name, parameters) of ``NAME[:parameters]``, the name being one of ``known`` or ``package.module:Class``."""
    name, _, rest = text.partition(":")
    if name in known:
        return name, rest
    attribute, _, rest = rest.partition(":")
    return f"{name}:{attribute}" if attribute else name, rest


def read_parameters(what: str, rest: str, defaults: Mapping[str, Value | None]) -> dict[str, Value]:
    """The parameters written in ``rest``, each of its default's type; None stands for text without a default.

    Args:
        what: option and text as given, for errors: ``--sampler 'ppr:alpha=x'``.
        rest: ``parameter=value,parameter=value``, or nothing.
        defaults: all parameters that there are.

    Raises:
        UsageError: an unknown parameter, or a value of the wrong type.
    """
    found: dict[str, Value] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals or key not in defaults:
            raise UsageError(f"{what}: no parameter '{key}'", fix=f"it has {', '.join(defaults) or 'none'}")
        found[key] = _value(what, key, value, defaults[key])
    return found


def defaults_of(function: Callable[..., Any], leave_out: Container[str] = ()) -> dict[str, Value | None]:
    """A callable's parameters with their defaults; None: none. Those whose default is no plain value are left out."""
    found: dict[str, Value | None] = {}
    for key, parameter in inspect.signature(function).parameters.items():
        default = None if parameter.default is inspect.Parameter.empty else parameter.default
        if key not in leave_out and (default is None or isinstance(default, Value)):
            found[key] = default
    return found


def imported(what: str, path: str, fix: str) -> Any:
    """What ``package.module:attribute`` names.

    Raises:
        UsageError: there is no such thing; ``what`` names the option, ``fix`` the way out.
    """
    module, colon, attribute = path.partition(":")
    if not colon:
        raise UsageError(f"{what}: there is no '{path}'", fix=fix)
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as problem:
        raise UsageError(f"{what}: cannot import {path}: {problem}", fix=fix) from problem


def parse_bytes(text: str) -> int:
    """Bytes of ``"4GB"``, ``"500M"``, ``"1.5g"`` (powers of 1024).

    Raises:
        ValueError: no such size.
    """
    match = re.fullmatch(r"([0-9.]+)\s*([kmgt]?)i?b?", text.strip().lower())
    if match is None:
        raise ValueError(f"'{text}' is no size")
    return int(float(match[1]) * _UNITS[match[2]])


def _value(what: str, key: str, value: str, default: Value | None) -> Value:
    kind: Any = str if default is None else type(default)
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        found: Value = kind(value)
        return found
    except (ValueError, KeyError):
        raise UsageError(f"{what}: {key} is no {kind.__name__}: '{value}'", fix="check it") from None

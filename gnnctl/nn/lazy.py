"""Layers whose widths are known at the first call."""

import inspect
from typing import Any, cast

import torch
from torch import Tensor, nn

UNKNOWN = -1


def linear(in_channels: int, out_channels: int, *, bias: bool = True) -> nn.Linear:
    """A Linear, whose input width may be -1: taken from the first input."""
    if in_channels == UNKNOWN:
        return nn.LazyLinear(out_channels, bias=bias)
    return nn.Linear(in_channels, out_channels, bias=bias)


def is_unknown(arguments: dict[str, Any]) -> bool:
    """Whether widths among a constructor's arguments are -1."""
    widths = arguments.get("in_channels"), arguments.get("edge_channels")
    return any(UNKNOWN in width if isinstance(width, tuple) else width == UNKNOWN for width in widths)


class LazyLayer(type):
    """Makes a class's instances wait for their widths.

    Constructed with an ``in_channels`` or ``edge_channels`` of -1 (or a pair that holds -1), a layer has no parameters
    yet; at its first call it becomes what its constructor would have made, with the widths of what it is given. So call
    a model once, say under ``torch.no_grad()``, before its parameters go to an optimizer or it is compiled.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Construct, or put off."""
        if UNKNOWN not in args and not any(isinstance(v, tuple | int) for v in (*args, *kwargs.values())):
            return super().__call__(*args, **kwargs)
        layer = cast(type[nn.Module], cls)
        signature = inspect.signature(layer.__init__)
        try:
            bound = signature.bind(None, *args, **kwargs)
        except TypeError:
            return super().__call__(*args, **kwargs)  # which says what is wrong
        arguments = {name: value for name, value in bound.arguments.items() if name != "self"}
        if not is_unknown(arguments):
            return super().__call__(*args, **kwargs)
        return _put_off(layer, arguments)


def _put_off(cls: type[nn.Module], arguments: dict[str, Any]) -> nn.Module:
    waiting = cls.__new__(cls)
    nn.Module.__init__(waiting)
    waiting.__dict__["_waiting"] = arguments
    names = list(inspect.signature(cls.forward).parameters)[1:]
    waiting.__dict__["_parameters_in_order"] = names
    waiting.__dict__["_place"] = names.index("edge_index")
    waiting.__dict__["inputs"] = frozenset(names[1:]) - {"edge_index"}
    waiting.__dict__["self_loops"] = arguments.get(
        "self_loops", _default(inspect.signature(cls.__init__), "self_loops", False)
    )
    waiting.__dict__["reset_parameters"] = _nothing  # there are none yet
    waiting.register_forward_pre_hook(_build, with_kwargs=True)
    return waiting


def _nothing() -> None:
    """No weights to draw."""


def _default(signature: inspect.Signature, name: str, other: Any) -> Any:
    return signature.parameters[name].default if name in signature.parameters else other


def _build(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Become the layer that the widths of its first call ask for."""
    cls, waiting = type(layer), layer.__dict__
    given = dict(zip(waiting["_parameters_in_order"], args, strict=False)) | kwargs
    arguments: dict[str, Any] = dict(waiting["_waiting"])
    signature = inspect.signature(cls.__init__)
    if "in_channels" in arguments:
        pairs = "tuple" in str(signature.parameters["in_channels"].annotation)
        arguments["in_channels"] = _widths(arguments["in_channels"], given[waiting["_parameters_in_order"][0]], pairs)
    if arguments.get("edge_channels") == UNKNOWN:
        attr = given.get("edge_attr")
        arguments["edge_channels"] = 0 if attr is None else attr.shape[-1]
    training, example = layer.training, next(_tensors(given.values()))
    built = cls(**arguments).to(example.device).train(training)
    layer.__dict__.clear()
    layer.__dict__.update(built.__dict__)


def _tensors(values: Any) -> Any:
    for value in values:
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Tensor) and part.is_floating_point():
                yield part
    yield torch.empty(0)


def _widths(asked: int | tuple[int, int], x: Any, pairs: bool) -> int | tuple[int, int]:
    source, target = (x[0].shape[-1], x[1].shape[-1]) if isinstance(x, tuple) else (x.shape[-1],) * 2
    if isinstance(asked, tuple):
        return source if asked[0] == UNKNOWN else asked[0], target if asked[1] == UNKNOWN else asked[1]
    return (source, target) if pairs and source != target else source

"""The decoders by name: what ``--decoder`` reads, model.json records and link models are built with."""

from dataclasses import asdict, dataclass, field
from typing import Any

from gnnctl.errors import UsageError
from gnnctl.nn.decoders.base import Decoder
from gnnctl.nn.decoders.bilinear import ComplEx, DistMult, Dot
from gnnctl.nn.decoders.mlp import MLPDecoder
from gnnctl.nn.decoders.translation import RotatE, TransE
from gnnctl.parameters import Value, defaults_of, imported, read_parameters, split_name

DECODERS: dict[str, type[Decoder]] = {
    "dot": Dot,
    "distmult": DistMult,
    "complex": ComplEx,
    "transe": TransE,
    "rotate": RotatE,
    "mlp": MLPDecoder,
}
_NOT_PARAMETERS = ("self", "channels", "relations")
# Those whose default is worked out when the decoder is built.
_OF_CHANNELS: dict[str, dict[str, Value | None]] = {"mlp": {"hidden": 0}}


@dataclass(frozen=True)
class DecoderOptions:
    """A decoder as it was asked for.

    Attributes:
        name: of :data:`DECODERS`, or ``package.module:Class``.
        parameters: its own, all of them resolved; an MLP's ``hidden`` 0 is the width of the embeddings.
        reciprocal: every edge type has parameters of its own for questions of the source, (?, type, destination).
    """

    name: str = "dot"
    parameters: dict[str, Value] = field(default_factory=dict)
    reciprocal: bool = False

    @classmethod
    def parse(cls, text: str, *, reciprocal: bool = False) -> "DecoderOptions":
        """Read ``NAME[:parameter=value,...]``.

        Raises:
            UsageError: an unknown name or parameter, a value of the wrong type, or reciprocals of a decoder that does
                not tell edge types apart.
        """
        name, rest = split_name(text, DECODERS)
        kind = _class_of(name)
        defaults = {**defaults_of(kind.__init__, _NOT_PARAMETERS), **_OF_CHANNELS.get(name, {})}
        given = read_parameters(f"--decoder '{text}'", rest, defaults)
        if reciprocal and name in ("dot", "mlp"):
            raise UsageError(f"--reciprocal: {name} does not tell edge types apart", fix="choose another --decoder")
        return cls(name, {k: v for k, v in defaults.items() if v is not None} | given, reciprocal)

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def build_decoder(options: DecoderOptions, channels: int, relations: int) -> Decoder:
    """The decoder for embeddings of ``channels`` numbers, its weights drawn from torch's generator.

    Raises:
        UsageError: options that do not fit.
    """
    kind = _class_of(options.name)
    own: dict[str, Any] = {k: v for k, v in options.parameters.items() if not (options.name == "mlp" and v == 0)}
    count = relations * (2 if options.reciprocal else 1)
    try:
        made = kind(channels, **own) if options.name in ("dot", "mlp") else kind(channels, count, **own)
    except ValueError as problem:
        raise UsageError(f"--decoder {options.name}: {problem}", fix="see gnnctl train --list-decoders") from None
    return made


def describe_decoders() -> list[list[str]]:
    """Name, own parameters and formula of each decoder."""
    rows = []
    for name, kind in DECODERS.items():
        defaults = {**defaults_of(kind.__init__, _NOT_PARAMETERS), **_OF_CHANNELS.get(name, {})}
        shown = ",".join(f"{k}={v}" if v is not None else k for k, v in defaults.items())
        rows.append([name, shown or "-", _SUMMARIES[name]])
    return rows


_SUMMARIES = {
    "dot": "the ends' likeness; one kind of link",
    "distmult": "a weighted likeness for each edge type; symmetric",
    "complex": "as distmult over complex numbers, so that direction counts; an even --hidden",
    "transe": "an edge type moves the source near the destination",
    "rotate": "an edge type turns the source onto the destination, over complex numbers; an even --hidden",
    "mlp": "learns how two ends fit; one kind of link",
}


def _class_of(name: str) -> type[Decoder]:
    if name in DECODERS:
        return DECODERS[name]
    fix = f"use {', '.join(DECODERS)} or package.module:Class"
    found = imported(f"--decoder {name}", name, fix)
    if not (isinstance(found, type) and issubclass(found, Decoder)):
        raise UsageError(f"--decoder: {name} is no gnnctl.nn.decoders.Decoder", fix="name a class of decoders")
    return found

"""What a model is made of."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args, get_origin

from gnnctl.errors import UsageError
from gnnctl.nn.aggr import parse_aggregations
from gnnctl.nn.models.jump import JumpKind
from gnnctl.parameters import Value

Norm = Literal["none", "batch", "layer", "diff-group"]
Order = Literal["post", "pre"]
Activation = Literal["relu", "elu", "gelu", "leaky_relu", "tanh"]


@dataclass(frozen=True)
class ModelOptions:
    """Architecture of a model; every field is recorded with it.

    Attributes:
        name: of a model of :data:`gnnctl.nn.models.registry.MODELS`, or ``package.module:Class``.
        parameters: of its own, all of them resolved.
        hidden: width of hidden layers; a GAT's heads share it.
        layers: rounds of message passing (of an MLP: hidden layers).
        dropout: of each layer's input, in training.
        input_dropout: of the features; None: as ``dropout`` where they enter the first layer directly, else 0.
        attention_dropout: of attention coefficients; None: as ``dropout``.
        heads: of hidden layers that attend.
        output_heads: of the last layer's attention, averaged, where that gives the outputs.
        norm: after each hidden layer.
        activation: None: the model's own.
        order: norm, activation and dropout after each layer's sum (post), or before it (pre).
        residual: add a layer's input to its output, where the widths agree.
        jump: outputs from all layers: cat, max, lstm; none: from the last.
        aggr: how messages are aggregated, where the convolution leaves the choice; what
            :func:`gnnctl.nn.aggr.parse_aggregations` reads. None: its own.
        encode: a Linear before the first layer and one after the last; None: where the graph is typed or a node type
            has no features. Without, the first layer takes the features and the last gives the outputs.
        embedding: width of the learned embedding of nodes without features; 0 for one vector per type.
        feed_forward: a hidden Linear and an activation after each layer's aggregation.
        readout: of whole graphs, how their nodes are aggregated; as ``aggr``. None: the model's own.
    """

    name: str = "sage"
    parameters: dict[str, Value] = field(default_factory=dict)
    hidden: int = 128
    layers: int = 2
    dropout: float = 0.5
    input_dropout: float | None = None
    attention_dropout: float | None = None
    heads: int = 8
    output_heads: int = 1
    norm: Norm = "none"
    activation: Activation | None = None
    order: Order = "post"
    residual: bool = False
    jump: JumpKind = "none"
    aggr: str | None = None
    encode: bool | None = None
    embedding: int = 32
    feed_forward: bool = False
    readout: str | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            choices = get_args(_literal(one.name))
            value = getattr(self, one.name)
            if choices and value is not None and value not in choices:
                raise UsageError(f"{one.name} cannot be {value!r}", fix=f"choose one of {', '.join(choices)}")
        for name, least in (("hidden", 1), ("layers", 1), ("heads", 1), ("output_heads", 1), ("embedding", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}", fix="raise it")
        for flag, text in (("aggr", self.aggr), ("readout", self.readout)):
            try:
                parse_aggregations("mean" if text is None else text)
            except ValueError as problem:
                raise UsageError(f"--{flag} '{text}': {problem}", fix="e.g. mean,max,std") from None
        for name in ("dropout", "input_dropout", "attention_dropout"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise UsageError(f"{name} must be at least 0 and below 1, not {value}", fix="pass e.g. 0.5")

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "ModelOptions":
        """Read what :meth:`to_json` wrote, or some of its fields.

        Raises:
            UsageError: an unknown field, or a value out of bounds.
        """
        known = {one.name for one in fields(cls)}
        if unknown := sorted(set(document) - known):
            raise UsageError(f"no such model option: {', '.join(unknown)}", fix=f"there are {', '.join(sorted(known))}")
        return cls(**document)


def _literal(name: str) -> Any:
    declared: Any = {"norm": Norm, "activation": Activation, "order": Order, "jump": JumpKind}.get(name)
    return declared if get_origin(declared) is Literal else None

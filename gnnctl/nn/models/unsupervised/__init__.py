"""Learning without labels: the objectives by name."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gnnctl.errors import UsageError
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.unsupervised.autoencoder import AutoencoderModel
from gnnctl.nn.models.unsupervised.base import Unsupervised
from gnnctl.nn.models.unsupervised.contrastive import ContrastiveModel
from gnnctl.nn.models.unsupervised.infomax import InfomaxModel
from gnnctl.nn.models.unsupervised.masked import MaskedFeaturesModel
from gnnctl.nn.models.unsupervised.walks import WalkBatch, WalkModel, metapath2vec, node2vec
from gnnctl.parameters import Value, defaults_of, read_parameters, split_name

__all__ = [
    "SUPERVISED",
    "WALKS",
    "Unsupervised",
    "WalkBatch",
    "WalkModel",
    "build_unsupervised",
    "describe_objectives",
    "parse_objective",
]

SUPERVISED = "supervised"


@dataclass(frozen=True)
class _Kind:
    summary: str
    make: Callable[..., Unsupervised | WalkModel]
    walks: bool = False
    fixed: dict[str, Value] = field(default_factory=dict)

    def parameters(self) -> dict[str, Value | None]:
        """Its own, with their defaults; None: none."""
        return defaults_of(self.make, ("self", "options", "schema", "node_type", "channels", *self.fixed))


_KINDS = {
    "dgi": _Kind("nodes agree with a summary of their graph, shuffled ones do not", InfomaxModel),
    "gae": _Kind("edges are told from embeddings; whole graph", AutoencoderModel, fixed={"variational": False}),
    "vgae": _Kind(
        "gae with embeddings drawn from a distribution; whole graph", AutoencoderModel, fixed={"variational": True}
    ),
    "contrastive": _Kind("nodes are found again in another view, edges and features dropped", ContrastiveModel),
    "masked-features": _Kind("hidden features are told from the neighbourhood", MaskedFeaturesModel),
    "node2vec": _Kind("a vector a node, alike for nodes that walks bring together", node2vec, walks=True),
    "metapath2vec": _Kind(
        "node2vec along a path of edge types, such as path=a writes b+b by a", metapath2vec, walks=True
    ),
}


WALKS = tuple(name for name, kind in _KINDS.items() if kind.walks)


def parse_objective(text: str) -> tuple[str, dict[str, Value]]:
    """Name and resolved parameters of ``NAME[:parameter=value,...]``; of ``supervised`` no parameters.

    Raises:
        UsageError: an unknown name or parameter, a missing one, or a value of the wrong type.
    """
    name, rest = split_name(text, (*_KINDS, SUPERVISED))
    if name == SUPERVISED and not rest:
        return name, {}
    if name not in _KINDS:
        raise UsageError(f"--objective: there is no '{text}'", fix=f"there are {SUPERVISED}, {', '.join(_KINDS)}")
    defaults = _KINDS[name].parameters()
    found = {k: v for k, v in defaults.items() if v is not None}
    found |= read_parameters(f"--objective '{text}'", rest, defaults)
    if missing := [key for key in defaults if key not in found]:
        raise UsageError(f"--objective {name} needs {missing[0]}", fix=f"write {name}:{missing[0]}=...")
    return name, found


def build_unsupervised(
    name: str, parameters: dict[str, Value], options: ModelOptions, schema: GraphSchema, node_type: str
) -> Unsupervised | WalkModel:
    """The model of an objective, its weights drawn from torch's generator; of walks, ``options.hidden`` wide.

    Raises:
        UsageError: options or parameters that do not fit the graph.
    """
    kind = _KINDS[name]
    if kind.walks:
        return kind.make(schema, node_type, options.hidden, **parameters)
    try:
        return kind.make(options, schema, node_type, **parameters, **kind.fixed)
    except ValueError as problem:
        raise UsageError(f"--objective {name}: {problem}", fix="check its parameters") from None


def describe_objectives() -> list[list[str]]:
    """Name, parameters with defaults, and summary of each."""
    rows = [[SUPERVISED, "-", "labels of the split"]]
    for name, kind in _KINDS.items():
        shown = ",".join(f"{k}={v}" if v is not None else k for k, v in kind.parameters().items())
        rows.append([name, shown or "-", kind.summary])
    return rows

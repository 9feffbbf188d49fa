"""The ways of sampling by name, with their parameters: what `--sampler` reads, recipes record and training opens."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.graph.types import EdgeType
from gnnctl.parameters import Value, defaults_of, imported, read_parameters, split_name
from gnnctl.remote import ServedGraph, ServedView
from gnnctl.sampling.method import Method
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec, rules_of

METHODS = {
    "shadow": "gnnctl.sampling.shadow:Shadow",
    "pinsage": "gnnctl.sampling.pinsage:PinSage",
    "ppr": "gnnctl.sampling.ppr:Ppr",
    "hgt": "gnnctl.sampling.hgt:Hgt",
    "cluster": "gnnctl.sampling.cluster:Cluster",
    "saint-node": "gnnctl.sampling.saint:SaintNode",
    "saint-edge": "gnnctl.sampling.saint:SaintEdge",
    "saint-walk": "gnnctl.sampling.saint:SaintWalk",
}
DEFAULT_HOPS = 2
_NOT_PARAMETERS = ("graph", "hops", "seed", "num_threads", "self")


@dataclass(frozen=True)
class MethodSpec:
    """A way of sampling other than fan-outs, as it was asked for.

    Attributes:
        name: of :data:`METHODS`, or ``package.module:Class``.
        hops: layers of the models that train on it.
        seed: run seed.
        parameters: its own, all of them resolved, as numbers and text.
    """

    name: str
    hops: int = DEFAULT_HOPS
    seed: int = 0
    parameters: dict[str, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> "MethodSpec":
        """Read ``NAME`` or ``NAME:parameter=value,parameter=value``; ``hops`` is a parameter of every method.

        Raises:
            UsageError: an unknown name or parameter, a value of the wrong type.
        """
        what = f"--sampler '{text}'"
        name, rest = split_name(text, METHODS)
        defaults = parameters_of(name)
        given = read_parameters(what, rest, {"hops": DEFAULT_HOPS, **defaults})
        hops = int(given.pop("hops", DEFAULT_HOPS))
        found: dict[str, Value] = {key: default for key, default in defaults.items() if default is not None} | given
        if hops < 1:
            raise UsageError(f"--sampler '{text}': {hops} hops", fix="give at least 1")
        return cls(name, hops, seed, found)

    @property
    def disjoint(self) -> bool:
        """Whether every seed has a subgraph of its own."""
        return bool(getattr(_class_of(self.name), "disjoint", False))

    @property
    def own_weights(self) -> bool:
        """Whether its subgraphs have edge weights of their own."""
        return bool(getattr(_class_of(self.name), "weighted", False))

    @property
    def time(self) -> None:
        """None: seeds see everything."""
        return None

    def whole(self) -> "MethodSpec | None":
        """Itself where a prediction must see the method's own neighbours; None where it takes those of the graph."""
        return self if getattr(_class_of(self.name), "own_neighbors", False) else None

    def merge_law_refusal(self) -> str | None:
        """Why records of single seeds would not merge into any batch."""
        merges = self.disjoint or getattr(_class_of(self.name), "merges", False)
        return None if merges else f"'{self.name}' depends on the batch"

    @property
    def merge_law_holds(self) -> bool:
        """Whether merging the records of single seeds gives exactly the batch's."""
        return self.merge_law_refusal() is None

    def to_json(self) -> dict[str, Any]:
        """JSON document that :func:`read_spec` reads; the canonical form in recipes."""
        return {"method": self.name, "hops": self.hops, "parameters": self.parameters, "seed": self.seed}


Spec = SampleSpec | MethodSpec


def read_spec(document: dict[str, Any]) -> Spec:
    """A spec from its JSON document."""
    if "method" not in document:
        return SampleSpec.from_json(document)
    return MethodSpec(document["method"], document["hops"], document["seed"], document["parameters"])


def spec_of(
    graph: Graph, num_neighbors: Sequence[str] | None, sampler: str | None, given: Mapping[str, Any], seed: int
) -> Spec:
    """What the options of a command line ask for.

    Args:
        num_neighbors: fan-outs. sampler: another way, as :meth:`MethodSpec.parse` reads it.
        given: how neighbours are drawn, by flag, as :func:`rules_of` reads them.

    Raises:
        UsageError: fan-outs that do not fit the graph, or that stand beside another way.
    """
    if sampler is None:
        return SampleSpec.parse(graph, list(num_neighbors or []), **rules_of(given), seed=seed)
    if flag := "--num-neighbors" if num_neighbors else next(iter(given), None):
        raise UsageError(f"{flag} does not go with --sampler", fix="leave one out")
    return MethodSpec.parse(sampler, seed)


def open_method(graph: Graph, spec: Spec, *, num_threads: int = 1, features: bool = False) -> Method:
    """What samples by a spec; from a served graph, its server; from one in partitions, their owners.

    Args:
        features: whether those of its nodes and edges will be wanted: a server sends them along.

    Raises:
        UsageError, DataError: the graph or the parameters do not allow it.
    """
    if isinstance(graph, ServedGraph | ServedView):
        from gnnctl.sampling.served import ServedMethod

        return ServedMethod(graph, spec, features)
    if isinstance(graph, PartitionedGraph):
        from gnnctl.sampling.partitioned import PartitionedSampler

        if not isinstance(spec, SampleSpec):
            raise UsageError(f"--sampler {spec.name}: partitions are sampled by fan-outs", fix="use --num-neighbors")
        return PartitionedSampler(graph, spec)
    if isinstance(spec, SampleSpec):
        return Sampler(graph, spec, num_threads=num_threads)
    made: Method = _class_of(spec.name)(graph, spec.hops, spec.seed, **_arguments(spec))
    return made


def parameters_of(name: str) -> dict[str, Value | None]:
    """A method's parameters with their defaults; None: none.

    Raises:
        UsageError: there is no such method.
    """
    return defaults_of(_class_of(name).__init__, _NOT_PARAMETERS)


def describe_methods() -> list[list[str]]:
    """Name, parameters with their defaults, and first line of the docstring of each method."""
    rows = []
    for name in METHODS:
        shown = ",".join(f"{k}={v}" if v is not None else k for k, v in parameters_of(name).items())
        text = (inspect.getdoc(_class_of(name)) or "").partition("\n")[0]
        rows.append([name, shown, text])
    return rows


def _class_of(name: str) -> Any:
    return imported("--sampler", METHODS.get(name, name), f"use {', '.join(METHODS)} or package.module:Class")


def _arguments(spec: MethodSpec) -> dict[str, Any]:
    """Parameters as the class takes them: text becomes edge types where those are wanted."""
    signature = inspect.signature(_class_of(spec.name).__init__)
    found: dict[str, Any] = dict(spec.parameters)
    for key, value in spec.parameters.items():
        wanted = signature.parameters[key].annotation
        if EdgeType in get_args(wanted):
            found[key] = EdgeType.parse(str(value))
        elif any(kind == Sequence[EdgeType] for kind in get_args(wanted)):
            found[key] = [EdgeType.parse(part.strip()) for part in str(value).split(">")]
    return found

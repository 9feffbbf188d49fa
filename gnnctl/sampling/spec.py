"""How many neighbours are drawn, and how."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType

ALL = -1
Draw = Literal["uniform", "weighted", "recent", "labor"]
Time = Literal["before", "until"]
Edges = Literal["directional", "bidirectional", "induced"]
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class SampleSpec:
    """Fan-outs by edge type and hop, and the rules of drawing.

    Attributes:
        num_neighbors: by edge type the fan-out of each hop; -1 takes every neighbour. All lists have the same length.
        replace: draw with replacement.
        disjoint: every seed gets a tree of its own; seeds share no nodes and no randomness.
        budget: per hop, the most a node draws over all its incoming edge types (-1: no limit); None: no limit.
        draw: ``uniform``; ``weighted``, in proportion to edge weights where an edge type has them; ``recent``, the
            latest in-edges first; ``labor``, those whose sources have the smallest of random numbers that all nodes of
            the batch share, so that it reaches fewer nodes (Balin and Catalyurek 2023, sequential Poisson form).
        time: what a seed with a time sees, in its whole tree: edges visible ``before`` its time, or ``until`` it,
            inclusive; visible is the later of an edge's time and its source's. None: everything. Needs ``disjoint``.
        subgraph: which edges the sampled nodes get: ``directional``, those drawn; ``bidirectional``, also the edges of
            the graph that run opposite to one drawn; ``induced``, all edges of the graph among them. With ``time``,
            those that the seed sees.
        seed: run seed.
    """

    num_neighbors: dict[EdgeType, tuple[int, ...]]
    replace: bool = False
    disjoint: bool = False
    budget: tuple[int, ...] | None = None
    draw: Draw = "uniform"
    time: Time | None = None
    subgraph: Edges = "directional"
    seed: int = 0

    def __post_init__(self) -> None:
        lengths = {len(fan_out) for fan_out in self.num_neighbors.values()}
        if len(lengths) > 1:
            raise UsageError(
                f"--num-neighbors: edge types have {' and '.join(map(str, sorted(lengths)))} hops",
                fix="give every type as many numbers",
            )
        if self.budget is not None and lengths and len(self.budget) not in lengths:
            raise UsageError(
                f"--fan-out-budget has {len(self.budget)} hops, --num-neighbors {self.hops}", fix="give one per hop"
            )
        if not 0 <= self.seed < 2**64:
            raise UsageError(f"--seed: {self.seed} is outside 0..2^64-1", fix="pass a smaller one")
        self._check_rules()
        for fan_out in [*self.num_neighbors.values(), self.budget or ()]:
            for k in fan_out:
                if not ALL <= k <= _LARGEST:
                    raise UsageError(f"a fan-out of {k}", fix="use -1 (all), 0 or a positive number")

    def _check_rules(self) -> None:
        if self.draw not in get_args(Draw):
            raise UsageError(f"--draw {self.draw}", fix=f"use {', '.join(get_args(Draw))}")
        if self.time is not None and self.time not in get_args(Time):
            raise UsageError(f"--time {self.time}", fix=f"use {' or '.join(get_args(Time))}")
        if self.subgraph not in get_args(Edges):
            raise UsageError(f"--subgraph {self.subgraph}", fix=f"use {', '.join(get_args(Edges))}")
        if self.subgraph == "induced" and self.hops == 0:
            raise UsageError("--subgraph induced without hops", fix="give a fan-out")
        if self.time is not None and not self.disjoint:
            raise UsageError("--time: seeds with times share no nodes", fix="add --disjoint")
        if self.replace and self.draw in ("recent", "labor"):
            raise UsageError(f"--replace does not go with --draw {self.draw}", fix="leave one out")
        if self.disjoint and self.draw == "labor":
            raise UsageError("--disjoint does not go with --draw labor, which shares draws", fix="leave one out")

    @property
    def hops(self) -> int:
        """Number of hops, H."""
        return len(next(iter(self.num_neighbors.values()), ()))

    @classmethod
    def uniform(cls, edge_types: Iterable[EdgeType], fan_out: Sequence[int], **options: Any) -> "SampleSpec":
        """The same fan-out for each edge type."""
        return cls({t: tuple(fan_out) for t in edge_types}, **options)

    @classmethod
    def parse(
        cls,
        graph: Graph,
        texts: Sequence[str],
        budget: str | None = None,
        **rules: Any,
    ) -> "SampleSpec":
        """Read ``"15,10"`` (every edge type) and ``"src rel dst=15,10"`` (one); the last word on a type counts.

        ``rules`` are further attributes.

        Raises:
            UsageError: no numbers, an unknown edge type, lists of different lengths.
        """
        default: tuple[int, ...] | None = None
        single: dict[EdgeType, tuple[int, ...]] = {}
        for text in texts:
            name, equals, numbers = text.rpartition("=")
            fan_out = _numbers(numbers, "--num-neighbors")
            if not equals:
                default = fan_out
                continue
            try:
                edge_type = EdgeType.parse(name)
            except DataError as error:
                raise UsageError(f"--num-neighbors '{text}': {error.message}", fix=error.fix) from None
            if edge_type not in graph.edges:
                raise UsageError(
                    f"--num-neighbors '{text}': the graph has no edge type '{edge_type}'",
                    fix=f"it has {', '.join(repr(str(t)) for t in graph.edges)}",
                )
            single[edge_type] = fan_out
        if default is None:
            missing = [t for t in graph.edges if t not in single]
            if not single:
                raise UsageError("--num-neighbors is missing", fix="pass for example --num-neighbors 15,10")
            if missing:
                default = (0,) * len(next(iter(single.values())))
        return cls(
            {t: single.get(t, default or ()) for t in graph.edge_types},
            budget=None if budget is None else _numbers(budget, "--fan-out-budget"),
            **rules,
        )

    def merge_law_refusal(self) -> str | None:
        """Why records of single seeds would not merge into any batch; None where they do."""
        if self.subgraph != "directional":
            return f"which edges a {self.subgraph} subgraph has depends on all its nodes"
        if self.disjoint:
            return None
        if self.budget is not None:
            for t, fan_out in self.num_neighbors.items():
                if len(set(fan_out)) > 1:
                    return f"with a budget the fan-out of '{t}' must be the same at every hop, it is {_text(fan_out)}"
            if not _non_increasing(self.budget):
                return f"the budget grows from hop to hop: {_text(self.budget)}"
            return None
        for t, fan_out in self.num_neighbors.items():
            if not _non_increasing(fan_out):
                return f"the fan-out of '{t}' grows from hop to hop: {_text(fan_out)}"
        return None

    def describe(self) -> str:
        """The fan-outs and every rule that is not the default, for titles: ``25,10, disjoint, until its time``."""
        fan_outs = sorted({_text(fan_out) for fan_out in self.num_neighbors.values()})
        rules = [name for name, on in (("with replacement", self.replace), ("disjoint", self.disjoint)) if on]
        rules += [self.draw] if self.draw != "uniform" else []
        rules += [f"{self.time} its time"] if self.time is not None else []
        rules += [self.subgraph] if self.subgraph != "directional" else []
        return ", ".join([" | ".join(fan_outs), *rules])

    @property
    def own_weights(self) -> bool:
        """False: subgraphs have the graph's edge weights, if any."""
        return False

    def whole(self) -> "SampleSpec | None":
        """What a prediction has to sample, where seeds see no later than their time; None: nothing, all is seen.

        Every neighbour that may be seen; or, where the latest are drawn, those: they are no sample of the others.
        """
        if self.time is None:
            return None
        if self.draw == "recent":
            return self
        every = dict.fromkeys(self.num_neighbors, (ALL,) * self.hops)
        return SampleSpec(every, disjoint=True, time=self.time)

    @property
    def merge_law_holds(self) -> bool:
        """Whether merging the records of single seeds gives exactly the batch's."""
        return self.merge_law_refusal() is None

    def to_json(self) -> dict[str, Any]:
        """JSON document that :meth:`from_json` reads; the canonical form in recipes."""
        return {
            "num_neighbors": {str(t): list(fan_out) for t, fan_out in self.num_neighbors.items()},
            "replace": self.replace,
            "disjoint": self.disjoint,
            "budget": None if self.budget is None else list(self.budget),
            **({} if self.draw == "uniform" else {"draw": self.draw}),
            **({} if self.time is None else {"time": self.time}),
            **({} if self.subgraph == "directional" else {"subgraph": self.subgraph}),
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "SampleSpec":
        """Rebuild a spec from its JSON document."""
        return cls(
            {EdgeType.parse(t): tuple(fan_out) for t, fan_out in document["num_neighbors"].items()},
            replace=document["replace"],
            disjoint=document["disjoint"],
            budget=None if document["budget"] is None else tuple(document["budget"]),
            draw=document.get("draw", "uniform"),
            time=document.get("time"),
            subgraph=document.get("subgraph", "directional"),
            seed=document["seed"],
        )


def rules_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of :meth:`SampleSpec.parse` from flags of the command line; seeds with times are disjoint."""
    found = {flag.removeprefix("--"): value for flag, value in flags.items() if value is not None}
    if "fan-out-budget" in found:
        found["budget"] = found.pop("fan-out-budget")
    if "time" in found:
        found["disjoint"] = True
    return found


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} '{text}' is no list of numbers", fix="write for example 15,10") from None
    for k in found:
        if not ALL <= k <= _LARGEST:
            raise UsageError(f"{option} '{text}': a fan-out of {k}", fix="use -1 (all), 0 or a positive number")
    return found


def _non_increasing(fan_out: Sequence[int]) -> bool:
    sizes = [float("inf") if k == ALL else k for k in fan_out]
    return all(a >= b for a, b in pairwise(sizes))


def _text(fan_out: Sequence[int]) -> str:
    return ",".join(map(str, fan_out))

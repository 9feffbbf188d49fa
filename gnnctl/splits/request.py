"""One split as asked for on the command line: what is predicted, how, and which options decide the result."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.splits.by import By, Fractions
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.link_groups import parse_reverses
from gnnctl.splits.link_split import LinkOptions, split_links
from gnnctl.splits.link_target import LinkTarget, find_edge_target, find_link_target
from gnnctl.splits.node import NodeSplit, split_nodes
from gnnctl.splits.target import Target, find_target
from gnnctl.splits.times import Moving


@dataclass(frozen=True)
class SplitRequest:
    """The stage's options.

    Args:
        task: what is predicted of what.
        target: of the tasks node, graph and edge.
        by, fractions, seed, names, moving: how rows are dealt out.
        problem, delimiter: how the target's column is read.
        edge_types: of the task link.
        reverse_of, disjoint, support, test_sees, repeats: see :class:`LinkOptions`.
        eval_negatives, eval_corrupt: of the task link; see :func:`gnnctl.sampling.with_fixed_negatives`.

    Raises:
        UsageError: options of another task.
    """

    task: Literal["node", "graph", "link", "edge"] = "node"
    target: str | None = None
    by: By = field(default_factory=By)
    fractions: Fractions = field(default_factory=Fractions)
    seed: int = 0
    names: dict[str, str] = field(default_factory=dict)
    moving: Moving = field(default_factory=Moving)
    problem: str = "auto"
    delimiter: str | None = None
    edge_types: tuple[str, ...] = ()
    reverse_of: tuple[str, ...] = ()
    disjoint: float = 0.0
    support: float = 0.0
    test_sees: Literal["val", "train"] = "val"
    repeats: Literal["drop", "keep"] = "drop"
    eval_negatives: int = 0
    eval_corrupt: Literal["dst", "src", "either", "both"] = "dst"

    def __post_init__(self) -> None:
        of_links = {
            "--reverse-of": bool(self.reverse_of),
            "--disjoint": self.disjoint != 0,
            "--support": self.support != 0,
            "--test-sees": self.test_sees != "val",
            "--repeats": self.repeats != "drop",
        }
        rules: list[tuple[str, bool, tuple[str, ...]]]
        rules = [(name, given, ("link", "edge")) for name, given in of_links.items()]
        rules += [
            ("--edge-type", bool(self.edge_types), ("link",)),
            ("--eval-negatives", self.eval_negatives != 0, ("link",)),
            ("--target", self.target is not None, ("node", "graph", "edge")),
            ("--problem", self.problem != "auto", ("node", "graph", "edge")),
            ("--delimiter", self.delimiter is not None, ("node", "graph", "edge")),
        ]
        for name, given, tasks in rules:
            if given and self.task not in tasks:
                fix = f"leave it out, or pass --task {tasks[0]}"
                raise UsageError(f"{name} is not for --task {self.task}", fix=fix)
        if self.eval_negatives < 0:
            raise UsageError(f"--eval-negatives {self.eval_negatives} is less than none", fix="pass 0 or more")
        if self.eval_corrupt != "dst" and not self.eval_negatives:
            raise UsageError("--eval-corrupt says how negatives are drawn", fix="pass --eval-negatives too")
        if self.delimiter == "":
            raise UsageError("--delimiter is empty", fix="pass what stands between two labels, as ','")

    def find(self, graph: Graph) -> Target | LinkTarget:
        """What is predicted.

        Raises:
            DataError, UsageError: the graph does not have it, or it cannot be predicted.
        """
        if self.task == "link":
            declared = parse_reverses(graph, list(self.reverse_of))
            # A type that is its own reverse has links to predict all the same.
            reverses = [t for forward, types in declared.items() for t in types if t != forward]
            return find_link_target(graph, list(self.edge_types), reverses)
        if self.task == "edge":
            return find_edge_target(graph, self.target, self.problem, self.delimiter)
        return find_target(graph, self.target, self.problem, self.delimiter, self.task)

    def options(self, target: Target | LinkTarget) -> dict[str, Any]:
        """The options that decide the result, and no others, as the recipe has them."""
        found: dict[str, Any] = {} if self.task == "node" else {"task": self.task}
        if isinstance(target, LinkTarget):
            found["edge_types"] = [str(t) for t in target.edge_types]
        if self.task != "link":
            name = target.edge_types[0] if isinstance(target, LinkTarget) else target.node_type
            found |= {
                "target": f"{name}.{target.column}",
                "problem": target.problem,
                "delimiter": target.delimiter,
            }
        way = self.by.way
        found["by"] = str(self.by)
        if way == "column":
            found["map"] = dict(sorted(self.names.items()))
        else:
            found |= {"val": self.fractions.val, "test": self.fractions.test}
        if not self.moving.plain:
            moving = self.moving
            found |= {"gap": moving.gap, "windows": moving.windows, "window": moving.window}
        random = way not in ("column", "time")
        if isinstance(target, LinkTarget):
            # The seed also decides which training links are set aside, and which way round an undirected link stands.
            random = True
            found |= {"disjoint": self.disjoint, "test_sees": self.test_sees, "reverse_of": sorted(self.reverse_of)}
            found |= {"support": self.support} if way == "inductive" else {}
            found |= {"repeats": self.repeats} if way == "time" else {}
            if self.eval_negatives:
                found |= {"eval_negatives": self.eval_negatives, "eval_corrupt": self.eval_corrupt}
        return {**found, "seed": self.seed} if random else found

    def make(self, graph: Graph, target: Target | LinkTarget) -> NodeSplit | LinkSplit:
        """Split; the fixed negatives of evaluation are not drawn yet.

        Raises:
            DataError, UsageError: what the graph does not allow.
        """
        if isinstance(target, Target):
            return split_nodes(graph, target, self.by, self.fractions, self.seed, self.names, self.moving)
        options = LinkOptions(
            self.by,
            self.fractions,
            self.seed,
            self.names,
            self.moving,
            self.disjoint,
            self.support,
            self.test_sees,
            self.repeats,
            parse_reverses(graph, list(self.reverse_of)),
        )
        return split_links(graph, target, options)

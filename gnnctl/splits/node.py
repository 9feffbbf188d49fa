"""Splits of nodes or graphs: making, writing and reading them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.errors import ArtifactError, UsageError
from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import Graph
from gnnctl.remote import graph_parent
from gnnctl.splits import by as ways
from gnnctl.splits.by import NO_PART, By, Fractions, check_sizes
from gnnctl.splits.columns import check_single, column_of
from gnnctl.splits.keyed import keyed_hashes
from gnnctl.splits.several import SEVERAL
from gnnctl.splits.target import Target, Task
from gnnctl.splits.times import Moving, Times, find_bounds, times_of

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class NodeSplit:
    """Seeds and labels of the three parts; messages pass over the whole graph in each.

    Seeds are nodes, or of a graph task (``target.task``) graphs: rows of the table of graphs.

    Attributes:
        graph: the graph that was split.
        target: what is predicted.
        parts: by name, ascending rows (n,) int64 and their labels: int64 (n,), or float32 (n,) or (n, num_outputs).
        counts: rows that are in no part, by reason.
        warnings: what a user should know, a sentence each.
        artifact: where it was read from, or None.
    """

    graph: Graph
    target: Target
    parts: dict[str, tuple[np.ndarray, np.ndarray]]
    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    artifact: Artifact | None = None

    @classmethod
    def open(cls, source: Path | str | Artifact, graph: Graph | Path | str | None = None) -> "NodeSplit":
        """Open a split artifact and the graph it was made from, or that graph as found elsewhere.

        Raises:
            ArtifactError: missing, damaged, no split, or another graph than it was made from.
        """
        artifact = source if isinstance(source, Artifact) else Artifact.open(source, "split")
        document = artifact.json("target")
        if document["task"] not in get_args(Task):
            what = "links" if document["task"] == "link" else "edges"
            raise ArtifactError(f"{artifact.path} is a split of {what}", fix="name a split of nodes or graphs")
        graph = graph_parent(artifact, graph)
        parts = {name: _read_part(artifact.table(name)) for name in PARTS}
        summary = artifact.manifest.summary
        return cls(
            graph,
            Target.from_json(document),
            parts,
            summary.get("left_out", {}),
            summary.get("warnings", []),
            artifact,
        )

    def part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows and labels of ``train``, ``val`` or ``test``."""
        return self.parts[name]

    def view(self, name: str) -> Graph:
        """The graph that messages pass over in a part: the whole graph, in every part."""
        return self.graph

    def write(self, writer: ArtifactWriter) -> None:
        """Write everything of a split artifact."""
        time = self.graph.store(self.target.node_type).time
        for name, (rows, labels) in self.parts.items():
            writer.table(name, _part_table(self.target.task, rows, labels, None if time is None else time[rows]))
        writer.json("target", self.target.to_json())
        writer.summary.update(self.summary())

    def summary(self) -> dict[str, Any]:
        """Counts for the manifest and for reports."""
        target = self.target
        summary: dict[str, Any] = {
            "target": f"{target.node_type}.{target.column}",
            "problem": target.problem,
            "seeds": {name: len(rows) for name, (rows, _) in self.parts.items()},
            "left_out": self.counts,
        }
        if target.classes is not None:
            summary["classes"] = {
                name: dict(zip(map(str, target.classes), self.class_counts(name).tolist(), strict=True))
                for name in self.parts
            }
        if target.mean is not None:
            summary |= {"mean": target.mean, "std": target.std}
        return {**summary, "warnings": self.warnings}

    def class_counts(self, part: str) -> np.ndarray:
        """(num_outputs,) int64: seeds of each class, with each label, or of several targets with a yes or a number."""
        _, labels = self.parts[part]
        if self.target.problem in SEVERAL:
            wanted = labels > 0.5 if self.target.problem == "multibinary" else ~np.isnan(labels)
            several: np.ndarray = wanted.sum(axis=0, dtype=np.int64)
            return several
        counts: np.ndarray = (
            labels.sum(axis=0, dtype=np.float64).astype(np.int64)
            if self.target.problem == "multilabel"
            else np.bincount(labels, minlength=self.target.num_outputs)
        )
        return counts


def split_nodes(
    graph: Graph,
    target: Target,
    by: By | None = None,
    fractions: Fractions | None = None,
    seed: int = 0,
    names: dict[str, str] | None = None,
    moving: Moving | None = None,
) -> NodeSplit:
    """Deal the labelled nodes of the target's type, or the labelled graphs, out to the parts.

    With ``random`` and ``group`` a row's part depends on its id, or its group, and the seed alone: rows added later
    change the part of none.

    Args:
        graph: what to split.
        target: see :func:`gnnctl.splits.find_target`.
        by: which way.
        fractions: shares of val and test; ``column`` ignores them.
        seed: another seed is another split (not for ``time`` and ``column``).
        names: for ``column``, value -> part.
        moving: for ``time``, gap and window.

    Raises:
        DataError: a column is missing or of the wrong type, or a part would have no seeds.
        UsageError: a way that the target does not allow.
    """
    by, fractions = by or By(), fractions or Fractions()
    if names and by.way != "column":
        raise UsageError(f"--map does not go with --by {by}", fix="leave it out, or split --by column:COLUMN")
    if by.way == "inductive":
        raise UsageError(f"--by {by} is for links", fix="pass --by random: every view has all nodes")
    if moving is not None and not moving.plain and by.way != "time":
        raise UsageError(f"--gap and --windows do not go with --by {by}", fix="leave them out, or split --by time")
    known, labels = target.labels(graph)
    assigned = _assign(graph, target, by, fractions, seed, names or {}, known, labels, moving or Moving())
    counts = {"without_label": int((~known).sum()), "in_no_part": int((known & (assigned < 0)).sum())}
    parts = {}
    for number, name in enumerate(PARTS):
        rows = np.flatnonzero(known & (assigned == number)).astype(np.int64)
        parts[name] = (rows, labels[rows])
    sizes = {name: len(rows) for name, (rows, _) in parts.items()}
    check_sizes(sizes, by, fractions, f"seeds ({int(known.sum()):,} labelled rows)")
    target = target.standardised(parts["train"][1])
    split = NodeSplit(graph, target, parts, counts)
    split.warnings.extend(_warnings(split, by))
    return split


def _assign(
    graph: Graph,
    target: Target,
    by: By,
    fractions: Fractions,
    seed: int,
    names: dict[str, str],
    known: np.ndarray,
    labels: np.ndarray,
    moving: Moving,
) -> np.ndarray:
    """Part (N,) int8 of every node of the type; -1 is none."""
    import pyarrow as pa

    store = graph.store(target.node_type)
    ids = store.ids if store.ids is not None else pa.array(np.arange(store.num_nodes))
    if by.way == "random":
        assigned = np.full(len(known), NO_PART, np.int8)
        assigned[known] = ways.by_hash(keyed_hashes(ids.filter(pa.array(known)), seed, "id"), fractions)
        return assigned
    if by.way == "stratified":
        if target.problem != "multiclass":
            raise UsageError(f"--by stratified needs classes; the target is {target.problem}", fix="pass --by random")
        return ways.by_class(np.where(known, labels, -1), keyed_hashes(ids, seed, "id"), fractions)
    column = by.column or ""
    if by.way == "time":
        return _by_time(graph, target, by.column, known, fractions, moving)
    values = check_single(column_of(graph, target.node_type, column), column)
    if by.way == "group":
        return ways.by_group(values, ids, seed, fractions)
    return ways.by_column(values, names, column)


def _by_time(
    graph: Graph, target: Target, column: str | None, known: np.ndarray, fractions: Fractions, moving: Moving
) -> np.ndarray:
    """Part (N,) int8 by the times of the nodes, or by a kept column."""
    store = graph.store(target.node_type)
    kept = [] if store.columns is None else store.columns.column_names
    if column is None or (column == "time" and column not in kept and store.time is not None):
        if store.time is None:
            fix = "write --by time:COLUMN, or ingest it with times"
            raise UsageError(f"--by time: '{target.node_type}' has no times", fix=fix)
        times = Times(store.time, store.time != ALWAYS, "number")
    else:
        times = times_of(column_of(graph, target.node_type, column))
    bounds = find_bounds(times, known, fractions, moving)
    return np.where(times.known & known, bounds.parts(times.values), NO_PART).astype(np.int8)


def _warnings(split: NodeSplit, by: By) -> list[str]:
    found = []
    target = split.target
    if target.classes is not None:
        counts = {name: split.class_counts(name) for name in split.parts}
        absent = np.flatnonzero((counts["train"] == 0) & (counts["val"] + counts["test"] > 0))
        if len(absent):
            some = ", ".join(str(target.classes[i]) for i in absent[:5]) + (", ..." if len(absent) > 5 else "")
            found.append(
                f"never seen in training, so never predicted: {len(absent)} of {len(counts['train'])} classes ({some})"
            )
    if target.std == 0:
        found.append(f"every training label is {target.mean}: there is nothing to learn")
    empty = [name for name, (rows, _) in split.parts.items() if not len(rows)]
    if empty:
        found.append(f"the {' and '.join(empty)} part has no seeds")
    if by.way == "time":
        found.append("messages pass over the whole graph: a seed also sees what came after it")
    return found


def _part_table(task: str, rows: np.ndarray, labels: np.ndarray, time: np.ndarray | None) -> "pa.Table":
    import pyarrow as pa

    if labels.ndim == 2:
        flat = pa.array(np.ascontiguousarray(labels).reshape(-1))
        label = pa.FixedSizeListArray.from_arrays(flat, labels.shape[1])
    else:
        label = pa.array(labels)
    columns = {task: pa.array(rows), "label": label}
    if time is not None:
        columns["time"] = pa.array(time)
    return pa.table(columns)


def _read_part(table: "pa.Table") -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels, copied: torch shares memory with what it is given, and may not share a mapped file."""
    import pyarrow as pa

    rows, label = table.column(0).to_numpy().copy(), table["label"].combine_chunks()
    if pa.types.is_fixed_size_list(label.type):
        return rows, label.flatten().to_numpy().reshape(-1, label.type.list_size).copy()
    return rows, label.to_numpy().copy()

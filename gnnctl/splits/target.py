"""What is predicted: a kept column of a node type, read as classes, sets of labels, or numbers."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.graphs import GRAPH
from gnnctl.splits.columns import column_of, is_number
from gnnctl.splits.several import SEVERAL, several_columns, several_labels

if TYPE_CHECKING:
    import pyarrow as pa

Problem = Literal["multiclass", "multilabel", "regression", "multibinary", "multiregression"]
Task = Literal["node", "graph"]

# Integers with more distinct values than this are measurements, not classes, unless the user says otherwise.
_MANY = 1000


@dataclass(frozen=True)
class Target:
    """What is predicted of nodes, or of whole graphs.

    Attributes:
        node_type: type whose nodes are predicted; ``graph`` where graphs are.
        column: kept column that holds the truth; several with commas between them.
        problem: multiclass, multilabel or regression; of several columns multibinary (each yes or no) or
            multiregression; none of nodes that only get embeddings.
        classes: the column's values in ascending order, a class being its position; the names of several columns; None
            for numbers.
        num_outputs: width of a model's output: the number of classes or columns, or 1.
        mean, std: of the training labels, for numbers; a list for several.
        delimiter: what parts the labels in a text, for sets of labels in a text column.
        task: node or graph.
    """

    node_type: str
    column: str
    problem: Problem | Literal["none"]
    classes: list[Any] | None
    num_outputs: int
    mean: float | list[float] | None = None
    std: float | list[float] | None = None
    delimiter: str | None = None
    task: Task = "node"

    def __str__(self) -> str:
        return f"{self.node_type}.{self.column}" if self.column else self.node_type

    def to_json(self) -> dict[str, Any]:
        """The document ``target.json``."""
        return {"task": self.task, **asdict(self)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Target":
        """Rebuild a target from its document."""
        return cls(**document)

    def labels(self, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
        """Which nodes of a graph have a label (N,) bool, and all labels, arbitrary where there is none.

        Labels are int64 (N,) class indices, float32 (N, num_outputs) of 0 and 1, or float32 (N,) numbers. A value that
        is none of the classes counts as no label. Of several columns they are float32 (N, num_outputs), NaN where a
        column has none; a node has a label where any column has one.

        Raises:
            DataError: the graph has no such column, or it is of another type.
        """
        if self.problem in SEVERAL:
            return several_labels(graph, self.node_type, self.classes or [], self.problem)
        return encode(column_of(graph, self.node_type, self.column), self)

    def standardised(self, labels: np.ndarray) -> "Target":
        """With mean and deviation of training labels (n,) or (n, num_outputs), where they are numbers."""
        numbers = labels.astype(np.float64)
        if self.problem == "regression":
            return replace(self, mean=float(numbers.mean()), std=float(numbers.std()))
        if self.problem == "multiregression":
            columns = [column[~np.isnan(column)] for column in numbers.T]
            mean = [float(column.mean()) if len(column) else 0.0 for column in columns]
            return replace(self, mean=mean, std=[float(column.std()) if len(column) else 0.0 for column in columns])
        return self


def find_target(
    graph: Graph, text: str | None, problem: str = "auto", delimiter: str | None = None, task: Task = "node"
) -> Target:
    """The target that ``"TYPE.COLUMN"`` names, or, of graphs, ``"COLUMN"``; classes are all values of the column.

    ``COLUMN,COLUMN,...`` are several targets of one model.

    Args:
        graph: where the column is kept.
        text: ``TYPE.COLUMN``; ``TYPE`` or nothing stands for the label of the spec; ``COLUMN`` where there is one type.
        problem: ``auto`` decides by the column's type: lists are label sets; text, booleans and integers classes;
            fractional numbers, and integers with more than 1,000 values, numbers.
        delimiter: reads texts as sets of labels.
        task: whether nodes or graphs are predicted.

    Raises:
        DataError: no such type or column, or a column that cannot be predicted.
        UsageError: several labels to choose from, or a problem that does not fit.
    """
    node_type, column = _resolve_graphs(graph, text) if task == "graph" else _resolve(graph, text)
    if "," in column:
        names, several = several_columns(graph, node_type, column, problem, delimiter)
        return Target(node_type, ",".join(names), several, list(names), len(names), task=task)
    values = column_of(graph, node_type, column)
    chosen, classes, delimiter = read_column(values, problem, delimiter, f"{node_type}.{column}")
    outputs = 1 if classes is None else len(classes)
    return Target(node_type, column, chosen, classes, outputs, delimiter=delimiter, task=task)


def read_column(
    values: "pa.Array", problem: str, delimiter: str | None, name: str
) -> tuple[Problem, list[Any] | None, str | None]:
    """What is predicted of a column, its classes (None: numbers), and the delimiter of sets of labels in text.

    Raises:
        DataError: values that cannot be predicted, or that are all the same.
        UsageError: a problem that does not fit.
    """
    chosen = _problem(values, problem, delimiter, name)
    if chosen == "regression":
        return chosen, None, None
    delimiter = delimiter if chosen == "multilabel" else None
    classes = _classes(values, delimiter)
    if not classes:
        raise DataError(f"{name} has no value at all", fix="name another column")
    if chosen == "multiclass" and len(classes) == 1:
        only = f"{name} is {classes[0]!r} in every labelled row: there is nothing to tell apart"
        raise DataError(only, fix="name another column")
    return chosen, classes, delimiter


def encode(values: "pa.Array", target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have a label, and the labels; see :meth:`Target.labels`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if target.problem == "regression":
        return _numbers(values, target)
    classes = pa.array(target.classes or [])
    if target.problem == "multiclass":
        indices = pc.index_in(_as(values, classes, target), value_set=classes)
        known: np.ndarray = indices.is_valid().to_numpy(zero_copy_only=False)
        return known, indices.fill_null(-1).to_numpy().astype(np.int64)
    sets = _sets(values, target.delimiter)
    indices = pc.index_in(_as(pc.list_flatten(sets), classes, target), value_set=classes)
    rows, columns = pc.list_parent_indices(sets).to_numpy(), indices.fill_null(-1).to_numpy()
    labels = np.zeros((len(sets), target.num_outputs), np.float32)
    labels[rows[columns >= 0], columns[columns >= 0]] = 1.0
    return sets.is_valid().to_numpy(zero_copy_only=False), labels


def _as(values: "pa.Array", classes: "pa.Array", target: Target) -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(values, classes.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        name = f"{target.node_type}.{target.column}"
        raise DataError(f"{name} is {values.type}, its classes are {classes.type}", fix="correct the table") from None


def _numbers(values: "pa.Array", target: Target) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow as pa
    import pyarrow.compute as pc

    name = f"{target.node_type}.{target.column}"
    if not is_number(values.type):
        raise DataError(f"{name} is {values.type}, not a number", fix="name a numeric column")
    known = values.is_valid().to_numpy(zero_copy_only=False)
    labels = pc.cast(values, pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(~np.isfinite(labels))
    if len(bad):
        rows = ", ".join(map(str, bad[:3]))
        raise DataError(f"{name} is not finite in {len(bad):,} rows ({rows})", fix="make them null to leave them out")
    return known, labels.astype(np.float32)


def _classes(values: "pa.Array", delimiter: str | None) -> list[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_list(values.type) or delimiter is not None:
        values = pc.list_flatten(_sets(values, delimiter))
    if pa.types.is_temporal(values.type) or pa.types.is_decimal(values.type):
        values = pc.cast(values, pa.string())
    found = pc.unique(values).drop_null()
    classes: list[Any] = found.take(pc.sort_indices(found)).to_pylist()
    return classes


def _sets(values: "pa.Array", delimiter: str | None) -> "pa.Array":
    """Lists of labels; texts are cut at the delimiter, blanks around a label do not count."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if delimiter is None:
        return values
    texts = pc.cast(values, pa.string()).to_pylist()
    cut = [None if t is None else [w.strip() for w in t.split(delimiter) if w.strip()] for t in texts]
    return pa.array(cut, pa.list_(pa.string()))


def _problem(values: "pa.Array", problem: str, delimiter: str | None, name: str) -> Problem:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    listed = _is_list(kind) or delimiter is not None
    if delimiter is not None and _is_list(kind):
        raise UsageError(f"--delimiter: {name} is a list already", fix="leave --delimiter out")
    if pa.types.is_struct(kind) or pa.types.is_map(kind) or pa.types.is_null(kind):
        raise DataError(f"{name} is {kind}, which cannot be predicted", fix="name a column of text, numbers or lists")
    if _is_list(kind) and pa.types.is_floating(kind.value_type):
        raise DataError(f"{name} is a list of fractional numbers", fix="name a column of labels or of single numbers")
    if problem == "auto":
        if listed:
            return "multilabel"
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return "regression"
        many = pa.types.is_integer(kind) and pc.count_distinct(values).as_py() > _MANY
        return "regression" if many else "multiclass"
    if problem == "multilabel" and not listed:
        raise UsageError(f"--problem multilabel: {name} is {kind}", fix="pass --delimiter to cut its text into labels")
    if problem != "multilabel" and listed:
        raise UsageError(f"--problem {problem}: {name} holds sets of labels", fix="pass --problem multilabel")
    if problem == "regression" and not is_number(kind):
        raise UsageError(f"--problem regression: {name} is {kind}", fix="name a numeric column")
    if problem not in ("multiclass", "multilabel", "regression"):
        raise UsageError(f"--problem {problem} is unknown", fix="pass auto, multiclass, multilabel or regression")
    return cast(Problem, problem)


def _resolve_graphs(graph: Graph, text: str | None) -> tuple[str, str]:
    """``graph``, and the column of the table of graphs."""
    if graph.graphs is None:
        raise DataError("--task graph: this is one graph, not a set of graphs", fix="ingest it with [graphs]")
    column = (text or "").removeprefix(f"{GRAPH}.") or graph.graphs.table.label
    if column is None:
        raise UsageError("--target is needed", fix="name a column of the graphs (no label is stated)")
    return GRAPH, column


def _resolve(graph: Graph, text: str | None) -> tuple[str, str]:
    """Node type and column; type names may hold dots, so the longest that fits counts."""
    labelled = {name: store.label for name, store in graph.nodes.items() if store.label}
    if text is None:
        if len(labelled) != 1:
            known = ", ".join(f"{name}.{label}" for name, label in labelled.items()) or "no label is stated"
            if not labelled and graph.graphs is not None:
                fix = "write TYPE.COLUMN, or pass --task graph to predict of graphs"
                raise UsageError("--target is needed", fix=fix)
            raise UsageError("--target is needed", fix=f"write TYPE.COLUMN ({known})")
        return next(iter(labelled.items()))
    if text in labelled:
        return text, labelled[text] or ""
    for name in sorted(graph.nodes, key=len, reverse=True):
        if text.startswith(f"{name}."):
            return name, text[len(name) + 1 :]
    if len(graph.nodes) == 1:
        return graph.node_types[0], text
    node_type, dot, column = text.partition(".")
    if not dot:
        fix = f"write TYPE.COLUMN; types are {', '.join(graph.node_types)}"
        raise UsageError(f"--target {text} names no column", fix=fix)
    return node_type, column


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))

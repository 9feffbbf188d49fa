"""What is predicted of links: whether they are there, or a kept column of theirs."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.splits.columns import kept_column, nearest_of
from gnnctl.splits.target import Target, encode, read_column

LinkTask = Literal["link", "edge"]
LinkProblem = Literal["link", "multiclass", "multilabel", "regression"]


@dataclass(frozen=True)
class LinkTarget:
    """What is predicted of links.

    Attributes:
        task: ``link``, whether a pair is linked; ``edge``, a column of links that are there.
        edge_types: what is predicted, in the graph's order.
        problem: ``link``, or of the task ``edge`` multiclass, multilabel or regression.
        column: kept column of the edges that holds the truth; None of the task ``link``.
        classes: the column's values in ascending order, a class being its position; None for numbers and links.
        num_outputs: width of a model's output: the number of classes, or 1.
        mean, std: of the training labels, for numbers.
        delimiter: what parts the labels in a text, for sets of labels in a text column.
    """

    task: LinkTask
    edge_types: list[EdgeType]
    problem: LinkProblem = "link"
    column: str | None = None
    classes: list[Any] | None = None
    num_outputs: int = 1
    mean: float | None = None
    std: float | None = None
    delimiter: str | None = None

    @property
    def src_types(self) -> list[str]:
        """Node types that links start from, each once."""
        return list(dict.fromkeys(t.src for t in self.edge_types))

    def __str__(self) -> str:
        names = str(self.edge_types[0]) if len(self.edge_types) == 1 else f"{len(self.edge_types)} edge types"
        return names if self.column is None else f"{names}.{self.column}"

    def to_json(self) -> dict[str, Any]:
        """The document ``target.json``."""
        return {**asdict(self), "edge_types": [list(t) for t in self.edge_types]}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "LinkTarget":
        """Rebuild a target from its document."""
        return cls(**{**document, "edge_types": [EdgeType(*t) for t in document["edge_types"]]})

    def labels(self, graph: Graph, edge_type: EdgeType) -> tuple[np.ndarray, np.ndarray]:
        """Which edges of a type have a label (E,) bool, and all labels, as :meth:`Target.labels` of nodes gives them.

        Raises:
            DataError: the graph keeps no such column, or it is of another type.
            ValueError: of the task ``link``.
        """
        if self.column is None or self.problem == "link":
            raise ValueError("labels: links to be found have none")
        target = Target(str(edge_type), self.column, self.problem, self.classes, self.num_outputs)
        values = kept_column(graph.edges[edge_type].columns, self.column, str(edge_type))
        return encode(values, replace(target, delimiter=self.delimiter))


def find_link_target(graph: Graph, texts: list[str], reverses: Collection[EdgeType] = ()) -> LinkTarget:
    """The edge types that ``"SOURCE RELATION TARGET"`` texts name, or ``all``.

    Args:
        graph: whose types they are.
        texts: as named; none is enough where there is one type to predict.
        reverses: types declared to be the reverse of others, which ``all`` leaves out as it does generated ones.

    Raises:
        UsageError: no such type, or a reverse type.
    """
    forward = [t for t, store in graph.edges.items() if store.forward is None and t not in reverses]
    shown = ", ".join(f'"{t}"' for t in forward[:4]) + (", ..." if len(forward) > 4 else "")
    if not texts and len(forward) != 1:
        raise UsageError("--edge-type is needed", fix=f"name one or more, or all: the graph has {shown}")
    chosen = forward if not texts or texts == ["all"] else [_edge_type(graph, text, shown) for text in texts]
    for edge_type in chosen:
        if edge_type not in forward:
            of = "generated as the reverse of another" if graph.edges[edge_type].forward is not None else "a reverse"
            raise UsageError(f"--edge-type '{edge_type}' is {of}", fix=f"predict the forward type: {shown}")
    return LinkTarget("link", [t for t in forward if t in set(chosen)])


def find_edge_target(graph: Graph, text: str | None, problem: str = "auto", delimiter: str | None = None) -> LinkTarget:
    """The target that ``"SOURCE RELATION TARGET.COLUMN"`` names: a kept column of the edges; classes are its values.

    Args:
        graph: where the column is kept.
        text: ``COLUMN`` is enough where one type keeps columns.
        problem, delimiter: as of :func:`gnnctl.splits.find_target`.

    Raises:
        DataError: no such column, or one that cannot be predicted.
        UsageError: no such type, or a problem that does not fit.
    """
    keeping = {t: store.columns.column_names for t, store in graph.edges.items() if store.columns is not None}
    columns = [f'"{t}.{name}"' for t, names in keeping.items() for name in names]
    shown = ", ".join(columns[:4]) + (", ..." if len(columns) > 4 else "") or "no kept column of an edge"
    if text is None:
        raise UsageError("--target is needed", fix=f'write "SOURCE RELATION TARGET.COLUMN" ({shown})')
    named = [t for t in graph.edges if text.startswith(f"{t}.")]
    if named:
        edge_type = max(named, key=lambda t: len(str(t)))
        column = text[len(str(edge_type)) + 1 :]
    elif len(keeping) == 1 and len(text.split()) == 1:
        edge_type, column = next(iter(keeping)), text
    else:
        raise UsageError(f"--target {text} names no column of an edge type", fix=f"the graph has {shown}")
    if graph.edges[edge_type].forward is not None:
        raise UsageError(f"--target: '{edge_type}' was generated as a reverse", fix="name the forward type")
    values = kept_column(graph.edges[edge_type].columns, column, str(edge_type))
    chosen, classes, delimiter = read_column(values, problem, delimiter, f"{edge_type}.{column}")
    outputs = 1 if classes is None else len(classes)
    return LinkTarget("edge", [edge_type], cast(LinkProblem, chosen), column, classes, outputs, delimiter=delimiter)


def _edge_type(graph: Graph, text: str, shown: str) -> EdgeType:
    words = text.split()
    if text == "all":
        raise UsageError("--edge-type all stands for every type", fix="name it alone")
    found = EdgeType(*words) if len(words) == 3 else None
    if found is None or found not in graph.edges:
        close = nearest_of(text, [str(t) for t in graph.edges])
        raise UsageError(f"--edge-type '{text}': the graph has no such edge type{close}", fix=f"it has {shown}")
    return found

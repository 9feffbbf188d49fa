"""What is predicted of links: whether they are there, or a kept column of theirs."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.splits.target import Target, encode, kept_column

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

    @property
    def dst_types(self) -> list[str]:
        """Node types that links lead to, each once."""
        return list(dict.fromkeys(t.dst for t in self.edge_types))

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

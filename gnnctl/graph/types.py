"""Names of the parts of a typed graph."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gnnctl.errors import DataError


class EdgeType(NamedTuple):
    """A relation between two node types; ``str()`` is ``"src rel dst"``."""

    src: str
    rel: str
    dst: str

    def __str__(self) -> str:
        return f"{self.src} {self.rel} {self.dst}"

    @property
    def key(self) -> str:
        """Name of the type's folder in an artifact and of its parameters in a model."""
        return f"{self.src}__{self.rel}__{self.dst}"

    @property
    def forward(self) -> "EdgeType":
        """Where this is a generated reverse type, the one that it was generated from."""
        return EdgeType(self.dst, self.rel.removeprefix("rev_"), self.src)

    @classmethod
    def parse(cls, text: str) -> "EdgeType":
        """Read ``"src rel dst"``.

        Raises:
            DataError: not three words.
        """
        words = text.split()
        if len(words) != 3:
            raise DataError(f"'{text}' is no edge type", fix="write it as 'source relation target'")
        return cls(*words)


_PLAIN = re.compile(r"[A-Za-z0-9](_?[A-Za-z0-9.:+-])*_?")


def relation_name(text: str) -> str:
    """The name of the relation of an edge type that a value in a table stands for.

    A value that can be a name is the name; else each run of other characters becomes ``_``, and what then stands before
    the first letter or digit, or as ``_`` at the end, is left out: ``/people/person`` is ``people_person``. Empty where
    nothing is left.
    """
    if _PLAIN.fullmatch(text):
        return text
    return re.sub(r"[^A-Za-z0-9.:+-]+", "_", text).lstrip("_.:+-").rstrip("_")


@dataclass(frozen=True)
class NodeSchema:
    """What a model needs to know of a node type."""

    num_nodes: int
    features: int


@dataclass(frozen=True)
class EdgeSchema:
    """What a model needs to know of an edge type."""

    features: int = 0
    weighted: bool = False


@dataclass(frozen=True)
class GraphSchema:
    """Types of a graph, in order, with their feature widths; what a model is built from.

    ``graph_features``: of a data set of many graphs, the width of the graphs' own features, may be 0; else None.
    """

    nodes: dict[str, NodeSchema]
    edges: dict[EdgeType, EdgeSchema] = field(default_factory=dict)
    graph_features: int | None = None

    @property
    def is_homogeneous(self) -> bool:
        """One node type and one edge type."""
        return len(self.nodes) == 1 and len(self.edges) == 1

    def to_json(self) -> dict[str, Any]:
        """JSON document that :meth:`from_json` reads."""
        graphs = {} if self.graph_features is None else {"graph_features": self.graph_features}
        return {
            "nodes": {name: {"num_nodes": n.num_nodes, "features": n.features} for name, n in self.nodes.items()},
            "edges": [{"type": list(t), "features": e.features, "weighted": e.weighted} for t, e in self.edges.items()],
            **graphs,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "GraphSchema":
        """Rebuild a schema from its JSON document."""
        return cls(
            nodes={name: NodeSchema(**n) for name, n in document["nodes"].items()},
            edges={EdgeType(*e["type"]): EdgeSchema(e["features"], e["weighted"]) for e in document["edges"]},
            graph_features=document.get("graph_features"),
        )

"""What layers over typed graphs take: rows by node type, edges by edge type."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from gnnctl.errors import DataError
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.message_passing import Pair

# An edge type as users write it.
EdgeTypeLike = EdgeType | tuple[str, str, str] | str
MetadataLike = GraphSchema | tuple[Iterable[str], Iterable[EdgeTypeLike]]


class Metadata(NamedTuple):
    """Names of the types of a graph, in order."""

    node_types: list[str]
    edge_types: list[EdgeType]


def edge_type_of(given: EdgeTypeLike) -> EdgeType:
    """The edge type that a triple or ``"src rel dst"`` names.

    Raises:
        ValueError: it names none.
    """
    try:
        return EdgeType.parse(given) if isinstance(given, str) else EdgeType(*given)
    except (DataError, TypeError):
        raise ValueError(f"{given!r} is no edge type: write ('source', 'relation', 'target')") from None


def metadata_of(given: MetadataLike) -> Metadata:
    """Types of a schema, or of a pair of lists.

    Raises:
        ValueError: an edge type joins node types that are not there, or there is none of either.
    """
    if isinstance(given, GraphSchema):
        given = list(given.nodes), list(given.edges)
    nodes, edges = list(given[0]), [edge_type_of(t) for t in given[1]]
    if not nodes or not edges:
        raise ValueError("metadata must name node types and edge types")
    for t in edges:
        for end in (t.src, t.dst):
            if end not in nodes:
                raise ValueError(f"the edge type '{t}' joins '{end}', which is no node type: {', '.join(nodes)}")
    return Metadata(nodes, edges)


def module_name(name: str) -> str:
    """A type's name as a module's, which may hold no dot, nor be what modules have already (``type``, ``keys``)."""
    escaped = name.replace(".", "%2E")
    return f"{escaped}%" if hasattr(nn.ModuleDict, escaped) else escaped


def source_of(x: Mapping[str, Pair], node_type: str) -> Tensor:
    """Rows of a type where it is a source."""
    rows = x[node_type]
    return rows[0] if isinstance(rows, tuple) else rows


def target_of(x: Mapping[str, Pair], node_type: str) -> Tensor:
    """Rows of a type where it is a destination."""
    rows = x[node_type]
    return rows[1] if isinstance(rows, tuple) else rows


def typed_edges(
    x: Mapping[str, Pair], edge_index: Mapping[EdgeType, EdgeIndex] | Mapping[EdgeTypeLike, EdgeIndex | Tensor]
) -> dict[EdgeType, EdgeIndex]:
    """The edges by type, sorted where they come as plain (2, E) tensors; types without rows at an end are left out."""
    found: dict[EdgeType, EdgeIndex] = {}
    for key, edges in edge_index.items():
        t = edge_type_of(key)
        if t.src in x and t.dst in x:
            if isinstance(edges, Tensor):
                edges, _ = EdgeIndex.from_coo(edges, source_of(x, t.src).shape[0], target_of(x, t.dst).shape[0])
            found[t] = edges
    return found

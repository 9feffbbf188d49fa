"""Which nodes an exact prediction needs, and the one-hop blocks it is computed in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gnnctl.graph.graph import EdgeStore, Graph
from gnnctl.graph.types import EdgeType
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.shared_rows import own_rows

MARK_CHUNK = 1 << 22  # edges looked at at a time while marking


@dataclass(frozen=True)
class Block:
    """Some destination nodes of one type with all their in-edges.

    Attributes:
        node_type: type of the destinations.
        rows: (d,) int64 destination rows in the graph, ascending.
        sources: by node type the distinct source rows (int64) of the edges into them, ascending; of the destinations'
            own type those come first (all of them), so that a destination is the source of the same number.
        colptr: by edge type (d + 1,) int64.
        row: by edge type (e,) int64 positions in ``sources``.
        positions: by edge type (e,) int64 CSC positions of the edges in the graph.
    """

    node_type: str
    rows: np.ndarray
    sources: dict[str, np.ndarray]
    colptr: dict[EdgeType, np.ndarray]
    row: dict[EdgeType, np.ndarray]
    positions: dict[EdgeType, np.ndarray]


def in_edge_positions(store: EdgeStore, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CSC positions (e,) int64 of the in-edges of ``rows``, and their colptr (len(rows) + 1,) int64."""
    starts, ends = store.colptr[rows], store.colptr[rows + 1]
    degree = ends - starts
    colptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(degree, out=colptr[1:])
    positions = np.arange(colptr[-1], dtype=np.int64)
    positions += np.repeat(starts - colptr[:-1], degree)
    return positions, colptr


def needed_rows(
    graph: Graph, wanted: Mapping[str, np.ndarray], layers: int, processes: Processes = ALONE
) -> list[dict[str, np.ndarray]]:
    """Rows whose representation each layer must give, so that the last gives the ``wanted`` rows of some node types.

    Args:
        processes: each of which looks at the in-edges of its own rows.

    Returns:
        ``layers + 1`` dictionaries node type -> ascending int64 rows; entry 0 is what the encoder must give. A type
        that nothing needs is absent. Every entry contains the next one, since a node's own row enters its update.
    """
    current = {node_type: np.unique(rows) for node_type, rows in wanted.items()}
    found = [current]
    for _ in range(layers):
        masks = {name: np.zeros(graph.num_nodes(name), bool) for name in graph.node_types}
        for name, kept in current.items():
            masks[name][kept] = True
        mine = {name: own_rows(graph, name, rows, processes)[processes.share.rank] for name, rows in current.items()}
        for edge_type, store in graph.edges.items():
            for part in chunks_by_edges([store], mine.get(edge_type.dst, np.zeros(0, np.int64)), MARK_CHUNK):
                positions, _ = in_edge_positions(store, part)
                masks[edge_type.src][store.row[positions]] = True
        masks = {name: processes.union(mask) for name, mask in masks.items()}
        current = {name: np.flatnonzero(mask) for name, mask in masks.items() if mask.any()}
        found.append(current)
    return found[::-1]


def chunks_by_edges(stores: list[EdgeStore], rows: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Cut ``rows`` into runs of at most ``budget`` in-edges plus nodes (one node at least), in order."""
    if len(rows) == 0:
        return
    cost = np.ones(len(rows), np.int64)
    for store in stores:
        cost += store.colptr[rows + 1] - store.colptr[rows]
    total = np.cumsum(cost)
    start = 0
    while start < len(rows):
        before = total[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(total, before + budget, side="right")))
        yield rows[start:end]
        start = end


def block(graph: Graph, node_type: str, rows: np.ndarray) -> Block:
    """The in-edges of ``rows`` (ascending, of one type) over all edge types that end in it."""
    into = [t for t in graph.edge_types if t.dst == node_type]
    positions, colptr, ends = {}, {}, {}
    for edge_type in into:
        positions[edge_type], colptr[edge_type] = in_edge_positions(graph.edges[edge_type], rows)
        ends[edge_type] = graph.edges[edge_type].row[positions[edge_type]]
    sources: dict[str, np.ndarray] = {}
    row: dict[EdgeType, np.ndarray] = {}
    for name in {t.src for t in into}:
        types = [t for t in into if t.src == name]
        first = rows if name == node_type else rows[:0]
        sources[name], inverse = relabel(first, np.concatenate([ends[t] for t in types]), graph.num_nodes(name))
        cuts = np.cumsum([len(ends[t]) for t in types])[:-1]
        row |= dict(zip(types, np.split(inverse, cuts), strict=True))
    return Block(node_type, rows, sources, colptr, {t: row[t] for t in into}, positions)


def relabel(first: np.ndarray, rows: np.ndarray, num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """``first`` (distinct), then the other distinct rows, ascending; and the place of each of ``rows`` there; int64.

    Many rows are marked in a table as long as the graph's nodes; few are sorted.
    """
    if (len(first) + len(rows)) * 16 < num_nodes:
        others = np.setdiff1d(rows, first).astype(np.int64)
        found = np.concatenate([first, others])
        order = np.argsort(found)
        return found, order[np.searchsorted(found, rows, sorter=order)]
    seen = np.zeros(num_nodes, bool)
    seen[rows] = True
    seen[first] = False
    found = np.concatenate([first, np.flatnonzero(seen)])
    place = np.empty(num_nodes, np.int64)
    place[found] = np.arange(len(found))
    return found, place[rows]

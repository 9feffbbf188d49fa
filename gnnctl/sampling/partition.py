"""Parts of a graph with few edges between them: by METIS, or by streaming where that is not installed."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.native import csc_from_coo, stream_partition
from gnnctl.sampling.keys import absorb, name_hash

PartitionMethod = Literal["metis", "stream"]
SLACK = 1.05
_PASSES = 10


class Union(NamedTuple):
    """A graph's edges of all types as one undirected graph, without loops; its node types follow each other.

    Attributes:
        first: by node type the number of its row 0.
        start: (n + 1,) int64; the neighbours of node i are ``neighbor[start[i]:start[i + 1]]``, ascending, distinct.
        neighbor: (m,) int64, each edge from both ends.
        weight: (m,) int64, how many edges of the graph connect the two, in either direction.
    """

    first: dict[str, int]
    start: np.ndarray
    neighbor: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, graph: Graph, *, num_threads: int = 1) -> "Union":
        """The union of all edge types."""
        sizes = [graph.num_nodes(t) for t in graph.node_types]
        first = dict(zip(graph.node_types, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        total = sum(sizes)
        ends: list[tuple[np.ndarray, np.ndarray]] = []
        for t, store in graph.edges.items():
            dst = np.repeat(np.arange(first[t.dst], first[t.dst] + graph.num_nodes(t.dst)), np.diff(store.colptr))
            src = store.row.astype(np.int64) + first[t.src]
            apart = src != dst
            src, dst = src[apart], dst[apart]
            ends += [(src, dst), (dst, src)]
        none = np.zeros(0, np.int64)
        one, other = (np.concatenate([none, *(pair[i] for pair in ends)]) for i in (0, 1))
        start, row, _ = csc_from_coo(one, other, total, total, True, num_threads)
        fresh = np.ones(len(row), bool)
        fresh[1:] = row[1:] != row[:-1]
        fresh[start[:-1][start[:-1] < len(row)]] = True
        kept = np.flatnonzero(fresh)
        weight = np.diff(np.append(kept, len(row)))
        return cls(first, np.searchsorted(kept, start), row[kept].astype(np.int64), weight)


def partition(
    graph: Graph,
    parts: int,
    *,
    seed: int = 0,
    method: PartitionMethod = "metis",
    passes: int = _PASSES,
    load: Mapping[str, np.ndarray] | None = None,
    num_threads: int = 1,
) -> dict[str, np.ndarray]:
    """Assign each node of each type to one of ``parts`` parts of about equal size, cutting few edges.

    Nodes of all types count alike, and edges of all types, in either direction; loops do not.

    ``metis`` is METIS (Karypis and Kumar, SIAM J. Sci. Comput. 1998) through pymetis; the same seed gives the same
    parts with the same release of it. ``stream`` needs no package: nodes in keyed order (ascending in key(run seed,
    name("partition"), number), see schemas/picks.md) go where the weight of their edges into the part minus 1.5 alpha
    sqrt(size of the part) is greatest, alpha = sqrt(parts) m / n^1.5, among parts of fewer than ceil(1.05 n / parts)
    nodes (Fennel), and that ``passes`` times (restreaming). It is linear in the edges and cuts more than METIS.

    Args:
        graph: partitioned.
        parts: how many, at least 1; some may be empty.
        seed: run seed.
        method: ``metis`` or ``stream``.
        passes: of streaming.
        load: by node type (N,) int64 of at least 1, what METIS balances in the place of the number of nodes; streaming
            takes no notice.
        num_threads: for making the undirected graph; the parts do not depend on it.

    Returns:
        By node type (N,) int64, 0 to parts - 1.

    Raises:
        ValueError: parts, passes or seed out of range, an unknown method.
        UsageError: pymetis is not installed.
    """
    if isinstance(parts, bool) or not isinstance(parts, int) or not 1 <= parts < 2**31:
        raise ValueError(f"parts: expected 1 to 2^31 - 1, got {parts!r}")
    if method not in ("metis", "stream"):
        raise ValueError(f"method: expected metis or stream, got {method!r}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed: {seed} is out of range")
    union = Union.of(graph, num_threads=num_threads)
    count = len(union.start) - 1
    key = absorb(absorb(0, seed), name_hash("partition"))
    if method == "stream":
        most = max(1, int(np.ceil(SLACK * count / parts)))
        found = stream_partition(union.start, union.neighbor, union.weight, parts, most, passes, key)
    else:
        weights = None if load is None else np.concatenate([load[t] for t in graph.node_types])
        found = _metis(union, parts, key, weights)
    return {t: found[at : at + graph.num_nodes(t)] for t, at in union.first.items()}


def _metis(union: Union, parts: int, key: int, load: np.ndarray | None) -> np.ndarray:
    try:
        import pymetis
    except ImportError:
        raise UsageError(
            "partitions by METIS need pymetis", fix='pip install "gnnctl[partition]", or use the method stream'
        ) from None
    count = len(union.start) - 1
    if parts == 1 or len(union.neighbor) == 0 or count <= parts:
        return np.arange(count, dtype=np.int64) % parts
    adjacency = pymetis.CSRAdjacency(union.start, union.neighbor)
    options = pymetis.Options(seed=key % 2**31)
    cut = pymetis.part_graph(parts, adjacency, vweights=load, eweights=union.weight, options=options)
    return np.array(cut.vertex_part, dtype=np.int64)

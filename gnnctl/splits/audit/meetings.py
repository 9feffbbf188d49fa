"""Links of a part and the edges of the graph that join the same two nodes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import Graph
from gnnctl.graph.stores import destinations
from gnnctl.graph.types import EdgeType
from gnnctl.splits.audit.subject import BLOCK
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.splits.link_views import forward_of


@dataclass(frozen=True)
class Meeting:
    """Pairs of a link and an edge that joins the same two nodes.

    Attributes:
        edge_type: of the edges.
        link: (m,) int64, numbers of links in their part.
        pos: (m,) int64, positions of the edges.
        opposite: whether the edges run from the links' destinations to their sources.
        earlier: (m,) bool, edges that are known to be older than their link.
    """

    edge_type: EdgeType
    link: np.ndarray
    pos: np.ndarray
    opposite: bool
    earlier: np.ndarray


def meetings(split: LinkSplit, links: Links, view: int) -> Iterator[Meeting]:
    """Each link with the edges between its ends that a view shows, block by block of edges.

    Args:
        links: of ``split``.
        view: its number: 0 train, 1 val, 2 test.
    """
    pools = _pools(split, links)
    for edge_type, store in split.graph.edges.items():
        ways = [
            (pools[ends], opposite)
            for ends, opposite in (
                ((edge_type.src, edge_type.dst), False),
                ((edge_type.dst, edge_type.src), True),
            )
            if ends in pools
        ]
        codes = split.codes.get(edge_type)
        for start in range(0, store.num_edges, BLOCK) if ways else ():
            stop = min(store.num_edges, start + BLOCK)
            src = np.asarray(store.row[start:stop], np.int64)
            dst = destinations(store.colptr, start, stop)
            pos = np.arange(start, stop)
            if codes is not None:
                shown = codes[start:stop] <= view
                src, dst, pos = src[shown], dst[shown], pos[shown]
            for pool, opposite in ways:
                edge, link = pool.find(*((dst, src) if opposite else (src, dst)))
                if not len(edge):
                    continue
                earlier = np.zeros(len(edge), bool)
                if links.time is not None:
                    at = _visible(split.graph, edge_type, src[edge], dst[edge], pos[edge])
                    earlier = (at < links.time[link]) & (at != ALWAYS)
                yield Meeting(edge_type, link, pos[edge], opposite, earlier)


def is_reverse(graph: Graph, edge_type: EdgeType, predicted: EdgeType) -> bool:
    """Whether one of two types was generated as the reverse of the other."""
    return forward_of(edge_type, graph.edges) == predicted or forward_of(predicted, graph.edges) == edge_type


def pair_keys(graph: Graph, edge_type: EdgeType, src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """(n,) int64: a number for each pair of a source and a destination of a type."""
    keys: np.ndarray = src * np.int64(max(1, graph.num_nodes(edge_type.dst))) + dst
    return keys


def reciprocity(graph: Graph, edge_type: EdgeType) -> float:
    """The share of a type's edges, self-loops left out, whose opposite is an edge of the type too."""
    store = graph.edges[edge_type]
    src, dst = np.asarray(store.row, np.int64), destinations(store.colptr, 0, store.num_edges)
    proper = src != dst
    src, dst = src[proper], dst[proper]
    if edge_type.src != edge_type.dst or not len(src):
        return 0.0
    return float(np.isin(pair_keys(graph, edge_type, dst, src), pair_keys(graph, edge_type, src, dst)).mean())


@dataclass(frozen=True)
class _Pool:
    """Links between two node types, by their pair: ``keys`` (n,) ascending, ``links`` (n,) their numbers."""

    keys: np.ndarray
    links: np.ndarray
    width: int

    def find(self, src: np.ndarray, dst: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of pairs, and of the links between the same nodes."""
        wanted = src * np.int64(self.width) + dst
        low = np.searchsorted(self.keys, wanted)
        count = np.searchsorted(self.keys, wanted, "right") - low
        pair = np.repeat(np.arange(len(wanted)), count)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        return pair, self.links[np.repeat(low, count) + within]


def _pools(split: LinkSplit, links: Links) -> dict[tuple[str, str], _Pool]:
    found = {}
    types = split.target.edge_types
    for ends in dict.fromkeys((t.src, t.dst) for t in types):
        relations = [i for i, t in enumerate(types) if (t.src, t.dst) == ends]
        rows = np.flatnonzero(np.isin(links.relation, relations))
        keys = pair_keys(split.graph, EdgeType(ends[0], "", ends[1]), links.src[rows], links.dst[rows])
        order = np.argsort(keys, kind="stable")
        found[ends] = _Pool(keys[order], rows[order], max(1, split.graph.num_nodes(ends[1])))
    return found


def _visible(graph: Graph, edge_type: EdgeType, src: np.ndarray, dst: np.ndarray, pos: np.ndarray) -> np.ndarray:
    """(m,) int64: when edges and both their ends are there."""
    found = np.full(len(pos), ALWAYS)
    for times, rows in (
        (graph.edges[edge_type].time, pos),
        (graph.nodes[edge_type.src].time, src),
        (graph.nodes[edge_type.dst].time, dst),
    ):
        if times is not None:
            np.maximum(found, times[rows], out=found)
    return found

"""Sampling around both ends of links: which links and negatives a batch has, and what its nodes see."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gnnctl.errors import DataError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.keys import absorb, absorb_rows, name_hash
from gnnctl.sampling.link_batch import Ends, LinkBatch
from gnnctl.sampling.link_negatives import Corrupted, LinkNegatives
from gnnctl.sampling.method import Method
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.served import ServedMethod
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.subgraph import Subgraph
from gnnctl.sampling.trees import HiddenEdges, Trees, hidden_edges
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.splits.link_groups import parse_reverses

TREES_OF_LINKS = "link"


def opposites(graph: Graph, edge_type: EdgeType) -> list[EdgeType]:
    """The edge types that hold the same links the other way round: a generated reverse type, the type that this one is
    the reverse of, or the type itself where it is undirected."""
    src, rel, dst = edge_type
    reverse, forward = EdgeType(dst, "rev_" + rel, src), edge_type.forward
    found = [reverse] if reverse in graph.edges and graph.edges[reverse].forward is not None else []
    if graph.edges[edge_type].forward is not None and forward in graph.edges:
        found.append(forward)
    return [*found, edge_type] if graph.edges[edge_type].undirected else found


def opposites_of(split: LinkSplit) -> dict[EdgeType, list[EdgeType]]:
    """By predicted type :func:`opposites`, and those that were declared when the links were split."""
    options = {} if split.artifact is None else split.artifact.manifest.options
    declared = parse_reverses(split.graph, options.get("reverse_of", []))
    found = {t: [*opposites(split.graph, t), *declared.get(t, [])] for t in split.target.edge_types}
    return {t: list(dict.fromkeys(types)) for t, types in found.items()}


def check_links(spec: SampleSpec | None, edge_types: Sequence[EdgeType], *, timed: bool) -> None:
    """Refuse a way of sampling that does not go with links.

    Args:
        spec: fan-outs; None: another way.
        edge_types: of the links.
        timed: whether links have times.

    Raises:
        UsageError, DataError: why, and what to do.
    """
    if spec is None:
        if len({name for t in edge_types for name in (t.src, t.dst)}) > 1:
            problem = "this sampler takes seeds of one node type, and the links connect several"
            raise UsageError(problem, fix="use --num-neighbors")
        return
    if spec.time is not None and not timed:
        raise DataError("the links have no time to sample at", fix="name a time at ingest")
    if spec.disjoint and (spec.replace or spec.subgraph != "directional"):
        flag = "--replace" if spec.replace else f"--subgraph {spec.subgraph}"
        raise UsageError(f"{flag}: the tree of a link could not hide it", fix="leave it or --disjoint out")


class LinkSampler:
    """A :class:`Method` whose seeds are the links of one part, by number (n,) int64.

    The nodes of hop 0 are the distinct ends of all links and negatives, in the order in which these name them. In
    disjoint sampling a link and its negatives share a tree, whose key has both ends of the link, and which does not see
    the link itself: neither it nor its duplicates, nor those edges of ``opposite`` types that run back, are there to be
    drawn. Where samples are joint nothing is hidden: the view must be without its own links, or the model sees them.

    Args:
        method: samples the part's view. Another way than by fan-outs only where links connect one node type.
        links: of the part.
        edge_types: their relations.
        negatives: how they are drawn; or fixed ones, those of link i being rows i * K to (i + 1) * K - 1; None: none.
        opposite: by edge type of the links, those that hold the same links the other way round. Only what is hidden
            depends on it. None: see :func:`opposites`, of the sampled graph.

    Raises:
        UsageError: a method that has no seeds of several types, or that cannot hide edges.
        DataError: sampling by time around links that have none.
        ValueError: fixed negatives that are not as many for each link.
    """

    def __init__(
        self,
        method: Method,
        links: Links,
        edge_types: Sequence[EdgeType],
        negatives: LinkNegatives | Links | None = None,
        *,
        opposite: Mapping[EdgeType, Sequence[EdgeType]] | None = None,
    ) -> None:
        self.graph = method.graph
        self.edge_types = tuple(edge_types)
        self.links = links
        self._method = method
        self._negatives = negatives
        spec = (
            method.spec
            if isinstance(method, Sampler)
            else method.fan_outs
            if isinstance(method, ServedMethod)
            else None
        )
        self.disjoint = spec is not None and spec.disjoint
        check_links(spec, edge_types, timed=links.time is not None)
        self._opposite = {t: opposites(self.graph, t) for t in edge_types} if opposite is None else opposite
        if isinstance(negatives, Links) and len(negatives.src) % max(1, len(links.src)):
            raise ValueError(f"negatives: {len(negatives.src)} are not as many for each of {len(links.src)} links")

    def links_of(self, numbers: np.ndarray, epoch: int) -> LinkBatch:
        """The links ``numbers`` (b,) int64 of the part, with their negatives of an epoch."""
        relation, src, dst = (part[numbers] for part in (self.links.relation, self.links.src, self.links.dst))
        drawn = self._drawn(numbers, relation, src, dst, epoch)
        group = np.concatenate([np.arange(len(numbers)), drawn.positive])
        order = np.argsort(group, kind="stable")
        return LinkBatch(
            self.edge_types,
            np.concatenate([src, drawn.src])[order],
            np.concatenate([dst, drawn.dst])[order],
            group[order].astype(np.int32),
            relation.astype(np.int32),
            None if self.links.time is None else self.links.time[numbers],
            self.disjoint,
        )

    def _drawn(
        self, numbers: np.ndarray, relation: np.ndarray, src: np.ndarray, dst: np.ndarray, epoch: int
    ) -> Corrupted:
        if isinstance(self._negatives, LinkNegatives):
            return self._negatives.draw(relation, src, dst, epoch)
        fixed, each = self._negatives, 0
        if fixed is None or (each := len(fixed.src) // max(1, len(self.links.src))) == 0:
            return Corrupted(*np.zeros((3, 0), np.int64))
        rows = (numbers[:, None] * each + np.arange(each)).ravel()
        return Corrupted(fixed.src[rows], fixed.dst[rows], np.repeat(np.arange(len(numbers)), each))

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """None: links may go anywhere."""
        return None

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """The subgraph around links: ``seeds`` are their numbers in the part, and the node type says nothing."""
        return self.around(self.links_of(seeds, epoch), epoch)

    def around(self, links: LinkBatch, epoch: int) -> Subgraph:
        """The subgraph around links and negatives that are drawn already."""
        if isinstance(self._method, ServedMethod) and self._method.fan_outs is not None:
            subgraph = self._method.around(links, epoch, self._opposite)
            return replace(subgraph, seeds=links.rows, links=links)
        ends = links.ends()
        if not isinstance(self._method, Sampler):
            [node_type] = ends.rows
            subgraph = self._method.sample(ends.rows[node_type], node_type, epoch)
        else:
            trees = self.trees(links, ends) if self.disjoint else None
            subgraph = self._method.sample_many(ends.rows, epoch, trees)
        return replace(subgraph, seeds=links.rows, node_type=self.edge_types[0].src, links=links)

    def trees(self, links: LinkBatch, ends: Ends) -> Trees:
        """What disjoint sampling grows from links whose groups have ends apart."""
        assert isinstance(self._method, Sampler)
        first = np.flatnonzero(links.positive)
        names = np.array([absorb(0, name_hash(str(t))) for t in self.edge_types], np.uint64)
        words = absorb_rows(absorb_rows(names[links.relation], links.src[first]), links.dst[first])
        return Trees(
            TREES_OF_LINKS,
            words,
            {t: group.astype(np.int32) for t, group in ends.group.items()},
            links.times if self._method.spec.time is not None else None,
            self._hidden(links, ends, first),
        )

    def _hidden(self, links: LinkBatch, ends: Ends, first: np.ndarray) -> dict[EdgeType, HiddenEdges]:
        """What the trees do not see: edges of links that are themselves in the batch, each in its own tree."""
        pairs: dict[EdgeType, list[tuple[np.ndarray, np.ndarray]]] = {}
        for number, t in enumerate(self.edge_types):
            at = first[links.relation == number]
            source, target = ends.local[at].T
            pairs.setdefault(t, []).append((links.src[at], target))
            for back in self._opposite.get(t, ()):
                pairs.setdefault(back, []).append((links.dst[at], source))
        return {
            t: hidden_edges(
                self.graph,
                t,
                ends.rows[t.dst],
                np.concatenate([s for s, _ in found]),
                np.concatenate([a for _, a in found]),
            )
            for t, found in pairs.items()
        }

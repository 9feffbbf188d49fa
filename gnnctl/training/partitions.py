"""Training in as many processes as a split's graph has partitions: each opens its own, and takes the seeds in it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.partition_files import BASE, PartitionIndex, has_partitions
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.processes import Place
from gnnctl.sampling.partitioned import open_partition
from gnnctl.sampling.share import Share
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.node import NodeSplit


def graph_here(split: Artifact, given: Graph | Path | None, place: Place) -> Graph | Path | None:
    """The graph that a process opens a split with: its partition where there are several processes, else as given.

    Raises:
        UsageError: another number of processes, or a graph from elsewhere.
    """
    if place.among == 1 or not has_partitions(split):
        return given
    index = PartitionIndex(split)
    if index.parts != place.among:
        raise UsageError(
            f"{split.path} is in {index.parts} partitions, and there are {place.among} processes",
            fix=f"start {index.parts}, or one, which reads the whole graph",
        )
    if given is not None:
        raise UsageError(f"--graph: {split.path} has the graph in partitions", fix="leave it out")
    return open_partition(index, place.rank)


def not_read_here(place: Place) -> Callable[[str], bool]:
    """Tells the files of a split that a process does not read: the partitions of others."""

    def told(path: str) -> bool:
        folder, _, rest = path.partition("/")
        number = rest.partition("/")[0]
        return folder == BASE and number.isdecimal() and (place.among == 1 or int(number) != place.rank)

    return told


def share_of(split: NodeSplit | LinkSplit, part: str, share: Share) -> Share:
    """A process's share of the seeds of a part: where the graph is in partitions, the seeds that it owns."""
    graph = split.graph
    if share.among == 1 or not isinstance(graph, PartitionedGraph):
        return share
    if isinstance(split, NodeSplit):
        return share._replace(owner=graph.index.owner[split.target.node_type])
    return share._replace(owner=_owner_of_links(split, graph, part))


def _owner_of_links(split: LinkSplit, graph: PartitionedGraph, part: str) -> np.ndarray:
    """(n,) who owns the destination of each link."""
    links = split.part(part)
    found = np.zeros(links.size, np.int32)
    for number, edge_type in enumerate(split.target.edge_types):
        own = links.relation == number
        found[own] = graph.index.owner[edge_type.dst][links.dst[own]]
    return found

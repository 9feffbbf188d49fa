"""What every way of sampling offers, so that loading, storing and training know only one."""

from typing import Protocol

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.sampling.subgraph import Subgraph


class Method(Protocol):
    """A way of sampling: a pure function of the graph, its parameters, the epoch and the set of seeds.

    Attributes:
        graph: what is sampled from.
    """

    graph: Graph

    def sample(self, seeds: np.ndarray, node_type: str, epoch: int) -> Subgraph:
        """The subgraph around ``seeds``, (s,) int64 distinct rows of ``node_type``; from any number of threads."""

    def groups(self, seeds: np.ndarray, node_type: str) -> np.ndarray | None:
        """(s,) int64 group of each seed; those of one group belong in the same batch. None: they may go anywhere."""

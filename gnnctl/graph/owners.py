"""What the processes that hold the partitions of one graph ask of each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from gnnctl.graph.store_interfaces import FeatureStore


@dataclass(frozen=True)
class Frontier:
    """Nodes of one owner, n of them, whose in-edges one hop of sampling draws.

    Attributes:
        spec: the fan-outs, as :meth:`gnnctl.sampling.SampleSpec.to_json` writes them.
        hop: which of them, from 0.
        epoch: enters the keys.
        counts: nodes of each node type, in the graph's order.
        rows: (n,) int64, those of the types one after another.
        view: of a split of links; None: the whole graph.
        kind: what disjoint sampling grows its trees from: the hash of its name.
        words: (n,) int64, the bits of the word of each node's tree; None: joint sampling.
        times: (n,) int64 of each node's tree, where sampling heeds time.
        hidden: by number of an edge type (ptr, offset): what its destinations among these do not see, as in
            ``HiddenEdges``.
    """

    spec: Mapping[str, Any]
    hop: int
    epoch: int
    counts: list[int]
    rows: np.ndarray
    view: int | None = None
    kind: int = 0
    words: np.ndarray | None = None
    times: np.ndarray | None = None
    hidden: Mapping[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


class Picks(NamedTuple):
    """In-edges of one type that were drawn for the d nodes of a frontier that are of its destination type.

    Attributes:
        degree: (d,) int64, how many of each node.
        source: (e,) int64 rows in the whole graph, node after node, in pick order.
        pos: (e,) int64 positions in the whole graph's (or the view's) CSC.
    """

    degree: np.ndarray
    source: np.ndarray
    pos: np.ndarray


class Owner(Protocol):
    """One partition, in this process or in another: its nodes' features, its nodes' in-edges."""

    def features(self, view: int | None) -> FeatureStore:
        """Its rows, by their numbers in the whole graph; those of edges by their positions in a view.

        A row of another partition is an IndexError.
        """

    def pick(self, frontier: Frontier) -> list[Picks]:
        """What a hop draws, by edge type, in the graph's order."""

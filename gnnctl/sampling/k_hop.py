"""Whole neighbourhoods of k hops."""

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import ALL, SampleSpec
from gnnctl.sampling.subgraph import Subgraph


def k_hop(graph: Graph, seeds: np.ndarray, node_type: str, hops: int, *, num_threads: int = 1) -> Subgraph:
    """The whole neighbourhood of ``hops`` hops: every in-edge of every node nearer than that, as fan-outs of -1 give.

    Edges among nodes of the last hop are not in it; ``induced_of(k_hop(...), graph)`` has them. Each call checks the
    graph; for many, keep a :class:`gnnctl.sampling.Sampler` with these fan-outs.

    Args:
        seeds: (s,) int64 distinct rows.
        node_type: of the seeds.
        hops: at least 0.
        num_threads: for the check of the graph.

    Raises:
        TypeError, ValueError: seeds of another dtype, out of range or twice, an unknown node type, negative hops.
    """
    if hops < 0:
        raise ValueError(f"hops: expected 0 or more, got {hops}")
    spec = SampleSpec.uniform(graph.edge_types, (ALL,) * hops)
    return Sampler(graph, spec, num_threads=num_threads).sample(seeds, node_type, 0)

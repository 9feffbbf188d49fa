"""Neighbour sampling: on the fly, into records, from records, through pipes; always the same batches.

Nothing here needs torch but :mod:`gnnctl.sampling.loader`.
"""

from gnnctl.sampling.merge import merge
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.seeds import batches
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.subgraph import Subgraph, SubgraphEdges

__all__ = ["SampleSpec", "Sampler", "Subgraph", "SubgraphEdges", "batches", "merge"]

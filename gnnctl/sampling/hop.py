"""One hop of sampling over one's own partition: the owner's side of sampling in partitions."""

import json
import threading

import numpy as np

from gnnctl.graph.own_part import OwnPart, OwnRows
from gnnctl.graph.owners import Frontier, Picks
from gnnctl.graph.store_interfaces import FeatureStore
from gnnctl.native import SampledEdgeType, SamplerRules
from gnnctl.native import Sampler as NativeSampler
from gnnctl.sampling.keys import name_hash
from gnnctl.sampling.spec import SampleSpec


class LocalOwner:
    """The :class:`gnnctl.graph.owners.Owner` of a partition that this process holds; asked from any number of threads.

    What a node draws depends on its row and its tree alone, never on the hop or on its neighbours in the batch: so a
    hop is a sample of one hop around the frontier, in which every node of disjoint sampling is a tree of its own.

    Args:
        part: held.
    """

    def __init__(self, part: OwnPart) -> None:
        self.part = part
        self._samplers: dict[str, NativeSampler] = {}
        self._stores: dict[int | None, OwnRows] = {}
        self._lock = threading.Lock()

    def features(self, view: int | None) -> FeatureStore:
        """See :class:`gnnctl.graph.owners.Owner`."""
        with self._lock:
            if view not in self._stores:
                self._stores[view] = OwnRows(self.part, view)
            return self._stores[view]

    def pick(self, frontier: Frontier) -> list[Picks]:
        """See :class:`gnnctl.graph.owners.Owner`.

        Raises:
            ValueError: nodes of another partition, or what the sampler refuses.
        """
        index = self.part.index
        types, cuts = list(index.owner), np.cumsum(frontier.counts)[:-1]
        if len(frontier.counts) != len(types) or sum(frontier.counts) != len(frontier.rows):
            raise ValueError("counts: they do not fit the nodes")
        rows = [np.ascontiguousarray(own, np.int64) for own in np.split(frontier.rows, cuts)]
        for name, own in zip(types, rows, strict=True):
            if len(own) and not (own.min() >= 0 and own.max() < len(index.owner[name])):
                raise ValueError(f"rows: a '{name}' is outside 0..{len(index.owner[name]) - 1}")
            if not (index.owner[name][own] == self.part.number).all():
                raise ValueError(f"rows: a '{name}' is not in partition {self.part.number}")
        sampler = self._sampler(frontier)
        if frontier.words is None:
            nodes, edges = sampler.sample_many(rows, frontier.epoch)
        else:
            trees = np.split(np.arange(len(frontier.rows), dtype=np.int32), cuts)
            words = np.ascontiguousarray(frontier.words, np.int64).view(np.uint64)
            hidden = [(number, *found) for number, found in frontier.hidden.items()]
            kind, times = frontier.kind, frontier.times
            nodes, edges = sampler.sample_many(rows, frontier.epoch, trees, kind, words, times, hidden)
        found = []
        for edge_type, (colptr, row, pos, _) in zip(index.edge_types, edges, strict=True):
            own = rows[types.index(edge_type.dst)]
            count = np.diff(colptr[: len(own) + 1])
            held = self.part.edges(edge_type, frontier.view)
            source = nodes[types.index(edge_type.src)][0][row]
            found.append(Picks(count, source, held.position(np.repeat(own, count), pos)))
        return found

    def _sampler(self, frontier: Frontier) -> NativeSampler:
        """That of a hop; hops of the same fan-outs share one."""
        spec, hop, view = SampleSpec.from_json(dict(frontier.spec)), frontier.hop, frontier.view
        if not 0 <= hop < spec.hops:
            raise ValueError(f"hop: the fan-outs have none of number {hop}")
        fan_outs = {str(t): each[hop] for t, each in spec.num_neighbors.items()}
        budget = [] if spec.budget is None else [spec.budget[hop]]
        key = json.dumps([spec.to_json() | {"num_neighbors": fan_outs, "budget": budget}, view], sort_keys=True)
        with self._lock:
            if key not in self._samplers:
                self._samplers[key] = self._opened(spec, fan_outs, budget, view)
            return self._samplers[key]

    def _opened(self, spec: SampleSpec, fan_outs: dict[str, int], budget: list[int], view: int | None) -> NativeSampler:
        index = self.part.index
        numbers = {name: i for i, name in enumerate(index.owner)}
        edge_types = []
        for t in index.edge_types:
            held = self.part.edges(t, view)
            edge_types.append(
                SampledEdgeType(
                    numbers[t.src],
                    numbers[t.dst],
                    held.colptr,
                    held.arrays["row"],
                    name_hash(str(t)),
                    [fan_outs.get(str(t), 0)],
                    weight=held.arrays.get("weight") if spec.draw == "weighted" else None,
                    time=None if spec.time is None else held.arrays.get("time"),
                    source_time=None if spec.time is None else index.array(f"nodes/{t.src}/time"),
                )
            )
        return NativeSampler(
            [len(owner) for owner in index.owner.values()],
            [name_hash(name) for name in numbers],
            edge_types,
            1,
            spec.seed,
            SamplerRules(spec.replace, spec.disjoint, spec.draw, spec.time or "always", budget),
        )

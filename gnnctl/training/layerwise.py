"""Exact inference in bounded memory: each layer for all nodes that a later one needs, before the next layer begins.

A layer is computed in blocks of destination nodes, sized by their in-edges; its input lies in a store of rows. So
memory is bounded by one block and two layers of representations, whatever the depth, and no node is computed twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnnctl.console import Progress, no_progress
from gnnctl.graph.batch import Degrees, gathered_degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.nn.models.layer import LayerEdges
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.neighborhood import Block, block, chunks_by_edges, needed_rows
from gnnctl.training.shared_rows import Stores, exchange, joined, own_rows
from gnnctl.training.store import DEFAULT_MEMORY, RowStore, room_for

EDGE_BUDGET = 1 << 20  # in-edges plus nodes of a block
NODE_CHUNK = 1 << 15  # nodes encoded, or classified, at a time
NodeIds = dict[str, np.ndarray]


@dataclass(frozen=True)
class Layerwise:
    """One exact inference.

    Attributes:
        model: with the layered calls of ``gnnctl.nn.models.GNN``, on ``device``, in eval mode.
        graph: whose nodes are scored.
        node_ids: where ``graph`` is not the model's own, by node type each row's row in that one, -1 for none.
        edge_budget: in-edges plus nodes of a block.
        memory: bytes of representations kept in memory; larger layers lie in temporary mapped files.
        processes: that compute each layer together, each the rows of its partition, or an equal part; all get all.
    """

    model: Any
    graph: Graph
    device: torch.device
    node_ids: NodeIds | None = None
    edge_budget: int = EDGE_BUDGET
    memory: int = DEFAULT_MEMORY
    progress: Progress = no_progress
    processes: Processes = ALONE

    def run(self, node_type: str, rows: np.ndarray, *, entered: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
        """Logits (n, num_outputs) of ``rows`` of ``node_type``, and what entered the last layer (n, width), None where
        that is not asked for; float32, mapped where they exceed the memory."""
        return self.outputs({node_type: rows}, entered=entered)[node_type]

    @torch.no_grad()
    def outputs(
        self, wanted: Mapping[str, np.ndarray], *, entered: bool = True
    ) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
        """By node type what :meth:`run` gives of its rows; no representation is computed twice."""
        layers = int(self.model.num_layers)
        needed = needed_rows(self.graph, wanted, layers, self.processes)
        total = sum(len(part) for level in needed for part in level.values())
        with self.progress(total=total, desc="exact", unit="node") as bar:
            found = self._encode(needed[0], bar)
            before: Stores = {}
            for i in range(layers):
                before = found
                found = self._layer(i, found, needed[i + 1], bar)
        last = found if layers == 0 or getattr(self.model, "output", None) is not None else before
        return {
            t: (self._logits(found[t], rows), last[t].copy(rows, self.memory // 2) if entered else None)
            for t, rows in wanted.items()
        }

    def _logits(self, found: RowStore, rows: np.ndarray) -> np.ndarray:
        first, last = self.processes.share.bounds(len(rows))
        own = room_for((last - first, self.model.out_channels), self.memory // 2)
        for start in range(0, len(own), NODE_CHUNK):
            part = found.read(rows[first:last][start : start + NODE_CHUNK])
            own[start : start + len(part)] = self._numpy(self.model.head(self._tensor(part)))
        if self.processes.share.among == 1:
            return own
        return joined(own, room_for((len(rows), own.shape[1]), self.memory // 2), self.processes)

    def _encode(self, needed: dict[str, np.ndarray], bar: Any) -> Stores:
        """Representations of the nodes that the first layer needs."""
        found: Stores = {}
        for name, rows in self._own(needed).items():
            for start in range(0, len(rows), NODE_CHUNK):
                part = rows[start : start + NODE_CHUNK]
                x = self.graph.nodes[name].features(part)
                ids = part if self.node_ids is None else self.node_ids[name][part]
                values = self.model.encode(
                    {name: None if x is None else self._tensor(x)}, {name: self._tensor(ids)}
                ).get(name)
                if values is None:
                    break  # the model has no use for this type
                if name not in found:
                    found[name] = RowStore(rows, self.graph.num_nodes(name), values.shape[1], self.memory)
                found[name].write(part, self._numpy(values))
                bar.update(len(part))
        return exchange(self.graph, needed, found, self.memory, self.processes, bar)

    def _layer(self, i: int, before: Stores, needed: dict[str, np.ndarray], bar: Any) -> Stores:
        """Representations after layer ``i`` of the nodes that the next one needs."""
        found: Stores = {}
        for name, rows in self._own(needed).items():
            into = [store for t, store in self.graph.edges.items() if t.dst == name]
            for part in chunks_by_edges(into, rows, self.edge_budget):
                one_hop = block(self.graph, name, part)
                h_src = {t: self._tensor(before[t].read(s)) for t, s in one_hop.sources.items() if t in before}
                h_dst = {name: self._tensor(before[name].read(part))}
                values = self.model.layer(i, h_src, h_dst, self._edges(one_hop)).get(name)
                if values is None:
                    break
                if name not in found:
                    found[name] = RowStore(rows, self.graph.num_nodes(name), values.shape[1], self.memory)
                found[name].write(part, self._numpy(values))
                bar.update(len(part))
        return exchange(self.graph, needed, found, self.memory, self.processes, bar)

    def _own(self, needed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Those that this process computes."""
        rank = self.processes.share.rank
        return {name: own_rows(self.graph, name, rows, self.processes)[rank] for name, rows in needed.items()}

    def _edges(self, one_hop: Block) -> LayerEdges:
        edges = LayerEdges({})
        weight: dict[EdgeType, Tensor | None] = {}
        attribute: dict[EdgeType, Tensor | None] = {}
        degree: dict[EdgeType, Degrees] = {}
        for t, colptr in one_hop.colptr.items():
            store, positions, sources = self.graph.edges[t], one_hop.positions[t], one_hop.sources[t.src]
            edges.edge_index[t] = EdgeIndex(
                torch.from_numpy(colptr),
                torch.from_numpy(one_hop.row[t]),
                len(sources),
                len(one_hop.rows),
                validate=False,
            ).to(self.device)
            if store.weight is not None:
                weight[t] = self._tensor(store.weight[positions])
            if store.edge_attr is not None:
                attribute[t] = self._tensor(store.edge_attr[positions])
            if self.model.needs_degree:
                whole = gathered_degrees(self.graph, t, sources, one_hop.rows)
                degree[t] = whole.mapped(lambda part: part.to(self.device))
        edges.edge_weight, edges.edge_attr, edges.degree = weight, attribute, degree
        return edges

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values if values.flags.writeable else values.copy()).to(self.device)

    @staticmethod
    def _numpy(values: Tensor) -> np.ndarray:
        found: np.ndarray = values.float().cpu().numpy()
        return found

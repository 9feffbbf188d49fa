"""Many graphs in one: a table of them, and for every node type which rows are whose."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.artifacts.checksum import array_checksum
from gnnctl.errors import ArtifactError
from gnnctl.graph.stores import EdgeStore, NodeStore
from gnnctl.graph.types import EdgeType

GRAPH = "graph"  # what a row of the table is called where a node type's name may stand
_EDGES = 1 << 22  # looked at together


@dataclass(frozen=True)
class GraphSet:
    """The graphs of a data set that is one graph; no edge leads from one of them to another.

    Attributes:
        table: ids, kept columns, label and features of the G graphs.
        ptr: by node type (G + 1,) int64, rising from 0 to the type's nodes: graph g has its rows
            ``ptr[g]:ptr[g + 1]``, which may be none.
    """

    table: NodeStore
    ptr: dict[str, np.ndarray]

    @property
    def num_graphs(self) -> int:
        """G."""
        return self.table.num_nodes

    @property
    def sizes(self) -> np.ndarray:
        """(G,) int64: nodes of each graph, of all types."""
        found = np.zeros(self.num_graphs, np.int64)
        for ptr in self.ptr.values():
            found += np.diff(ptr)
        return found

    def check(self, num_nodes: dict[str, int]) -> None:
        """Check that every node of every type is in one graph.

        Raises:
            ValueError: which ``ptr`` is wrong, and how.
        """
        for name, count in num_nodes.items():
            if name not in self.ptr:
                raise ValueError(f"graphs: there is no ptr of the node type '{name}'")
            ptr = self.ptr[name]
            if ptr.shape != (self.num_graphs + 1,) or ptr[0] != 0 or ptr[-1] != count or np.any(ptr[1:] < ptr[:-1]):
                raise ValueError(
                    f"graphs: ptr of '{name}' must rise from 0 to {count} in {self.num_graphs + 1} entries"
                )

    def crossing(self, edge_type: EdgeType, edges: EdgeStore, limit: int = 3) -> tuple[int, np.ndarray]:
        """How many edges lead from one graph to another, and the first of them as (limit, 2) rows of their ends."""
        source, target = self.ptr[edge_type.src], self.ptr[edge_type.dst]
        starts = np.asarray(edges.colptr[target])  # by graph, the first position of its edges
        count, first = 0, np.zeros((0, 2), np.int64)
        begin = 0
        while begin < self.num_graphs:
            # As many graphs as have some millions of edges, at least one.
            end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + _EDGES, "right")) - 1)
            rows = np.asarray(edges.row[starts[begin] : starts[end]])
            each = np.diff(starts[begin : end + 1])
            low, high = (np.repeat(source[begin + i : end + i], each) for i in (0, 1))
            wrong = np.flatnonzero((rows < low) | (rows >= high))
            count += len(wrong)
            if len(wrong) and len(first) < limit:
                places = wrong[: limit - len(first)]
                to = np.searchsorted(edges.colptr, places + starts[begin], "right") - 1
                first = np.concatenate([first, np.stack([rows[places].astype(np.int64), to], 1)])
            begin = end
        return count, first

    def fingerprint_parts(self) -> dict[str, Any]:
        """What distinguishes the graphs of one in memory."""
        x = self.table.x
        return {
            "x": None if x is None else array_checksum(np.asarray(x)),
            "ptr": {t: array_checksum(p) for t, p in self.ptr.items()},
        }

    # -- on disk -----------------------------------------------------------------------------------------------------

    def layout(self) -> dict[str, Any]:
        """What ``graph.json`` says of the table."""
        table = self.table
        return {
            "num_graphs": self.num_graphs,
            "ids": table.ids is not None,
            "x": table.x is not None,
            "columns": [] if table.columns is None else table.columns.column_names,
            "label": table.label,
            "features": table.feature_names,
        }

    def write_ptr(self, writer: ArtifactWriter) -> None:
        """Write the ranges of every node type."""
        for name, ptr in self.ptr.items():
            writer.array(f"graphs/ptr/{name}", ptr)

    @classmethod
    def open(cls, artifact: Artifact, table: NodeStore, num_nodes: dict[str, int]) -> "GraphSet":
        """The graphs of an artifact, whose table was opened already.

        Raises:
            ArtifactError: the ranges do not fit the nodes.
        """
        found = cls(table, {name: artifact.array(f"graphs/ptr/{name}") for name in num_nodes})
        try:
            found.check(num_nodes)
        except ValueError as error:
            raise ArtifactError(f"{artifact.path}: {error}", fix="make the graph again, or copy it whole") from None
        return found

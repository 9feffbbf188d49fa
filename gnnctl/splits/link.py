"""Splits of links: for each part the links to be predicted, and the one graph that messages pass over meanwhile."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.errors import ArtifactError
from gnnctl.graph.graph import Graph
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.graph.types import EdgeType
from gnnctl.remote import ServedGraph, ServedView, graph_parent
from gnnctl.splits.link_groups import ends_of
from gnnctl.splits.link_target import LinkTarget
from gnnctl.splits.link_views import edges_seen
from gnnctl.splits.node import PARTS

if TYPE_CHECKING:
    import pyarrow as pa


class Links(NamedTuple):
    """Links of a part, n of them, sorted by (relation, position).

    Attributes:
        relation: (n,) int64, place of the link's type in ``target.edge_types``.
        src, dst: (n,) int64, rows of the type's source and destination.
        pos: (n,) int64, the edge's position in the whole graph's CSC of its type; -1 of a negative.
        time: (n,) int64, or None where the graph has no times.
        label: of the task ``edge`` int64 (n,), or float32 (n,) or (n, num_outputs); None of the task ``link``.
    """

    relation: np.ndarray
    src: np.ndarray
    dst: np.ndarray
    pos: np.ndarray
    time: np.ndarray | None = None
    label: np.ndarray | None = None

    @property
    def size(self) -> int:
        """n."""
        return len(self.relation)

    def take(self, rows: np.ndarray) -> "Links":
        """Some of them, by number or by mask."""
        time, label = (None if values is None else values[rows] for values in (self.time, self.label))
        return Links(self.relation[rows], self.src[rows], self.dst[rows], self.pos[rows], time, label)


@dataclass(frozen=True)
class LinkSplit:
    """Links of the three parts, and by part the edges that messages pass along.

    Attributes:
        graph: the whole graph that was split.
        target: what is predicted.
        parts: by name, the links that are learnt from, chosen by, and judged on.
        negatives: of val and test, the fixed negatives of evaluation: those of positive i are rows i * K to
            (i + 1) * K - 1. Empty where there are none.
        codes: by edge type (E,) int8, the first view that shows an edge: 0 train, 1 val, 2 test, 3 none of them. A type
            that is missing is seen in every view.
        counts: links that are in no part, by reason.
        warnings: what a user should know, a sentence each.
        artifact: where it was read from, or None.
    """

    graph: Graph
    target: LinkTarget
    parts: dict[str, Links]
    negatives: dict[str, Links] = field(default_factory=dict)
    codes: dict[EdgeType, np.ndarray] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    artifact: Artifact | None = None
    _views: dict[int, Graph] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, source: Path | str | Artifact, graph: Graph | Path | str | None = None) -> "LinkSplit":
        """Open a split artifact and the graph it was made from, or that graph as found elsewhere.

        Raises:
            ArtifactError: missing, damaged, no split of links, or another graph than it was made from.
        """
        artifact = source if isinstance(source, Artifact) else Artifact.open(source, "split")
        document = artifact.json("target")
        if document["task"] not in ("link", "edge"):
            raise ArtifactError(f"{artifact.path} is a split of {document['task']}s", fix="name a split of links")
        graph = graph_parent(artifact, graph)
        summary = artifact.manifest.summary
        codes = {t: artifact.array(f"codes/{t.key}") for t in graph.edges if artifact.has(f"codes/{t.key}")}
        for edge_type, code in codes.items():
            if code.shape != (graph.edges[edge_type].num_edges,) or code.dtype != np.int8:
                raise ArtifactError(f"{artifact.path}/codes/{edge_type.key} does not fit", fix="make the split again")
        return cls(
            graph,
            LinkTarget.from_json(document),
            {name: _read_links(artifact.table(name)) for name in PARTS},
            {n: _read_links(artifact.table(f"negatives/{n}")) for n in PARTS if artifact.has(f"negatives/{n}")},
            codes,
            summary.get("left_out", {}),
            summary.get("warnings", []),
            artifact,
        )

    def part(self, name: str) -> Links:
        """The links of ``train``, ``val`` or ``test``."""
        return self.parts[name]

    def view(self, name: str) -> Graph:
        """The graph that messages pass over while a part is learnt from or scored; made once, in memory where
        the whole graph is here.

        Positions of its edges are its own. It has the edges' weights, features and times, and none of their kept
        columns.
        """
        number = PARTS.index(name)
        if number not in self._views and isinstance(self.graph, PartitionedGraph):
            self._views[number] = self.graph.view(number)
        elif number not in self._views and isinstance(self.graph, ServedGraph):
            self._views[number] = ServedView(self.graph, self.codes, number)
        elif number not in self._views:
            edges = edges_seen(self.graph.edges, self.codes, number)
            self._views[number] = Graph(self.graph.nodes, edges, encoders=self.graph.encoders, graphs=self.graph.graphs)
        return self._views[number]

    def known(self) -> dict[EdgeType, tuple[np.ndarray, np.ndarray]]:
        """By predicted type, sources and destinations (E,) int64 of every true link of the whole graph."""
        return {t: ends_of(self.graph, t) for t in self.target.edge_types}

    def write(self, writer: ArtifactWriter) -> None:
        """Write everything of a split artifact."""
        for name, links in self.parts.items():
            writer.table(name, _links_table(links))
        for name, links in self.negatives.items():
            writer.table(f"negatives/{name}", _links_table(links).select(["relation", "src", "dst"]))
        for edge_type, code in self.codes.items():
            writer.array(f"codes/{edge_type.key}", code)
        writer.json("target", self.target.to_json())
        writer.summary.update(self.summary())

    def summary(self) -> dict[str, Any]:
        """Counts for the manifest and for reports."""
        target = self.target
        names = [str(t) for t in target.edge_types]
        summary: dict[str, Any] = {
            "target": str(target),
            "problem": target.problem,
            "seeds": {name: links.size for name, links in self.parts.items()},
            "left_out": self.counts,
            "edge_types": {
                name: dict(zip(names, np.bincount(links.relation, minlength=len(names)).tolist(), strict=True))
                for name, links in self.parts.items()
            },
            "messages": {
                name: {str(t): self._edges_seen(t, number) for t in self.graph.edges}
                for number, name in enumerate(PARTS)
            },
        }
        if self.negatives:
            summary["negatives"] = {name: links.size for name, links in self.negatives.items()}
        if target.classes is not None:
            classes = list(map(str, target.classes))
            summary["classes"] = {
                name: dict(zip(classes, self.class_counts(name).tolist(), strict=True)) for name in self.parts
            }
        elif target.problem == "regression":
            summary |= {"mean": target.mean, "std": target.std}
        return {**summary, "warnings": self.warnings}

    def _edges_seen(self, edge_type: EdgeType, number: int) -> int:
        codes = self.codes.get(edge_type)
        return self.graph.edges[edge_type].num_edges if codes is None else int((codes <= number).sum())

    def class_counts(self, part: str) -> np.ndarray:
        """(num_outputs,) int64: links of each class, or with each label."""
        label = self.parts[part].label
        assert label is not None
        counts: np.ndarray = (
            label.sum(axis=0, dtype=np.float64).astype(np.int64)
            if self.target.problem == "multilabel"
            else np.bincount(label, minlength=self.target.num_outputs)
        )
        return counts


def _links_table(links: Links) -> "pa.Table":
    import pyarrow as pa

    columns = {name: pa.array(getattr(links, name)) for name in ("relation", "src", "dst", "pos")}
    if links.time is not None:
        columns["time"] = pa.array(links.time)
    if links.label is not None:
        label = np.ascontiguousarray(links.label)
        columns["label"] = (
            pa.array(label)
            if label.ndim == 1
            else pa.FixedSizeListArray.from_arrays(pa.array(label.reshape(-1)), label.shape[1])
        )
    return pa.table(columns)


def _read_links(table: "pa.Table") -> Links:
    """Links, copied: torch shares memory with what it is given, and may not share a mapped file."""
    import pyarrow as pa

    def column(name: str) -> np.ndarray | None:
        if name not in table.column_names:
            return None
        values = table[name].combine_chunks()
        if pa.types.is_fixed_size_list(values.type):
            flat: np.ndarray = values.flatten().to_numpy().reshape(-1, values.type.list_size).copy()
            return flat
        found: np.ndarray = values.to_numpy().copy()
        return found

    relation, src, dst = (np.asarray(column(name), np.int64) for name in ("relation", "src", "dst"))
    pos = column("pos")
    return Links(relation, src, dst, np.full(len(src), -1) if pos is None else pos, column("time"), column("label"))

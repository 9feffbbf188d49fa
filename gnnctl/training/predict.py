"""Which nodes to score, on which graph, and their table of predictions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from gnnctl.console import Progress, no_progress
from gnnctl.errors import ArtifactError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import GraphSchema
from gnnctl.parameters import Value
from gnnctl.sampling.methods import Spec
from gnnctl.training.embedding_predict import embedding_table, few_shot
from gnnctl.training.inference import exact_outputs, sampled_logits
from gnnctl.training.metrics import evaluate
from gnnctl.training.predictions import PARTS, ROW_GROUP, parts_of, predictions_table, read_ids
from gnnctl.training.smoothing import check_smoothing, parse_smoothing, smoothed_logits
from gnnctl.training.store import DEFAULT_MEMORY
from gnnctl.training.trained import TrainedModel

UNSEEN = -1
TABLE_ROWS = 16 * ROW_GROUP


@dataclass(frozen=True)
class Scored:
    """The predictions, table after table, and by part the metrics over what is scored and has a label in the split.

    ``embeddings`` is a table of its own where pairs are scored.
    """

    tables: Iterable[pa.Table]
    metrics: dict[str, dict[str, Any]]
    embeddings: pa.Table | None = None


@dataclass(frozen=True)
class Prediction:
    """A prediction ready to run.

    Attributes:
        trained: the model. graph: the graph to score, the model's own or another of the same schema.
        rows: (n,) int64 nodes to score, in the order of the output.
        spec: fan-outs for sampled prediction, disjoint; None for exact prediction.
        node_ids: for another graph, by node type each row's row in the model's graph, -1 where it has none.
        smooth: how labels of the training nodes correct and smooth the scores; None: they do not.
        shots: examples of each class to predict by, in place of the model's own scores; ``seed`` draws them.
    """

    trained: TrainedModel
    graph: Graph
    rows: np.ndarray
    spec: Spec | None
    node_ids: dict[str, np.ndarray] | None
    embeddings: bool
    device: torch.device
    smooth: Mapping[str, Value] | None = None
    shots: int | None = None
    seed: int = 0

    @classmethod
    def prepare(
        cls,
        model: Path,
        *,
        on: Path | None = None,
        graph: Graph | Path | None = None,
        split: Path | None = None,
        node: list[str] | None = None,
        nodes: Path | None = None,
        part: str | None = None,
        num_neighbors: list[str] | None = None,
        seed: int = 0,
        embeddings: bool = False,
        smooth: bool = False,
        smoothing: str | None = None,
        shots: int | None = None,
        device: torch.device | str = "cpu",
    ) -> "Prediction":
        """Open everything and resolve the nodes; ``smoothing`` as :func:`parse_smoothing` reads it.

        Raises:
            ArtifactError: an artifact is missing, damaged or does not match. DataError: an unknown id.
            UsageError: fan-outs that do not fit the model, or a target that cannot be smoothed.
        """
        trained = TrainedModel.open(model, graph=graph, split=split, device=device)
        if trained.objective is not None and smooth:
            raise UsageError("--smooth: the model has embeddings, no scores", fix="leave it out")
        if smooth:
            check_smoothing(trained)
        elif smoothing is not None:
            raise UsageError("--smoothing without --smooth", fix="pass both")
        spread = parse_smoothing(smoothing) if smooth else None
        if shots is not None:
            others = {"--smooth": smooth, "--num-neighbors": bool(num_neighbors), "--on": on is not None}
            if trained.target.task == "graph":
                raise UsageError("--shots is for nodes, the model is of graphs", fix="leave it out")
            if flag := next((name for name, used in others.items() if used), None):
                problem = f"{flag} does not go with --shots, which takes exact embeddings of the model's own graph"
                raise UsageError(problem, fix="pass one of them")
        other = Graph.open(on) if on is not None else None
        node_ids = None
        if other is not None:
            check_schema(trained.schema, other.schema, str(on))
            node_ids = rows_in(trained.graph, other)
        scored = other or trained.graph
        node_type = trained.target.node_type
        if node:
            rows = scored.rows_of(node_type, node)
        elif nodes is not None:
            rows = scored.rows_of(node_type, read_ids(nodes))
        elif part is not None:
            rows = trained.split.part(part)[0]
        else:
            rows = np.arange(scored.num_nodes(node_type), dtype=np.int64)
        spec = trained.prediction_spec(scored, num_neighbors, seed)
        return cls(trained, scored, rows, spec, node_ids, embeddings, torch.device(device), spread, shots, seed)

    @property
    def count(self) -> int:
        """Nodes or graphs to score."""
        return len(self.rows)

    @property
    def what(self) -> str:
        """What they are, for people."""
        target = self.trained.target
        return "graphs" if target.task == "graph" else f"{target.node_type} nodes"

    @property
    def sampling(self) -> dict[str, Any] | None:
        """What the recipe says of the sampling."""
        return self.spec.to_json() if self.spec else None

    @property
    def summary(self) -> dict[str, Any]:
        """Counts for the manifest."""
        return {"nodes": self.count, "node_type": self.trained.target.node_type}

    def run(self, *, batch_size: int = 1024, memory: int = DEFAULT_MEMORY, progress: Progress = no_progress) -> Scored:
        """Score the nodes.

        Args:
            batch_size: nodes at a time in sampled prediction; no score depends on it.
            memory: bytes of representations to keep in memory in exact prediction.
        """
        trained, node_type = self.trained, self.trained.target.node_type
        if self.shots is not None:
            table, metrics = few_shot(self, self.shots, self.seed, memory, progress)
            return Scored([table], metrics)
        if trained.objective is not None:
            return Scored([embedding_table(self, memory, progress)], {})
        rows = np.arange(self.graph.num_nodes(node_type), dtype=np.int64) if self.smooth is not None else self.rows
        if self.spec is None:
            logits, hidden = exact_outputs(
                trained.model,
                self.graph,
                node_type,
                rows,
                device=self.device,
                memory=memory,
                node_ids=self.node_ids,
                progress=progress,
                entered=self.embeddings,
            )
        else:
            hidden = None
            logits = sampled_logits(
                trained.model,
                self.graph,
                node_type,
                rows,
                self.spec,
                batch_size=batch_size,
                device=self.device,
                node_ids=self.node_ids,
                progress=progress,
            )
        if self.embeddings and hidden is None:
            who = trained.options.name if self.spec is None else "a sampled prediction"
            raise UsageError(f"--embeddings: {who} gives scores alone", fix="leave it out")
        if self.smooth is not None:
            scores = trained.task.scores(torch.from_numpy(logits)).numpy()
            logits = smoothed_logits(trained.split, scores, self.smooth)[self.rows]
            hidden = None if hidden is None else hidden[self.rows]
        own = self.node_ids is None
        parts = (
            parts_of(trained.split, self.graph.num_nodes(node_type))[self.rows]
            if own
            else np.zeros(len(self.rows), np.int8)
        )
        return Scored(
            self._tables(logits, parts, hidden if self.embeddings else None),
            self._metrics(logits, parts) if own else {},
        )

    def _tables(self, logits: np.ndarray, parts: np.ndarray, hidden: np.ndarray | None) -> Iterator[pa.Table]:
        """In pieces, so that many nodes need not fit into memory."""
        for start in range(0, max(1, len(self.rows)), TABLE_ROWS):
            part = slice(start, start + TABLE_ROWS)
            yield predictions_table(
                self.graph,
                self.trained.target,
                self.rows[part],
                parts[part],
                self.trained.task.scores(torch.from_numpy(np.array(logits[part]))).numpy(),
                None if hidden is None else hidden[part],
            )

    def _metrics(self, logits: np.ndarray, parts: np.ndarray) -> dict[str, dict[str, Any]]:
        found = {}
        for name in PARTS[1:]:
            chosen = np.flatnonzero(parts == PARTS.index(name))
            if len(chosen) == 0:
                continue
            rows, labels = self.trained.split.part(name)
            y = np.array(labels)[np.searchsorted(rows, self.rows[chosen])]
            values = evaluate(self.trained.task, torch.from_numpy(logits[chosen]), torch.from_numpy(y))
            found[name] = {"seeds": len(chosen), **values}
        return found


def check_schema(trained: GraphSchema, other: GraphSchema, where: str) -> None:
    """Whether a model of one graph can score another; counts of nodes may differ.

    Raises:
        ArtifactError: names the first type that differs, and how.
    """
    fix = "ingest it with --encoders-from the model's graph"
    for name, wanted in trained.nodes.items():
        if name not in other.nodes:
            raise ArtifactError(f"{where} has no node type '{name}', which the model needs", fix=fix)
        found = other.nodes[name]
        if found.features != wanted.features:
            raise ArtifactError(
                f"{where}: {name} has {found.features} features, the model was trained on {wanted.features}", fix=fix
            )
    for edge_type, edge in trained.edges.items():
        if edge_type not in other.edges:
            raise ArtifactError(f"{where} has no edge type '{edge_type}', which the model needs", fix=fix)
        if other.edges[edge_type] != edge:
            raise ArtifactError(
                f"{where}: edges '{edge_type}' have {_edge(other.edges[edge_type])}, the model was "
                f"trained on {_edge(edge)}",
                fix=fix,
            )
    if trained.graph_features is not None and trained.graph_features != other.graph_features:
        found_width = "no graphs" if other.graph_features is None else f"graphs of {other.graph_features} features"
        wanted_width = f"graphs of {trained.graph_features}"
        raise ArtifactError(f"{where} has {found_width}, the model was trained on {wanted_width}", fix=fix)
    extra = [str(t) for t in [*other.nodes, *other.edges] if t not in trained.nodes and t not in trained.edges]
    if extra:
        raise ArtifactError(f"{where} has '{extra[0]}', which the model was not trained on", fix=fix)


def _edge(schema: Any) -> str:
    return f"{schema.features} features and {'a' if schema.weighted else 'no'} weight"


def rows_in(trained: Graph, other: Graph) -> dict[str, np.ndarray]:
    """By node type (n,) int64: for each node of ``other`` the row of the same original id in ``trained``, or -1."""
    found = {}
    for name, store in other.nodes.items():
        known = trained.nodes[name].ids
        if known is None or store.ids is None:
            rows = np.arange(store.num_nodes, dtype=np.int64)
            found[name] = np.where(rows < trained.num_nodes(name), rows, UNSEEN)
            continue
        places = pc.index_in(pc.cast(store.ids, pa.string()), value_set=pc.cast(known, pa.string()))
        filled = pc.fill_null(places, UNSEEN)
        found[name] = np.asarray(filled.to_numpy()).astype(np.int64)
    return found

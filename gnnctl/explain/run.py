"""What `gnnctl explain` does: resolve the nodes, explain them one after another, write tables, pictures and a page."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.console import Progress, no_progress
from gnnctl.errors import ArtifactError, DataError, UsageError
from gnnctl.explain.algorithms import Algorithm, AlgorithmName, GNNExplainer, IntegratedGradients, Saliency
from gnnctl.explain.drawing import draw
from gnnctl.explain.explainer import TOLERANCE, Explainer, Explanation
from gnnctl.explain.page import Subject, page
from gnnctl.explain.tables import edges_table, features_table, name_of, nodes_table
from gnnctl.graph.graph import Graph
from gnnctl.sampling.methods import Spec
from gnnctl.training.predictions import FILE as PREDICTIONS
from gnnctl.training.predictions import PARTS, known_targets, parts_of
from gnnctl.training.trained import TrainedModel

PAGE = "explanation.html"


def build_algorithm(name: AlgorithmName, *, epochs: int, lr: float, steps: int, seed: int) -> Algorithm:
    """The algorithm of a name; the others' options are ignored."""
    if name == "gnn-explainer":
        if not 0 < lr < math.inf:
            raise UsageError(f"--lr {lr} is not a positive number", fix="pass a number above 0")
        return GNNExplainer(epochs=epochs, lr=lr, seed=seed)
    if name == "integrated-gradients":
        return IntegratedGradients(steps=steps)
    return Saliency()


def resolve_nodes(graph: Graph, node_type: str, texts: list[str]) -> np.ndarray:
    """Rows (int64, distinct, in the order given) of ``TYPE:ID`` or ``ID``.

    Raises:
        UsageError: no node, or a node of a type that the model does not predict.
        DataError: an unknown id.
    """
    if not texts:
        raise UsageError("--node is missing", fix=f"pass for example --node {node_type}:ID")
    ids = []
    for text in texts:
        prefix, colon, rest = text.partition(":")
        if colon and prefix in graph.nodes:
            if prefix != node_type:
                raise UsageError(
                    f"--node {text}: the model predicts {node_type}, not {prefix}", fix=f"name a {node_type}"
                )
            ids.append(rest)
        else:
            ids.append(text)
    return np.array(list(dict.fromkeys(graph.rows_of(node_type, ids).tolist())), np.int64)


def resolve_output(trained: TrainedModel, text: str | None) -> int | None:
    """The output that ``--target`` names; None: what is predicted.

    Raises:
        UsageError: the model predicts numbers. DataError: no such class.
    """
    if text is None:
        return None
    classes = trained.target.classes
    if classes is None:
        raise UsageError("--target names a class, but the model predicts numbers", fix="leave it out")
    names = [str(c) for c in classes]
    if text not in names:
        shown = ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
        raise DataError(f"--target '{text}' is no class of {trained.target.column}", fix=f"it has {shown}")
    return names.index(text)


@dataclass
class Run:
    """Everything that one call of the stage needs, opened and checked.

    Attributes:
        trained: the model. rows: of the nodes to explain. output: to explain, None for the predicted one.
        algorithm_name, algorithm: how. top: edges, neighbours and features to show.
        spec: fan-outs of a sampled prediction, None for the exact one.
        predictions: an artifact whose stored scores must be met, or None.
    """

    trained: TrainedModel
    rows: np.ndarray
    output: int | None
    algorithm_name: AlgorithmName
    algorithm: Algorithm
    top: int
    spec: Spec | None
    predictions: Artifact | None
    device: str = "cpu"

    def options(self) -> dict[str, Any]:
        """The recipe's options: only what changes the result with this algorithm."""
        settings = {key: value for key, value in vars(self.algorithm).items() if key not in ("signed", "unit")}
        return {
            "nodes": self.rows.tolist(),
            "output": self.output,
            "algorithm": {"name": self.algorithm_name, **settings},
            "top": self.top,
            "sampling": None if self.spec is None else self.spec.to_json(),
        }

    def explain(self, progress: Progress = no_progress) -> list[Explanation]:
        """Explain every node.

        Raises:
            ArtifactError: a score differs from the prediction's, or from the stored one.
        """
        trained = self.trained
        explainer = Explainer(
            trained.model,
            trained.graph,
            trained.target.node_type,
            trained.task,
            self.algorithm,
            hops=trained.options.layers,
            spec=self.spec,
            device=self.device,
        )
        found = []
        with progress(total=len(self.rows), desc="explain", unit="node") as bar:
            for row in self.rows.tolist():
                found.append(explainer.explain(row, self.output, top=self.top))
                bar.update(1)
        if self.predictions is not None:
            self._check_stored(found, self.predictions)
        return found

    def write(self, writer: ArtifactWriter, explanations: list[Explanation]) -> dict[str, Any]:
        """Write the artifact's files; returns the document of metrics.json."""
        graph = self.trained.graph
        nodes, edges = nodes_table(graph, explanations), edges_table(graph, explanations)
        features = features_table(graph, explanations)
        for name, table in (("nodes", nodes), ("edges", edges), ("features", features)):
            pq.write_table(table, writer.file(f"{name}.parquet"), compression="zstd")
        document = {"algorithm": self.algorithm_name, "explanations": [self._metrics(e) for e in explanations]}
        writer.json("metrics", document)
        for i, explanation in enumerate(explanations):
            picture = draw(graph, explanation, signed=self.algorithm.signed)
            name = "explanation.svg" if i == 0 else f"explanation-{i + 1}.svg"
            writer.file(name).write_text(picture + "\n", encoding="utf-8")
        html = page(graph, explanations, [self._subject(e) for e in explanations], nodes, features, top=self.top)
        writer.file(PAGE).write_text(html, encoding="utf-8")
        writer.summary.update({"algorithm": self.algorithm_name, "explained": [self._name(e) for e in explanations]})
        return document

    def rows_of_text(self, explanations: list[Explanation]) -> list[list[object]]:
        """The table for the terminal; its header is :data:`HEADER`."""
        return [
            [
                self._name(e),
                self._output_name(e) or "-",
                e.score,
                e.subgraph.num_nodes,
                e.subgraph.num_edges,
                e.fidelity.plus,
                e.fidelity.minus,
                self._strongest(e),
            ]
            for e in explanations
        ]

    def _name(self, e: Explanation) -> str:
        return f"{e.node_type}:{name_of(self.trained.graph, e)}"

    def _output_name(self, e: Explanation) -> str | None:
        classes = self.trained.target.classes
        return None if classes is None else str(classes[e.output])

    def _strongest(self, e: Explanation) -> str:
        table = nodes_table(self.trained.graph, [e])
        others = table.filter(pc.and_(pc.greater(table["hop"], 0), pc.not_equal(table["score"], 0.0)))
        return f"{others['type'][0]}:{others['id'][0]}" if others.num_rows else "-"

    def _metrics(self, e: Explanation) -> dict[str, Any]:
        return {
            "node": self._name(e),
            "target": self._output_name(e),
            "score": e.score,
            "recomputed_score": e.recomputed,
            "nodes": e.subgraph.num_nodes,
            "edges": e.subgraph.num_edges,
            "selected_edges": e.selected.num_edges,
            "fidelity": e.fidelity.to_json(),
            **e.facts,
        }

    def _subject(self, e: Explanation) -> Subject:
        trained, row = self.trained, np.array([e.row])
        target = trained.target
        truth = known_targets(trained.graph, target, row)
        value = None if truth is None else truth.to_pylist()[0]
        parts = parts_of(trained.split, trained.graph.num_nodes(target.node_type))
        return Subject(
            target=target.column,
            problem=target.problem,
            output_names=[str(c) for c in target.classes or [target.column]],
            known=None if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value),
            part=PARTS[parts[e.row]],
            model=f"{trained.options.name}, {trained.options.layers} layers",
            algorithm=self.algorithm_name,
            signed=self.algorithm.signed,
            unit=self.algorithm.unit,
        )

    def _check_stored(self, explanations: list[Explanation], stored: Artifact) -> None:
        """Compare with the scores of a predictions artifact, where it holds the nodes."""
        table = pq.read_table(stored.path / PREDICTIONS)
        ids = pc.cast(table["id"], pa.string())
        for e in explanations:
            at = pc.index(ids, name_of(self.trained.graph, e)).as_py()
            if at < 0:
                continue
            name = self._output_name(e)
            before = table["score" if name is None else f"score_{name}"][at].as_py()
            if not abs(before - e.score) <= TOLERANCE * max(1.0, abs(before)):
                raise ArtifactError(
                    f"{stored.path} holds the score {before:.6g} for {self._name(e)}, the model gives {e.score:.6g}",
                    fix="predict again with this model",
                )


HEADER = ["node", "target", "score", "nodes", "edges", "fidelity+", "fidelity-", "strongest neighbour"]


def open_run(
    model: Path,
    node: list[str],
    *,
    algorithm: AlgorithmName,
    target: str | None,
    epochs: int,
    lr: float,
    steps: int,
    top: int,
    num_neighbors: list[str] | None,
    seed: int,
    graph: Graph | Path | None = None,
    split: Path | None = None,
    predictions: Path | None = None,
    device: str = "cpu",
) -> Run:
    """Open and check everything.

    Raises:
        ArtifactError: an artifact is missing, damaged or does not fit. DataError: an unknown node or class.
        UsageError: options that do not fit the model.
    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if chosen == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU", fix="pass --device cpu")
    trained = TrainedModel.open(model, graph=graph, split=split, device=chosen)
    if trained.objective is not None:
        raise UsageError(f"{model} gives embeddings, no predictions to explain", fix="explain a model with labels")
    if trained.target.task == "graph":
        raise UsageError(f"{model} predicts whole graphs: only predictions of nodes are explained", fix="name another")
    if trained.task.names:
        problem = f"{model} has several targets; explanations are of one"
        raise UsageError(problem, fix=f"train on one of {', '.join(trained.task.names)}")
    if getattr(trained.model, "whole_graph", False):
        problem = f"{model}: {trained.options.name} sees the whole graph at once, a neighbourhood does not explain it"
        raise UsageError(problem, fix="explain a model of layers")
    spec = trained.prediction_spec(trained.graph, num_neighbors, seed)
    stored = None if predictions is None else Artifact.open(predictions, "predictions")
    if stored is not None and stored.parent("model", model).fingerprint != trained.artifact.fingerprint:
        raise ArtifactError(f"{predictions} was made by another model than {model}", fix="predict again")
    return Run(
        trained=trained,
        rows=resolve_nodes(trained.graph, trained.target.node_type, node),
        output=resolve_output(trained, target),
        algorithm_name=algorithm,
        algorithm=build_algorithm(algorithm, epochs=epochs, lr=lr, steps=steps, seed=seed),
        top=top,
        spec=spec,
        predictions=stored,
        device=chosen,
    )

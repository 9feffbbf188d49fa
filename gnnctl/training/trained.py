"""A trained model, opened from its artifact with the split and the graph that it was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gnnctl.artifacts import Artifact
from gnnctl.errors import ArtifactError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.unsupervised import build_unsupervised
from gnnctl.remote import graph_parent
from gnnctl.sampling.methods import Spec, read_spec
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits import NodeSplit, Target
from gnnctl.splits.link_target import LinkTarget
from gnnctl.splits.unlabelled import unlabelled_split
from gnnctl.training.checkpoint import load_weights
from gnnctl.training.models import model_for
from gnnctl.training.options import TrainOptions
from gnnctl.training.tasks import Task, standard_of

DOCUMENT = "model"
WEIGHTS = "weights.safetensors"
STATE = "state.pt"
HISTORY = "metrics.jsonl"
METRICS = "metrics"
PACKAGE = "model.pt2"
FORMAT = 2


@dataclass
class TrainedModel:
    """A model ready to predict.

    Attributes:
        model: with the best weights, in eval mode.
        options: the architecture. training: how it was trained.
        schema: of the graph it was trained on.
        target: what it predicts.
        spec: fan-outs of the training batches, None where they were the full graph.
        artifact: where it was opened from.
        objective: the one without labels that it was trained by: it gives embeddings, no scores. None: by labels.
    """

    model: nn.Module
    options: ModelOptions
    training: TrainOptions
    schema: GraphSchema
    target: Target
    spec: Spec | None
    artifact: Artifact
    graph: Graph
    split: NodeSplit
    objective: str | None = None

    @property
    def task(self) -> Task:
        """Turns logits into scores."""
        return plain_task(self.target)

    def prediction_spec(self, graph: Graph, num_neighbors: list[str] | None, seed: int = 0) -> Spec | None:
        """What a prediction samples: None where it takes every neighbour of the graph layer by layer.

        A model whose seeds saw no later than their time in training sees no later in prediction.

        Args:
            num_neighbors: fan-outs; None: every neighbour (that may be seen).

        Raises:
            UsageError: fan-outs that do not fit the model.
        """
        if num_neighbors and self.target.task == "graph":
            raise UsageError("--num-neighbors: graphs are scored whole", fix="leave it out")
        if num_neighbors and getattr(self.model, "whole_graph", False):
            text = f"--num-neighbors: {self.options.name} sees a whole graph at once"
            raise UsageError(text, fix="leave it out")
        time = None if self.spec is None else self.spec.time
        if not num_neighbors:
            return None if self.spec is None else self.spec.whole()
        spec = SampleSpec.parse(graph, num_neighbors, disjoint=True, time=time, seed=seed)
        if spec.hops != self.options.layers:
            raise UsageError(
                f"--num-neighbors has {spec.hops} hops, the model {self.options.layers} layers",
                fix=f"give {self.options.layers} numbers",
            )
        return spec

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        graph: Graph | Path | None = None,
        split: Path | None = None,
        device: torch.device | str = "cpu",
    ) -> "TrainedModel":
        """Open a model artifact.

        Args:
            path: the model.
            graph, split: where they lie now, if they were moved.
            device: where the model goes.

        Raises:
            ArtifactError: missing, damaged, of another kind, or made from another graph or split.
        """
        artifact = Artifact.open(path, "model")
        document = artifact.json(DOCUMENT)
        if document.get("format") != FORMAT:
            raise ArtifactError(f"{path}: model of format {document.get('format')}", fix=f"this version reads {FORMAT}")
        if document["target"]["task"] in ("link", "edge"):
            raise UsageError(f"{path} is a model of links; this is for models of nodes", fix="see gnnctl predict")
        found_graph = graph_parent(artifact, graph)
        training = TrainOptions.from_json(document["training"])
        if document["target"]["problem"] == "none":
            found_split = unlabelled_split(found_graph, document["target"]["node_type"], training.seed)
        else:
            found_split = NodeSplit.open(artifact.parent("split", split), found_graph)
        options = ModelOptions.from_json(document["model"])
        schema = GraphSchema.from_json(document["schema"])
        target = found_split.target
        learnt = document.get("objective")
        model: nn.Module
        if learnt is None:
            model = model_for(target, options, schema)
        else:
            model = build_unsupervised(learnt["name"], learnt["parameters"], options, schema, target.node_type)
        load_weights(artifact.path / WEIGHTS, model)
        model.to(device).eval()
        return cls(
            model=model,
            options=options,
            training=training,
            schema=schema,
            target=target,
            spec=None if document["sampling"] is None else read_spec(document["sampling"]),
            artifact=artifact,
            graph=found_graph,
            split=found_split,
            objective=None if learnt is None else str(learnt["name"]),
        )


def plain_task(target: Target | LinkTarget) -> Task:
    """The task of a target without anything that only training needs; ValueError: links to be found."""
    problem = target.problem
    if problem == "link" or problem == "none":
        raise ValueError("links to be found, and nodes without a target, have no classes and no numbers")
    return Task(problem, target.num_outputs, **standard_of(target))


def model_document(
    options: ModelOptions,
    schema: GraphSchema,
    target: Target | LinkTarget,
    spec: Spec | None,
    training: TrainOptions,
    facts: dict[str, Any],
) -> dict[str, Any]:
    """The contents of model.json."""
    return {
        "format": FORMAT,
        "model": options.to_json(),
        "schema": schema.to_json(),
        "target": target.to_json(),
        "sampling": None if spec is None else spec.to_json(),
        "training": training.to_json(),
        **facts,
    }

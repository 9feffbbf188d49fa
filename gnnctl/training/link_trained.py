"""A trained model of links, opened from its artifact with the split and the graph that it was trained on."""

from dataclasses import dataclass
from pathlib import Path

import torch

from gnnctl.artifacts import Artifact
from gnnctl.errors import ArtifactError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.link_model import PairModel
from gnnctl.remote import graph_parent
from gnnctl.splits.link import LinkSplit
from gnnctl.training.checkpoint import load_weights
from gnnctl.training.link_job import pair_model
from gnnctl.training.link_options import LinkOptions
from gnnctl.training.tasks import Task
from gnnctl.training.trained import DOCUMENT, FORMAT, WEIGHTS, plain_task


@dataclass
class TrainedLinks:
    """A model ready to score pairs.

    Attributes:
        model: with the best weights, in eval mode.
        schema: of the graph it was trained on.
        links: decoder and loss, of the task ``link``.
        artifact: where it was opened from.
    """

    model: PairModel
    schema: GraphSchema
    links: LinkOptions | None
    artifact: Artifact
    graph: Graph
    split: LinkSplit

    @property
    def task(self) -> Task:
        """Turns logits of edges into scores; ValueError of the task ``link``."""
        return plain_task(self.split.target)

    @classmethod
    def open(
        cls,
        artifact: Artifact,
        *,
        graph: Graph | Path | None = None,
        split: Path | None = None,
        device: torch.device | str = "cpu",
    ) -> "TrainedLinks":
        """Open a model artifact.

        Args:
            artifact: the model.
            graph, split: where they lie now, if they were moved.
            device: where the model goes.

        Raises:
            ArtifactError: missing, damaged, or made from another graph or split.
        """
        document = artifact.json(DOCUMENT)
        if document.get("format") != FORMAT:
            raise ArtifactError(
                f"{artifact.path}: model of format {document.get('format')}", fix=f"this version reads {FORMAT}"
            )
        found_graph = graph_parent(artifact, graph)
        found_split = LinkSplit.open(artifact.parent("split", split), found_graph)
        schema = GraphSchema.from_json(document["schema"])
        links = LinkOptions.from_json(document["links"]) if "links" in document else None
        model = pair_model(found_split.target, ModelOptions.from_json(document["model"]), links, schema)
        load_weights(artifact.path / WEIGHTS, model)
        model.to(device).eval()
        return cls(model, schema, links, artifact, found_graph, found_split)


def is_of_links(artifact: Artifact) -> bool:
    """Whether a model artifact scores pairs of nodes."""
    return artifact.json(DOCUMENT)["target"]["task"] in ("link", "edge")

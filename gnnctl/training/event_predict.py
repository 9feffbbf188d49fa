"""Scores of events, from a model that goes through all of them once more."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from gnnctl.artifacts import Artifact
from gnnctl.console import Progress, no_progress
from gnnctl.graph.graph import Graph
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.event_model import EventModel
from gnnctl.nn.models.registry import models
from gnnctl.remote import graph_parent
from gnnctl.splits.link import LinkSplit
from gnnctl.training.checkpoint import load_weights
from gnnctl.training.event_job import Timeline, event_metrics, event_model, replayed
from gnnctl.training.job import PARTS
from gnnctl.training.link_tables import pair_columns
from gnnctl.training.predict import Scored
from gnnctl.training.store import DEFAULT_MEMORY
from gnnctl.training.trained import DOCUMENT, WEIGHTS


@dataclass(frozen=True)
class TrainedEvents:
    """A model of events, with its split, graph and artifact."""

    model: EventModel
    artifact: Artifact
    graph: Graph
    split: LinkSplit
    timeline: Timeline
    batch_size: int


@dataclass(frozen=True)
class EventPrediction:
    """A prediction of the split's links ready to run; see :class:`gnnctl.training.link_predict.LinkPrediction`.

    Attributes:
        part: whose links are wanted, or None for all; those before it are gone through either way.
    """

    trained: TrainedEvents
    part: str | None
    device: torch.device

    @classmethod
    def prepare(
        cls,
        artifact: Artifact,
        *,
        graph: Graph | Path | None = None,
        split: Path | None = None,
        part: str | None = None,
        device: torch.device | str = "cpu",
    ) -> "EventPrediction":
        """Open everything.

        Raises:
            ArtifactError: an artifact is missing, damaged or does not match.
        """
        document = artifact.json(DOCUMENT)
        found_graph = graph_parent(artifact, graph)
        found_split = LinkSplit.open(artifact.parent("split", split), found_graph)
        timeline = Timeline(found_split)
        model = event_model(timeline, ModelOptions.from_json(document["model"]))
        load_weights(artifact.path / WEIGHTS, model)
        model.to(device).eval()
        size = int(document["batch_size"])
        trained = TrainedEvents(model, artifact, found_graph, found_split, timeline, size)
        return cls(trained, part, torch.device(device))

    @property
    def graph(self) -> Graph:
        """The model's own."""
        return self.trained.graph

    @property
    def count(self) -> int:
        """Links to score."""
        return sum(self.trained.split.part(name).size for name in self._parts)

    @property
    def what(self) -> str:
        """What they are, for people."""
        return "links"

    @property
    def sampling(self) -> None:
        """None: the latest events are seen."""
        return

    @property
    def summary(self) -> dict[str, Any]:
        """Counts for the manifest."""
        return {"nodes": self.count, "node_type": "link"}

    @property
    def _parts(self) -> list[str]:
        return [self.part] if self.part else list(PARTS)

    def run(self, *, memory: int = DEFAULT_MEMORY, progress: Progress = no_progress) -> Scored:
        """Score the links, each from what was before its batch."""
        split = self.trained.split
        timeline = self.trained.timeline
        tables, metrics = [], {}
        for name, positive, negative in replayed(
            timeline, self.trained.model, self.trained.batch_size, self.device, progress
        ):
            if name not in self._parts:
                continue
            links = split.part(name)
            scores = np.empty(len(positive), np.float32)
            scores[timeline.order[name]] = positive.float().numpy()
            columns = pair_columns(self.graph, split.target.edge_types, links)
            columns["time"] = pa.array(links.time)
            columns["split"] = pa.array([name] * len(links.relation), pa.string())
            columns["score"] = pa.array(scores)
            tables.append(pa.table(columns))
            metrics[name] = {"seeds": len(positive), **event_metrics(positive, negative)}
        return Scored([pa.concat_tables(tables)], metrics)


def is_of_events(artifact: Artifact) -> bool:
    """Whether a model artifact goes through links in time."""
    known = models().get(artifact.json(DOCUMENT)["model"]["name"])
    return known is not None and known.events

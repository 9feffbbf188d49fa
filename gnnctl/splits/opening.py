"""Opens a split of any task."""

from pathlib import Path

from gnnctl.artifacts import Artifact
from gnnctl.graph.graph import Graph
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.node import NodeSplit


def open_split(source: Path | str | Artifact, graph: Graph | Path | str | None = None) -> NodeSplit | LinkSplit:
    """Open a split artifact and the graph it was made from, or that graph as found elsewhere.

    Raises:
        ArtifactError: missing, damaged, no split, or another graph than it was made from.
    """
    artifact = source if isinstance(source, Artifact) else Artifact.open(source, "split")
    if artifact.json("target")["task"] in ("link", "edge"):
        return LinkSplit.open(artifact, graph)
    return NodeSplit.open(artifact, graph)

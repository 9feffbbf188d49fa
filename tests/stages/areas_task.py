"""A task worth learning, as artifacts: papers, their authors, and an area that both show."""

import numpy as np
import pyarrow as pa

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.graph import EdgeType, Graph
from gnnctl.splits import By, Fractions, find_target, split_nodes

CITES, WRITES = EdgeType("paper", "cites", "paper"), EdgeType("author", "writes", "paper")


def write_graph(path, *, seed=0, papers=300, authors=60, features=4, extra=0):
    """Papers cite papers of their area, authors write in one; `extra` more papers have ids of their own."""
    rng = np.random.default_rng(seed)
    papers += extra
    area, home = rng.integers(0, 3, papers), rng.integers(0, 3, authors)
    cites = rng.integers(0, papers, (2, papers * 20))
    cites = np.unique(cites[:, area[cites[0]] == area[cites[1]]], axis=1)
    writes = np.stack([rng.integers(0, authors, papers * 9), rng.integers(0, papers, papers * 9)])
    writes = np.unique(writes[:, home[writes[0]] == area[writes[1]]], axis=1)
    x = rng.normal(0, 1, (papers, features))
    x[:, :3] += np.eye(3)[area] * 1.5
    names = pa.array([f"area {i}" for i in area])
    graph = Graph.from_coo(
        {"paper": papers, "author": authors},
        {CITES: cites, WRITES: writes, EdgeType("paper", "rev_writes", "author"): writes[::-1]},
        x={"paper": x},
        columns={"paper": pa.table({"area": names, "age": area * 10.0 + rng.normal(0, 1, papers)})},
        ids={
            "paper": pa.array([f"p{i:04}" for i in range(papers)]),
            "author": pa.array([f"a{i}" for i in range(authors)]),
        },
    )
    with ArtifactWriter(path, Recipe("graph", "ingest", 1, {"seed": seed, "papers": papers, "f": features})) as writer:
        graph.write(writer)
    return path


def write_papers(path, *, papers=200, features=4):
    """Papers alone, that cite papers of their area."""
    rng = np.random.default_rng(0)
    area = rng.integers(0, 3, papers)
    cites = rng.integers(0, papers, (2, papers * 20))
    cites = np.unique(cites[:, area[cites[0]] == area[cites[1]]], axis=1)
    graph = Graph.from_coo(
        {"paper": papers},
        {CITES: cites},
        x={"paper": rng.normal(0, 1, (papers, features))},
        columns={"paper": pa.table({"area": pa.array([f"area {i}" for i in area])})},
        ids={"paper": pa.array([f"p{i:04}" for i in range(papers)])},
    )
    with ArtifactWriter(path, Recipe("graph", "ingest", 1, {"papers": papers})) as writer:
        graph.write(writer)
    return path


def write_split(path, graph, target="paper.area"):
    artifact = Artifact.open(graph)
    opened = Graph.open(artifact)
    split = split_nodes(opened, find_target(opened, target), By.parse("random"), Fractions(0.2, 0.2), 0)
    with ArtifactWriter(path, Recipe("split", "split", 1, {"target": target}, [Parent("graph", artifact)])) as writer:
        split.write(writer)
    return path

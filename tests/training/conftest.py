"""Small tasks whose labels depend on the neighbours, homogeneous and typed."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.splits import NodeSplit, Target

sys.path.insert(0, str(Path(__file__).parent))  # link_tasks, shared by these tests

CLASSES = ["ant", "bee", "cat"]


def cut(labels: np.ndarray, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    train, val, test = np.split(rng.permutation(len(labels)), [len(labels) // 2, len(labels) * 3 // 4])
    ends = {"train": train, "val": val, "test": test}
    return {name: (np.sort(rows), labels[np.sort(rows)]) for name, rows in ends.items()}


def make_toy(num_nodes: int = 240, seed: int = 0, problem: str = "multiclass") -> NodeSplit:
    """Nodes link to nodes of their own class; features are noisy, so neighbours help."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), num_nodes)
    src = rng.integers(0, num_nodes, num_nodes * 30)
    dst = rng.integers(0, num_nodes, num_nodes * 30)
    same = (labels[src] == labels[dst]) & (src != dst)
    edges = np.unique(np.stack([src[same], dst[same]]), axis=1)
    x = np.eye(len(CLASSES))[labels] + rng.normal(0, 1.0, (num_nodes, len(CLASSES)))
    ids = pa.array([f"n{i:03}" for i in range(num_nodes)])
    if problem == "regression":
        y = (labels * 10 + rng.normal(0, 1, num_nodes)).astype(np.float32)
        target = Target("node", "y", "regression", None, 1, float(y.mean()), float(y.std()))
        column = pa.array(y)
    elif problem == "multilabel":
        y = np.stack([labels != 0, labels != 1], axis=1).astype(np.float32)
        target = Target("node", "y", "multilabel", ["p", "q"], 2)
        column = pa.array([[c for c, v in zip("pq", row, strict=True) if v] for row in y])
    else:
        y = labels.astype(np.int64)
        target = Target("node", "y", "multiclass", CLASSES, len(CLASSES))
        column = pa.array([CLASSES[i] for i in labels])
    graph = Graph.from_coo(num_nodes, edges, x=x, columns=pa.table({"y": column}), ids={"node": ids})
    return NodeSplit(graph, target, cut(y, rng))


PAPER_CITES = EdgeType("paper", "cites", "paper")
WRITES = EdgeType("author", "writes", "paper")
WRITTEN = EdgeType("paper", "written_by", "author")


def make_typed(seed: int = 0) -> NodeSplit:
    """Papers with features, authors without, venues with features; some types end nowhere near the target."""
    rng = np.random.default_rng(seed)
    papers, authors = 120, 40
    labels = rng.integers(0, 2, papers)
    home = rng.integers(0, 2, authors)
    pairs = np.stack([rng.integers(0, authors, 2000), rng.integers(0, papers, 2000)])
    writes = np.unique(pairs[:, home[pairs[0]] == labels[pairs[1]]][:, :300], axis=1)
    cites = np.unique(np.stack([rng.integers(0, papers, 400), rng.integers(0, papers, 400)]), axis=1)
    graph = Graph.from_coo(
        {"paper": papers, "author": authors, "venue": 5},
        {
            PAPER_CITES: cites,
            WRITES: writes,
            WRITTEN: writes[::-1],
            EdgeType("venue", "prints", "paper"): np.stack([rng.integers(0, 5, papers), np.arange(papers)]),
        },
        x={"paper": rng.normal(0, 1, (papers, 6)), "venue": rng.normal(0, 1, (5, 3))},
        columns={"paper": pa.table({"y": pa.array(labels)})},
        ids={
            "paper": pa.array([f"p{i}" for i in range(papers)]),
            "author": pa.array([f"a{i}" for i in range(authors)]),
        },
    )
    return NodeSplit(graph, Target("paper", "y", "multiclass", [0, 1], 2), cut(labels.astype(np.int64), rng))


@pytest.fixture(scope="session")
def toy() -> NodeSplit:
    return make_toy()


@pytest.fixture(scope="session")
def typed() -> NodeSplit:
    return make_typed()

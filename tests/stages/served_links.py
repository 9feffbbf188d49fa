"""A graph with links of several kinds, and splits of them, for servers to serve."""

import numpy as np
import pyarrow as pa

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.graph import EdgeType, Graph
from gnnctl.graph.stores import EdgeStore
from gnnctl.sampling.fixed_negatives import with_fixed_negatives
from gnnctl.splits import By, Fractions
from gnnctl.splits.link_split import LinkOptions, split_links
from gnnctl.splits.link_target import LinkTarget

LIKES, LIKED = EdgeType("person", "likes", "thing"), EdgeType("thing", "rev_likes", "person")
KNOWS = EdgeType("person", "knows", "person")


def write_split(path, graph, types, *, negatives=0, val=0.1, test=0.2, **options):
    artifact = Artifact.open(graph)
    how = LinkOptions(fractions=Fractions(val, test), **options)
    split = split_links(Graph.open(artifact), LinkTarget("link", types), how)
    split = with_fixed_negatives(split, negatives)
    with ArtifactWriter(path, Recipe("split", "split", 1, {}, [Parent("graph", artifact)])) as writer:
        split.write(writer)


def write_links(folder):
    """A graph of two types with a generated reverse type, times, weights and features; splits at random and by time."""
    rng = np.random.default_rng(5)
    people, things, count = 70, 50, 1500
    likes = np.stack([rng.integers(0, people, count), rng.integers(0, things, count)])
    knows = np.unique(rng.integers(0, people, (2, 300)), axis=1)
    made = Graph.from_coo(
        {"person": people, "thing": things},
        {LIKES: likes, KNOWS: knows},
        x={"person": rng.random((people, 3), np.float32), "thing": rng.random((things, 2), np.float32)},
        edge_time={LIKES: rng.integers(0, 100, count)},
        edge_weight={LIKES: rng.random(count, np.float32), KNOWS: rng.random(knows.shape[1], np.float32)},
        edge_attr={LIKES: rng.random((count, 2), np.float32)},
        edge_columns={KNOWS: pa.table({"well": rng.choice(["yes", "no"], knows.shape[1])})},
        ids={"person": pa.array([f"p{i}" for i in range(people)]), "thing": pa.array([f"t{i}" for i in range(things)])},
    )
    forth = made.edges[LIKES]
    ends = np.repeat(np.arange(things), np.diff(forth.colptr))
    order = np.lexsort((ends, forth.time, forth.row))
    colptr = np.concatenate([[0], np.cumsum(np.bincount(forth.row, minlength=people))])
    row = ends[order].astype(np.int32)
    back = EdgeStore(colptr, row, forth.weight[order], time=forth.time[order], forward=order)
    graph = Graph(made.nodes, {LIKES: forth, LIKED: back, KNOWS: made.edges[KNOWS]})
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    write_split(folder / "split", folder / "graph", [LIKES, KNOWS], disjoint=0.3, negatives=2)
    write_split(folder / "times", folder / "graph", [LIKES], by=By.parse("time"), repeats="keep", negatives=2)
    write_split(folder / "alone", folder / "graph", [KNOWS], disjoint=0.3)

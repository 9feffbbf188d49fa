"""Graphs in partitions, all owners in one process; in memory where nothing is said of the disk."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.graph import Graph
from gnnctl.graph.own_part import OwnPart
from gnnctl.graph.partition_files import PartitionIndex, write_partitions
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.sampling.hop import LocalOwner


class Memory:
    """Writer and artifact in one, so that many small graphs are quick."""

    def __init__(self):
        self.path = Path("memory")
        self.manifest = SimpleNamespace(parents=[{"role": "graph", "path": "../graph"}])
        self._arrays, self._documents = {}, {}

    def array(self, name, values=None):
        if values is None:
            return self._arrays[name]
        self._arrays[name] = np.array(values)
        return None

    def array_stream(self, name, dtype, shape, attributes=None):
        self._arrays[name] = np.empty(shape, dtype)
        return _Stream(self._arrays[name])

    def json(self, name, value=None):
        if value is None:
            return self._documents[name]
        self._documents[name] = value
        return None

    def has(self, name):
        return name in self._arrays or name in self._documents


class _Stream:
    def __init__(self, values):
        self._values, self._at = values, 0

    def append(self, rows):
        self._values[self._at : self._at + len(rows)] = rows
        self._at += len(rows)


def write_parts(folder, graph, owner, parts, codes=None):
    """A split artifact that has nothing but a graph's partitions."""
    with ArtifactWriter(folder / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    whole = Graph.open(folder / "graph")
    recipe = Recipe("split", "split", 1, {"parts": parts}, [Parent("graph", whole.artifact)])
    with ArtifactWriter(folder / "split", recipe) as writer:
        write_partitions(writer, whole, owner, parts, codes, {"method": "given"})
    return Artifact.open(folder / "split")


def everyone(artifact):
    """The graph as each process has it."""
    index = PartitionIndex(artifact)
    owners = {number: LocalOwner(OwnPart(index, number)) for number in range(index.parts)}
    return [PartitionedGraph(owner.part, owners) for owner in owners.values()]


def dealt(graph, parts, seed, codes=None):
    """Each process's graph, its nodes dealt out at random."""
    rng = np.random.default_rng(seed)
    owner = {t: rng.integers(0, parts, graph.num_nodes(t)) for t in graph.node_types}
    held = Memory()
    named = Graph(graph.nodes, graph.edges, artifact=SimpleNamespace(fingerprint="f", content="c"))
    write_partitions(held, named, owner, parts, codes, {"method": "given"})
    return everyone(held)

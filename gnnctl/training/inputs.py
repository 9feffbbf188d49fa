"""What a run trains on, from the words of the command line: a split, stored subgraphs, or a stream of them."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gnnctl.artifacts import Artifact, Parent, file_checksum
from gnnctl.errors import ArtifactError, UsageError
from gnnctl.nn.models.registry import models
from gnnctl.sampling.loader import Records
from gnnctl.sampling.methods import MethodSpec, Spec
from gnnctl.sampling.spec import SampleSpec, rules_of
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.stream import StreamRecords
from gnnctl.splits import NodeSplit
from gnnctl.training.graphs import GraphBatches
from gnnctl.training.loop import BatchSource
from gnnctl.training.packed_job import PackedNodeJob
from gnnctl.training.sources import FullBatches, SampledBatches

STREAM = "-"
DEFAULT_EPOCHS, DEFAULT_LAYERS, DEFAULT_BATCH = 20, 2, 1024
DEFAULT_GRAPHS = 32  # a batch


@dataclass(frozen=True)
class TrainingInput:
    """Seeds, fan-outs and where batches are read.

    Attributes:
        split: seeds and labels.
        spec: fan-outs, None for the full batch.
        batch_size: seeds a batch, None for the full batch.
        balanced: whether training batches have an equal part of each class.
        records: stored or arriving subgraphs, None where batches are sampled on the fly.
        parents: artifacts that the model is made from.
        seed: of the order of graphs.
    """

    split: NodeSplit
    spec: Spec | None
    batch_size: int | None
    records: Records | None
    parents: list[Parent]
    balanced: bool = False
    seed: int = 0

    @classmethod
    def open(
        cls,
        source: str,
        *,
        graph: Path | None = None,
        split: Path | None = None,
        num_neighbors: list[str] | None = None,
        sampler: str | None = None,
        rules: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        balanced: bool = False,
        seed: int = 0,
    ) -> "TrainingInput":
        """Open the source and everything it was made from.

        Args:
            source: path of a split or of a subgraphs artifact, or ``-``.
            graph, split: where those lie, if they were moved.
            num_neighbors: fan-outs for a split; records have their own.
            sampler: another way of sampling a split, as :meth:`MethodSpec.parse` reads it.
            rules: how neighbours are drawn, by flag; those that are None or False were not given.
            batch_size: None is 1024, or the records' own.
            balanced: training batches have an equal part of each class.

        Raises:
            ArtifactError: the source is missing, damaged or of another kind. UsageError: fan-outs that do not fit.
        """
        records: Records | None = None
        given = {flag: value for flag, value in (rules or {}).items() if value not in (None, False)}
        if source == STREAM:
            records = StreamRecords(sys.stdin.buffer, split=split, graph=graph)
        else:
            artifact = Artifact.open(source)
            if artifact.kind == "subgraphs":
                records = SubgraphRecords.open(artifact, split=split, graph=graph)
            elif artifact.kind != "split":
                raise ArtifactError(
                    f"{source} is a {artifact.kind}, which cannot be trained on", fix="name a split or subgraphs"
                )
            elif split is not None:
                raise UsageError(f"--split: {source} is the split already", fix="leave it out")
        if records is not None:
            if balanced:
                raise UsageError("--balanced: the subgraphs have their batches already", fix="sample with --balanced")
            return cls._of_records(records, num_neighbors or sampler, given, batch_size)
        opened = NodeSplit.open(artifact, graph)
        if opened.target.task == "graph":
            asked = "--num-neighbors" if num_neighbors else "--sampler" if sampler else next(iter(given), None)
            if asked:
                raise UsageError(f"{asked}: graphs are trained on whole, {source} is of graphs", fix="leave it out")
            return cls(opened, None, batch_size or DEFAULT_GRAPHS, None, _parents(opened), balanced, seed)
        spec: Spec | None = None
        if sampler is not None:
            if flag := "--num-neighbors" if num_neighbors else next(iter(given), None):
                raise UsageError(f"{flag} does not go with --sampler", fix="leave one out")
            spec = MethodSpec.parse(sampler, seed)
        elif num_neighbors:
            spec = SampleSpec.parse(opened.graph, num_neighbors, **rules_of(given), seed=seed)
        elif given or batch_size is not None or balanced:
            flag = next(iter(given), "--balanced" if balanced else "--batch-size")
            raise UsageError(f"{flag} without --num-neighbors", fix="pass for example --num-neighbors 15,10")
        size = None if spec is None else batch_size or DEFAULT_BATCH
        return cls(opened, spec, size, None, _parents(opened), balanced)

    @classmethod
    def _of_records(
        cls,
        records: Records,
        asked: list[str] | str | None,
        given: Mapping[str, Any],
        batch_size: int | None,
    ) -> "TrainingInput":
        if asked or given:
            raise UsageError("the subgraphs have their fan-outs already", fix="leave --num-neighbors and its like out")
        d = records.description
        if d.unit == "batch" and batch_size not in (None, d.batch_size):
            raise UsageError(
                f"--batch-size {batch_size}: the subgraphs were sampled in batches of {d.batch_size}",
                fix="leave it out, or sample with --unit seed",
            )
        size = batch_size or (d.batch_size if d.unit == "batch" else DEFAULT_BATCH)
        parents = _parents(records.split)
        if isinstance(records, SubgraphRecords):
            parents = [Parent("subgraphs", records.artifact), *parents]
        return cls(records.split, d.spec, size, records, parents)

    @property
    def packed(self) -> bool:
        """Whether features lie beside the records, so that the graph's are not touched."""
        return isinstance(self.records, SubgraphRecords) and self.records.packed

    def packed_job(self) -> PackedNodeJob | None:
        """The job of records with packed features; None for all else."""
        if not isinstance(self.records, SubgraphRecords) or not self.records.packed:
            return None
        return PackedNodeJob(self.records, self.batch_size or DEFAULT_BATCH)

    def layers(self, wanted: int | None, model: str) -> int:
        """Layers of the model: as many as hops, unless the full batch leaves the choice.

        Raises:
            UsageError: ``wanted`` does not fit the hops.
        """
        known = models().get(model)
        if self.spec is None:
            return wanted or (DEFAULT_LAYERS if known is None else known.layers)
        hops = self.spec.hops
        if wanted is not None and wanted != hops and model != "mlp":
            raise UsageError(
                f"--layers {wanted} does not fit fan-outs of {hops} hops",
                fix=f"give {wanted} fan-outs, or {hops} layers",
            )
        return wanted or hops

    def epochs(self, wanted: int | None) -> int:
        """Epochs to train: those of the records where nothing is asked for.

        Raises:
            UsageError: more than a stream holds.
        """
        if self.records is None:
            return wanted or DEFAULT_EPOCHS
        held = self.records.description.epochs
        if isinstance(self.records, StreamRecords) and wanted is not None and wanted > held:
            raise UsageError(f"--epochs {wanted}: the stream holds {held}", fix="sample with more --epochs")
        return wanted or held

    def batches(self, model: nn.Module, device: torch.device, threads: int) -> BatchSource:
        """The batches for a model, on its device."""
        degrees = bool(getattr(model, "needs_degree", False))
        prepare = getattr(model, "prepare", None) if device.type == "cpu" else None
        if self.split.target.task == "graph" and self.batch_size is not None:
            return GraphBatches(
                self.split,
                self.batch_size,
                device,
                seed=self.seed,
                prepare=prepare,
                degrees=degrees,
                num_threads=threads,
                balanced=self.balanced,
            )
        if self.spec is None or self.batch_size is None:
            return FullBatches(self.split, device, degrees=degrees)
        return SampledBatches(
            self.split,
            self.spec,
            self.batch_size,
            device,
            records=self.records,
            prepare=prepare,
            degrees=degrees,
            num_threads=threads,
            balanced=self.balanced,
        )

    def describe(self) -> str:
        """One line for a dry run."""
        seeds = {name: len(self.split.part(name)[0]) for name in ("train", "val", "test")}
        counts = ", ".join(f"{count:,} {name}" for name, count in seeds.items())
        if self.batch_size is None:
            return f"{counts} seeds, the full graph as one batch"
        return f"{counts} seeds, {-(-seeds['train'] // self.batch_size):,} batches of {self.batch_size:,} an epoch"


def code_inputs(name: str) -> dict[str, str]:
    """File and SHA-256 of the module that a model or sampler ``package.module:Class`` is in, for the recipe."""
    module, colon, _ = name.partition(":")
    try:
        found = importlib.util.find_spec(module) if colon else None
    except (ImportError, ValueError):
        return {}  # building the model says what is wrong
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return {}
    return {found.origin: file_checksum(Path(found.origin))}


def _parents(split: NodeSplit) -> list[Parent]:
    graph, artifact = split.graph.artifact, split.artifact
    if graph is None or artifact is None:
        raise ArtifactError("the split or its graph is not on disk", fix="write it first")
    return [Parent("split", artifact), Parent("graph", graph)]

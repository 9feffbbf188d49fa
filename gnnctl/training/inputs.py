"""What a run trains on, from the words of the command line: a split, stored subgraphs, or a stream of them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gnnctl.artifacts import Artifact, Parent
from gnnctl.errors import ArtifactError, UsageError
from gnnctl.graph.feature_cache import Hits, cache_features
from gnnctl.graph.graph import Graph
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.nn.models.event_model import EventModel
from gnnctl.nn.models.registry import models
from gnnctl.nn.models.unsupervised import SUPERVISED, WALKS, Unsupervised, WalkModel, parse_objective
from gnnctl.parameters import Value, parse_bytes
from gnnctl.processes import ALONE, Place
from gnnctl.remote.graph import ServedGraph
from gnnctl.sampling.loader import Records, check_shared
from gnnctl.sampling.methods import Spec, spec_of
from gnnctl.sampling.share import WHOLE, Share
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.stream import StreamRecords
from gnnctl.splits import NodeSplit
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.opening import open_split
from gnnctl.splits.unlabelled import unlabelled_split
from gnnctl.training.embedding_job import EmbeddingJob
from gnnctl.training.event_job import DEFAULT_EVENTS, EventJob, event_batches
from gnnctl.training.graphs import GraphBatches, columns_for
from gnnctl.training.job import Job, NodeJob
from gnnctl.training.link_options import LinkOptions, check_sampled, read_link_options
from gnnctl.training.link_sources import link_batches
from gnnctl.training.loop import BatchSource
from gnnctl.training.packed_job import PackedNodeJob
from gnnctl.training.packed_link_job import pair_job
from gnnctl.training.partitions import graph_here, not_read_here
from gnnctl.training.sources import FullBatches, SampledBatches, WalkBatches

STREAM = "-"
DEFAULT_EPOCHS, DEFAULT_LAYERS, DEFAULT_BATCH = 20, 2, 1024
DEFAULT_GRAPHS, DEFAULT_STARTS = 32, 256  # a batch


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
        seed: of the order of graphs, and of links over the full graph.
        links: decoder and loss, of the task ``link``.
        objective: name and parameters of one that takes no labels, or None.
    """

    split: NodeSplit | LinkSplit
    spec: Spec | None
    batch_size: int | None
    records: Records | None
    parents: list[Parent]
    balanced: bool = False
    seed: int = 0
    links: LinkOptions | None = None
    objective: tuple[str, dict[str, Value]] | None = None

    @classmethod
    def open(
        cls,
        source: str,
        *,
        graph: Graph | Path | None = None,
        split: Path | None = None,
        num_neighbors: list[str] | None = None,
        sampler: str | None = None,
        rules: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        balanced: bool = False,
        seed: int = 0,
        links: Mapping[str, Any] | None = None,
        model: str = "",
        objective: str = SUPERVISED,
        node_type: str | None = None,
        place: Place = ALONE,
    ) -> "TrainingInput":
        """Open the source and everything it was made from.

        Args:
            source: path of a split, of a subgraphs artifact, or without labels of a graph; or ``-``.
            graph, split: where those lie, if they were moved.
            num_neighbors: fan-outs for a split; records have their own.
            sampler: another way of sampling a split, as :meth:`MethodSpec.parse` reads it.
            rules: how neighbours are drawn, by flag; those that are None or False were not given.
            batch_size: None is 1024, or the records' own.
            balanced: training batches have an equal part of each class.
            links: how links are scored and learnt, by name as :func:`read_link_options` has them.
            objective: as :func:`parse_objective` reads it.
            node_type: whose nodes get embeddings, of a graph without a split.
            model: its name; of links one that takes no edges has batches of links.
            place: this process's, which of several may have a partition of the graph.

        Raises:
            ArtifactError: the source is missing, damaged or of another kind. UsageError: fan-outs that do not fit.
        """
        name, parameters = parse_objective(objective)
        learns = None if name == SUPERVISED else (name, parameters)
        records: Records | None = None
        given = {flag: value for flag, value in (rules or {}).items() if value not in (None, False)}
        if source == STREAM:
            records = StreamRecords(sys.stdin.buffer, split=split, graph=graph)
        else:
            artifact = Artifact.open(source, optional=not_read_here(place))
            if artifact.kind == "subgraphs":
                records = SubgraphRecords.open(artifact, split=split, graph=graph)
            elif artifact.kind != "split" and not (artifact.kind == "graph" and learns is not None):
                also = "; a graph only with an --objective" if artifact.kind == "graph" else ""
                text = f"{source} is a {artifact.kind}, which cannot be trained on"
                raise ArtifactError(text, fix=f"name a split or subgraphs{also}")
            elif split is not None:
                raise UsageError(f"--split: {source} needs none", fix="leave it out")
        if node_type is not None and (records is not None or artifact.kind != "graph"):
            raise UsageError(f"--node-type: {source} says whose nodes they are", fix="leave it out")
        if records is not None:
            if learns is not None and isinstance(records, SubgraphRecords) and records.packed:
                problem = f"--objective {name}: embeddings are of the graph's features, {source} has its own"
                raise UsageError(problem, fix="sample without --features packed")
            if balanced:
                raise UsageError("--balanced: the subgraphs have their batches already", fix="sample with --balanced")
            found = cls._of_records(records, num_neighbors or sampler, given, batch_size)
            made = records.head["options"] if isinstance(records, StreamRecords) else records.artifact.manifest.options
            own = read_link_options(found.split, links or {}, source, made)
            return replace(found, links=own, seed=seed, objective=learns)
        if artifact.kind == "graph":
            opened: NodeSplit | LinkSplit = unlabelled_split(Graph.open(artifact), node_type, seed)
        else:
            opened = open_split(artifact, graph_here(artifact, graph, place))
        own = read_link_options(opened, links or {}, source)
        if learns is not None and opened.target.task != "node":
            raise UsageError(
                f"--objective {name}: {source} is not of nodes", fix="split nodes, or name the graph itself"
            )
        if name in WALKS:
            if flag := "--num-neighbors" if num_neighbors else "--sampler" if sampler else next(iter(given), None):
                raise UsageError(f"{flag} does not go with walks", fix="leave it out")
            starts = batch_size or DEFAULT_STARTS
            return cls(opened, None, starts, None, _parents(opened), balanced, seed, objective=learns)
        if isinstance(opened, LinkSplit):
            if sampler is not None:
                raise UsageError("--sampler does not go with links", fix="leave it out")
            if balanced and opened.target.task == "link":
                raise UsageError("--balanced is for classes, and links to be found have none", fix="leave it out")
            if balanced and not num_neighbors:
                raise UsageError("--balanced without --num-neighbors", fix="pass for example --num-neighbors 15,10")
            if model in models() and models()[model].events:
                if flag := "--num-neighbors" if num_neighbors else next(iter(given), None):
                    raise UsageError(f"{flag}: {model} looks at the latest events", fix="leave it out")
                return cls(opened, None, batch_size or DEFAULT_EVENTS, None, _parents(opened), seed=seed, links=own)
            if batch_size is not None and not num_neighbors and not given:
                return cls(opened, None, batch_size, None, _parents(opened), seed=seed, links=own)
            if model == "embedding" and not num_neighbors and not given:
                return cls(opened, None, DEFAULT_BATCH, None, _parents(opened), seed=seed, links=own)
        if opened.target.task == "graph":
            asked = "--num-neighbors" if num_neighbors else "--sampler" if sampler else next(iter(given), None)
            if asked:
                raise UsageError(f"{asked}: graphs are trained on whole, {source} is of graphs", fix="leave it out")
            return cls(opened, None, batch_size or DEFAULT_GRAPHS, None, _parents(opened), balanced, seed)
        spec: Spec | None = None
        if sampler is not None or num_neighbors:
            spec = spec_of(opened.graph, num_neighbors, sampler, given, seed)
        elif given or batch_size is not None or balanced:
            flag = next(iter(given), "--balanced" if balanced else "--batch-size")
            raise UsageError(f"{flag} without --num-neighbors", fix="pass for example --num-neighbors 15,10")
        if spec is not None and own is not None:
            check_sampled(own)
        size = None if spec is None else batch_size or DEFAULT_BATCH
        return cls(opened, spec, size, None, _parents(opened), balanced, seed, own, learns)

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

    def cache(self, size: str | None) -> Hits | None:
        """Keep the most read features of the graph's nodes in memory; None: nothing is asked for.

        Raises:
            UsageError: no size, too small a one, or features that are not read from the graph.
        """
        if size is None:
            return None
        if self.packed:
            raise UsageError("--feature-cache: the records have features of their own", fix="leave it out")
        if self.records is None and isinstance(self.split.graph, ServedGraph):
            raise UsageError("--feature-cache: a server sends features with its samples", fix="leave it out")
        try:
            return cache_features(self.split.graph, parse_bytes(size))
        except ValueError as error:
            raise UsageError(f"--feature-cache {size}: {error}", fix="pass a size that fits, as 512M") from None

    def job(self, model: str) -> Job:
        """What the split asks of training, and of a model by its name.

        Raises:
            UsageError: as :class:`EventJob` and :class:`PackedLinkJob`.
        """
        if isinstance(self.split, LinkSplit) and model in models() and models()[model].events:
            return EventJob(self.split, self.links, self.batch_size or DEFAULT_EVENTS)
        if isinstance(self.split, NodeSplit):
            if isinstance(self.records, SubgraphRecords) and self.packed:
                return PackedNodeJob(self.split, self.records, self.batch_size or DEFAULT_BATCH)
            return NodeJob(self.split) if self.objective is None else EmbeddingJob(self.split, *self.objective)
        return pair_job(self.split, self.links, self.records, self.batch_size or DEFAULT_BATCH)

    def layers(self, wanted: int | None, model: str) -> int:
        """Layers of the model: as many as hops, unless the full batch leaves the choice.

        Raises:
            UsageError: ``wanted`` does not fit the hops.
        """
        known = models().get(model)
        target = self.split.target
        if known is not None and self.objective is None:
            known.check(model, target.task, target.problem)
        elif known is not None and model != "embedding":  # which is what walks train
            known.check(model, "node")
            if not known.learns:
                raise UsageError(f"--objective: {model} has nothing to train", fix="choose another model")
        if wanted is not None and known is not None and not known.layered:
            raise UsageError(f"--layers: {model} has none", fix="leave it out")
        if self.spec is None:
            return wanted or (DEFAULT_LAYERS if known is None else known.layers)
        hops = self.spec.hops
        what = "--num-neighbors" if self.records is None else "samples"
        if known is not None and known.whole:
            raise UsageError(f"{what}: {model} sees a whole graph at once", fix="train on the split without fan-outs")
        if model == "embedding":
            raise UsageError("--num-neighbors: an embedding has no use for neighbours", fix="leave it out")
        if wanted is not None and wanted != hops and model != "mlp":
            raise UsageError(
                f"--layers {wanted} does not fit fan-outs of {hops} hops",
                fix=f"give {wanted} fan-outs, or {hops} layers",
            )
        return wanted or hops

    def epochs(self, wanted: int | None, model: str) -> int:
        """Epochs to train: those of the records where nothing is asked for; 0 of a model that has nothing to train.

        Raises:
            UsageError: more than a stream holds, or more than nothing.
        """
        known = models().get(model)
        if known is not None and not known.learns:
            if wanted is not None:
                raise UsageError(f"--epochs: {model} has nothing to train", fix="leave it out")
            return 0
        if self.records is None:
            return wanted or DEFAULT_EPOCHS
        held = self.records.description.epochs
        if isinstance(self.records, StreamRecords) and wanted is not None and wanted > held:
            raise UsageError(f"--epochs {wanted}: the stream holds {held}", fix="sample with more --epochs")
        return wanted or held

    def check_shared(self, folds: bool = False) -> None:
        """UsageError for training whose batches several processes cannot share."""
        if self.objective is not None:
            raise UsageError(f"--objective {self.objective[0]} learns in one process", fix="leave torchrun out")
        if folds:
            raise UsageError("--folds are trained in one process", fix="leave torchrun out")
        if self.spec is None and isinstance(self.split.graph, PartitionedGraph):
            raise UsageError("partitions are sampled from", fix="pass for example --num-neighbors 10,10")
        if self.batch_size is None and isinstance(self.split, NodeSplit):
            raise UsageError("the full batch is one process's", fix="pass for example --num-neighbors 15,10")
        if self.links is not None and self.links.negative_method == "in-batch":
            raise UsageError(
                "--negative-method in-batch looks at a whole batch, of which each process has a part",
                fix="use uniform or degree",
            )
        if self.records is not None:
            check_shared(self.records)

    def batches(self, model: nn.Module, device: torch.device, threads: int, share: Share = WHOLE) -> BatchSource:
        """The batches for a model, on its device.

        Without labels all nodes of the type are seeds, but for a tenth to validate on; stored samples have their own.

        Args:
            share: of every batch; see :meth:`check_shared`.
        """
        if self.objective is not None and self.records is None and self.split.artifact is not None:
            assert isinstance(self.split, NodeSplit)
            every = unlabelled_split(self.split.graph, self.split.target.node_type, self.seed)
            return replace(self, split=every).batches(model, device, threads)
        degrees = bool(getattr(model, "needs_degree", False))
        whole = bool(getattr(getattr(model, "nodes", model), "whole_graph", False))
        prepare = getattr(model, "prepare", None) if device.type == "cpu" or whole else None
        if isinstance(model, EventModel):
            assert isinstance(self.split, LinkSplit)
            return event_batches(self.split, self.links, self.batch_size, self.seed, device, share)
        if isinstance(model, WalkModel):
            assert self.batch_size is not None
            size, split = self.batch_size, self.split
            assert isinstance(split, NodeSplit)
            return WalkBatches(split, model, size, device, seed=self.seed, num_threads=threads)
        if isinstance(model, Unsupervised) and model.whole_graph and self.spec is not None:
            what = "--num-neighbors" if self.records is None else "samples"
            raise UsageError(f"{what}: this --objective takes the whole graph", fix="leave it out, or split links")
        if whole and self.spec is not None:
            raise UsageError("a model with whole_graph takes the whole graph, not samples", fix="train on the split")
        if isinstance(self.split, LinkSplit):
            return link_batches(
                self.split,
                self.links,
                self.spec,
                self.batch_size,
                device,
                records=self.records,
                seed=self.seed,
                prepare=prepare,
                degrees=degrees,
                num_threads=threads,
                balanced=self.balanced,
                whole=whole,
                share=share,
            )
        if self.split.target.task == "graph" and self.batch_size is not None:
            return GraphBatches(
                self.split,
                self.batch_size,
                device,
                seed=self.seed,
                prepare=prepare,
                degrees=degrees,
                columns=columns_for(model, self.split.graph),
                num_threads=threads,
                balanced=self.balanced,
                share=share,
            )
        if self.spec is None or self.batch_size is None:
            return FullBatches(self.split, device, degrees=degrees, prepare=prepare if whole else None)
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
            share=share,
        )

    def describe(self) -> str:
        """One line for a dry run."""
        seeds = {name: len(self.split.part(name)[0]) for name in ("train", "val", "test")}
        counts = ", ".join(f"{count:,} {name}" for name, count in seeds.items())
        if self.batch_size is None:
            return f"{counts} seeds, the full graph as one batch"
        return f"{counts} seeds, {-(-seeds['train'] // self.batch_size):,} batches of {self.batch_size:,} an epoch"


def _parents(split: NodeSplit | LinkSplit) -> list[Parent]:
    graph, artifact = split.graph.artifact, split.artifact
    if graph is not None and artifact is None and split.target.problem == "none":
        return [Parent("graph", graph)]
    if graph is None or artifact is None:
        raise ArtifactError("the split or its graph is not on disk", fix="write it first")
    return [Parent("split", artifact), Parent("graph", graph)]

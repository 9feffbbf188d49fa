"""Which pairs to score, or which nodes to recommend for, and the tables of the answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from gnnctl.artifacts import Artifact
from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError, UsageError
from gnnctl.graph.batch import link_features
from gnnctl.graph.graph import Graph
from gnnctl.graph.stores import destinations
from gnnctl.nn.models.link_model import LinkModel
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.splits.link_groups import ends_of
from gnnctl.training.job import PARTS
from gnnctl.training.layerwise import NodeIds
from gnnctl.training.link_job import check_finite
from gnnctl.training.link_metrics import MEMORY, Ranking, pair_scores, score_by
from gnnctl.training.link_objective import link_scores
from gnnctl.training.link_tables import label_columns, pair_columns, read_pairs
from gnnctl.training.link_trained import TrainedLinks
from gnnctl.training.metrics import evaluate
from gnnctl.training.predict import Scored, check_schema, rows_in
from gnnctl.training.predictions import read_ids
from gnnctl.training.ranking import batch_rows, known_candidates
from gnnctl.training.represent import represent_all
from gnnctl.training.store import DEFAULT_MEMORY

EDGES = 1 << 20  # looked at at a time
OPEN_VIEW = "test"  # sees all that is known but the test part: pairs of no part are scored in it


@dataclass(frozen=True)
class LinkPrediction:
    """A prediction of links ready to run.

    Attributes:
        trained: the model. graph: whose nodes are scored, the model's own or another of the same schema.
        pairs: by the part in whose view they are scored; of the open view those that were asked for.
        heads: by source type, (n,) int64 rows of what is recommended for; None: pairs are scored.
        top_k: destinations recommended to each, by edge type.
        exclude_known: whether links that the graph has are not recommended.
        node_ids: for another graph, by node type each row's row in the model's graph, -1 where it has none.
        embeddings: whether the representations are wanted too.
    """

    trained: TrainedLinks
    graph: Graph
    pairs: dict[str, Links]
    heads: dict[str, np.ndarray] | None
    top_k: int
    exclude_known: bool
    node_ids: NodeIds | None
    embeddings: bool
    device: torch.device

    @classmethod
    def prepare(
        cls,
        artifact: Artifact,
        *,
        on: Path | None = None,
        graph: Graph | Path | None = None,
        split: Path | None = None,
        pairs: Path | None = None,
        part: str | None = None,
        top_k: int | None = None,
        exclude_known: bool = False,
        node: list[str] | None = None,
        nodes: Path | None = None,
        embeddings: bool = False,
        device: torch.device | str = "cpu",
    ) -> "LinkPrediction":
        """Open everything and resolve the pairs.

        Raises:
            ArtifactError: an artifact is missing, damaged or does not match. DataError: an unknown id or relation.
            UsageError: options that do not go together, or with the task.
        """
        trained = TrainedLinks.open(artifact, graph=graph, split=split, device=device)
        other = Graph.open(on) if on is not None else None
        node_ids = None
        if other is not None:
            check_schema(trained.schema, other.schema, str(on))
            node_ids = rows_in(trained.graph, other)
        scored, target = other or trained.graph, trained.split.target
        if top_k is None:
            if (node or nodes) or exclude_known:
                flag = "--exclude-known" if exclude_known else "--node" if node else "--nodes"
                raise UsageError(f"{flag}: a model of links scores pairs", fix="pass --pairs, or --top-k to recommend")
        elif target.task == "edge":
            raise UsageError("--top-k: the model labels edges, it does not find them", fix="leave it out")
        elif pairs is not None or part is not None:
            flag = "--pairs" if pairs is not None else "--part"
            raise UsageError(f"{flag} and --top-k ask for different things", fix="pass one of them")
        heads, asked = None, {}
        if top_k is not None:
            heads = _heads(scored, target.src_types, node, nodes)
        elif pairs is not None:
            if target.task == "edge" and any(scored.edges[t].edge_attr is not None for t in target.edge_types):
                raise UsageError("--pairs: the model takes features of edges, pairs have none", fix="leave it out")
            asked = {OPEN_VIEW: read_pairs(pairs, scored, target.edge_types)}
        elif other is not None:
            asked = {OPEN_VIEW: _every_edge(other, trained)}
        else:
            asked = {name: trained.split.part(name) for name in ([part] if part else PARTS)}
        return cls(
            trained,
            scored,
            asked,
            heads,
            top_k or 0,
            exclude_known,
            node_ids,
            embeddings,
            torch.device(device),
        )

    @property
    def count(self) -> int:
        """Pairs to score, or nodes to recommend for."""
        if self.heads is not None:
            return sum(len(rows) for rows in self.heads.values())
        return sum(len(links.relation) for links in self.pairs.values())

    @property
    def what(self) -> str:
        """What they are, for people."""
        return "links" if self.heads is None else f"nodes with {self.top_k:,} recommendations"

    @property
    def sampling(self) -> None:
        """None: all neighbours in the view are seen."""
        return

    @property
    def summary(self) -> dict[str, Any]:
        """Counts for the manifest."""
        return {"nodes": self.count, "node_type": "link" if self.heads is None else "head"}

    @property
    def of_parts(self) -> bool:
        """Whether the pairs are those of the split, whose truth is known."""
        return self.heads is None and all(links is self.trained.split.parts.get(n) for n, links in self.pairs.items())

    def run(self, *, memory: int = DEFAULT_MEMORY, progress: Progress = no_progress) -> Scored:
        """Score the pairs, or recommend.

        Args:
            memory: bytes of representations between two layers that are kept in memory.

        Raises:
            DataError: scores that are no numbers.
        """
        views = [OPEN_VIEW] if self.heads is not None else list(self.pairs)
        tables, metrics, represented = [], {}, {}
        for name in views:
            view = self.trained.split.view(name) if self.node_ids is None else self.graph
            represented = represent_all(
                self.trained.model, view, self.device, node_ids=self.node_ids, memory=memory, progress=progress
            )
            check_finite(represented)
            if self.heads is not None:
                tables.append(self._recommended(represented, progress))
                continue
            found, values = self._scored(name, represented)
            tables.append(found)
            if values:
                metrics[name] = values
        return Scored([pa.concat_tables(tables)], metrics, self._embedded(represented) if self.embeddings else None)

    def _scored(self, name: str, represented: dict[str, Tensor]) -> tuple[pa.Table, dict[str, Any]]:
        trained, links, target = self.trained, self.pairs[name], self.trained.split.target
        columns = pair_columns(self.graph, target.edge_types, links)
        columns["split"] = pa.array([name if self.of_parts else ""] * len(links.relation), pa.string())
        if isinstance(trained.model, LinkModel):
            columns["score"] = pa.array(pair_scores(trained.model, represented, links).numpy())
            return pa.table(columns), self._ranked(name, represented) if self.of_parts else {}
        known = (links.pos >= 0).all()
        attr = link_features(self.graph, target.edge_types, links.relation, links.pos) if known else None
        logits = pair_scores(trained.model, represented, links, attr)
        columns |= label_columns(self.graph, target, links, trained.task.scores(logits).numpy())
        if links.label is None:
            return pa.table(columns), {}
        values = evaluate(trained.task, logits, torch.from_numpy(links.label))
        return pa.table(columns), {"seeds": len(links.relation), **values}

    def _ranked(self, name: str, represented: dict[str, Tensor]) -> dict[str, Any]:
        split, links, model = self.trained.split, self.pairs[name], self.trained.model
        assert isinstance(model, LinkModel)
        assert self.trained.links is not None
        every = np.arange(len(links.relation))
        ranking = Ranking(split.graph, split.target.edge_types, links)
        scores = link_scores(model, represented, split, name, ranking, every, self.trained.links)
        return {"seeds": len(links.relation), **scores.metrics(ranking)}

    @torch.no_grad()
    def _recommended(self, represented: dict[str, Tensor], progress: Progress) -> pa.Table:
        """Best destinations first, by edge type and source; itself only of a type that was learnt with loops."""
        model = self.trained.model
        assert isinstance(model, LinkModel)
        assert self.heads is not None
        score = score_by(model, represented)
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        total = sum(len(self.heads[t.src]) for t in model.edge_types)
        with progress(total=total, desc="recommend", unit="node") as bar:
            for number, t in enumerate(model.edge_types):
                size = batch_rows(self.graph.num_nodes(t.dst) * model.decoder.scratch, MEMORY)
                known = ends_of(self.graph, t) if self.exclude_known else None
                itself = t.src != t.dst or has_loops(self.trained.split, number)
                for rows in _chunks(self.heads[t.src], size):
                    scores = score(number, "dst", torch.from_numpy(rows)).float().cpu()
                    if not itself:
                        scores[np.arange(len(rows)), rows] = -torch.inf
                    if known is not None:
                        ptr, answers = known_candidates(rows, *known)
                        scores[np.repeat(np.arange(len(rows)), np.diff(ptr)), answers] = -torch.inf
                    best = scores.topk(min(self.top_k, scores.shape[1]), dim=1)
                    kept = torch.isfinite(best.values).numpy()
                    head = np.broadcast_to(rows[:, None], kept.shape)[kept]
                    place = np.broadcast_to(np.arange(1, kept.shape[1] + 1), kept.shape)[kept]
                    values, tails = best.values.numpy()[kept], best.indices.numpy()[kept]
                    found.append((np.full(len(head), number), head, tails, place, values))
                    bar.update(len(rows))
        empty = np.zeros(0, np.int64)
        parts = [np.concatenate(part) for part in zip(*found, strict=True)] if found else [empty] * 5
        relation, head, tail, place, values = parts
        pairs = Links(relation, head, tail, np.full(len(head), -1))
        columns = pair_columns(self.graph, self.trained.split.target.edge_types, pairs)
        return pa.table({**columns, "rank": pa.array(place), "score": pa.array(values.astype(np.float32))})

    def _embedded(self, represented: dict[str, Tensor]) -> pa.Table:
        """What the model makes of every node that links may end at: type, id, embedding."""
        parts = []
        for name, values in represented.items():
            ids = self.graph.ids_of(name, np.arange(len(values)))
            flat = pa.array(values.cpu().numpy().reshape(-1))
            embedding = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
            kept = ids if len(represented) == 1 else ids.cast(pa.string())
            parts.append(
                pa.table({"type": pa.array([name] * len(values), pa.string()), "id": kept, "embedding": embedding})
            )
        return pa.concat_tables(parts)


def _heads(graph: Graph, src_types: list[str], node: list[str] | None, nodes: Path | None) -> dict[str, np.ndarray]:
    if not node and nodes is None:
        return {t: np.arange(graph.num_nodes(t), dtype=np.int64) for t in src_types}
    ids = node or read_ids(nodes or Path())
    if len(src_types) == 1:
        return {src_types[0]: graph.rows_of(src_types[0], ids)}
    flag = "--node" if node else "--nodes"
    raise UsageError(f"{flag}: links start from {' and '.join(src_types)}, whose ids may be alike", fix="leave it out")


def _every_edge(graph: Graph, trained: TrainedLinks) -> Links:
    parts = []
    for number, t in enumerate(trained.split.target.edge_types):
        src, dst = ends_of(graph, t)
        parts.append((np.full(len(src), number), src, dst, np.arange(len(src))))
    found = Links(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    if not len(found.relation):
        raise DataError("the graph has no edge of the types that the model predicts", fix="pass --pairs")
    return found


def has_loops(split: LinkSplit, number: int) -> bool:
    """Whether a node has a link of type ``number`` with itself, among those that training learns from or passes on."""
    train, edge_type = split.part("train"), split.target.edge_types[number]
    if bool(((train.src == train.dst) & (train.relation == number)).any()):
        return True
    colptr, seen = np.asarray(split.graph.edges[edge_type].colptr), split.codes.get(edge_type)
    for start in range(0, int(colptr[-1]), EDGES):
        stop = min(start + EDGES, int(colptr[-1]))
        loops = split.graph.edges[edge_type].row[start:stop] == destinations(colptr, start, stop)
        if (loops if seen is None else loops & (seen[start:stop] == 0)).any():
            return True
    return False


def _chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]

"""Models of links: an encoder represents nodes, and a decoder scores pairs of them, or a head labels edges."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch, LinkSeeds
from gnnctl.graph.types import EdgeType, GraphSchema
from gnnctl.nn.decoders.registry import DecoderOptions, build_decoder
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.linear import Linear
from gnnctl.nn.models.build import build_model
from gnnctl.nn.models.encoder import activation_of
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.light_gcn_model import LightGCNModel
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.over_nodes import OverNodes
from gnnctl.nn.models.registry import models
from gnnctl.nn.models.shallow import Embedding
from gnnctl.nn.models.steps import run_layers

Representations = Mapping[str, Tensor]


class Question(NamedTuple):
    """What training asks of a batch's links beyond their scores.

    Attributes:
        candidates: whether every end is to be told from the other nodes of its type.
        drawn: by end type (k,) int64 rows of the whole graph, candidates instead of all its nodes; None: all.
        n3: whether the penalty of Lacroix et al. (2018) is wanted.
    """

    candidates: bool = False
    drawn: dict[str, Tensor] | None = None
    n3: bool = False


class Answer(NamedTuple):
    """What :class:`LinkModel` answers a :class:`Question`.

    Attributes:
        scores: (b,) of the links.
        among: for either end of the links, (n, m) scores of the candidates and (n,) int64 places of the true ones; of
            links with different candidates, a pair for each.
        penalty: the mean over the positive links, a scalar; None where it was not asked for.
    """

    scores: Tensor
    among: list[tuple[Tensor, Tensor]]
    penalty: Tensor | None


class PairModel(OverNodes):
    """Represents the nodes at both ends of links; what the pair means is a subclass's affair.

    The encoder is the model that ``options`` names, with representations ``options.hidden`` wide.

    Args:
        options: the encoder's architecture.
        schema: of the graph.
        edge_types: of the links, in the order of their numbers.

    Raises:
        UsageError: options that do not fit the graph, or an encoder of one node type where ends are of several.
    """

    pairs = True

    def __init__(self, options: ModelOptions, schema: GraphSchema, edge_types: Sequence[EdgeType]) -> None:
        end_types = list(dict.fromkeys(end for t in edge_types for end in (t.src, t.dst)))
        super().__init__(_encoder(options, schema, end_types))
        self.edge_types, self.end_types = list(edge_types), end_types
        self.width = options.hidden
        self._places: dict[str, list[int]] = {
            "src": [self.end_types.index(t.src) for t in edge_types],
            "dst": [self.end_types.index(t.dst) for t in edge_types],
        }

    def represent(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> dict[str, Tensor]:
        """By end type (n, width): of every node of a whole graph, or of the seeds of a sampled part.

        Args:
            batch: its seeds of a type are the type's first local nodes.
            edge_mask: by edge type (E,), multiplies every message on the edge in all layers.
        """
        if isinstance(self.nodes, Embedding):
            return {t: self.nodes.of(batch, t) for t in self.end_types if t in batch.node_id}
        if isinstance(self.nodes, GNN):
            found = run_layers(self.nodes, batch, edge_mask)
            return {t: self.nodes.head(found[t]) for t in self.end_types if t in found}
        if isinstance(self.nodes, LightGCNModel):
            return self.nodes.representations(batch, edge_mask)
        only = self.end_types[0]
        count = batch.num_nodes(only) if batch.node_counts is None else batch.node_counts[only][0]
        return {only: self.nodes(replace(batch, node_type=only, num_seeds=count, seed_rows=None), edge_mask)}

    def ends(self, represented: Representations, links: LinkSeeds) -> tuple[Tensor, Tensor]:
        """Representations (b, width) of the sources and of the destinations of links."""
        return (
            self._rows(represented, "src", links.relation, links.src),
            self._rows(represented, "dst", links.relation, links.dst),
        )

    def _rows(self, represented: Representations, end: str, relation: Tensor, rows: Tensor) -> Tensor:
        places = self._places[end]
        if len(set(places)) == 1:
            return represented[self.end_types[places[0]]].index_select(0, rows)
        held = [represented.get(t) for t in self.end_types]
        first = next(h for h in held if h is not None)
        tables = [first[:0] if h is None else h for h in held]
        place, start, before = torch.tensor(places, device=rows.device)[relation], torch.zeros_like(rows), 0
        for i, h in enumerate(tables):  # products, not a tensor of sizes: those are symbols in a compiled graph
            start = start + (place == i) * before
            before += h.shape[0]
        return torch.cat(tables).index_select(0, rows + start)


class LinkModel(PairModel):
    """Scores links; a larger score is a likelier link.

    With reciprocal relations ("Canonical Tensor Decomposition for Knowledge Base Completion", Lacroix et al., 2018) the
    question (?, type, destination) is asked as (destination, inverse type, ?), and a pair has the mean of both scores.

    Args:
        options, schema, edge_types: see :class:`PairModel`.
        decoder: which, and its parameters.
    """

    def __init__(
        self,
        options: ModelOptions,
        schema: GraphSchema,
        edge_types: Sequence[EdgeType],
        decoder: DecoderOptions | None = None,
    ) -> None:
        super().__init__(options, schema, edge_types)
        chosen = decoder or DecoderOptions()
        if chosen.name in ("dot", "mlp") and len(self.edge_types) > 1:
            raise UsageError(
                f"--decoder {chosen.name}: it does not tell {len(self.edge_types)} edge types apart",
                fix="choose distmult, complex, transe or rotate",
            )
        self.reciprocal = chosen.reciprocal
        self.decoder = build_decoder(chosen, options.hidden, len(self.edge_types))
        if isinstance(self.nodes, Embedding) and not self.nodes.std:
            for weight in self.nodes.parameters():
                self.decoder.reset_ends(weight)

    def forward(
        self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None, question: Question | None = None
    ) -> Tensor | Answer:
        """(b,) scores of ``batch.links``, or the answer to a question of them.

        Raises:
            ValueError: candidates are asked of a sampled part of the graph, which does not hold them.
        """
        links = links_of(batch)
        represented = self.represent(batch, edge_mask)
        if question is None:
            return self.score(represented, links)
        if question.candidates and batch.node_counts is not None:
            raise ValueError("question: a sampled batch does not hold all candidates")
        among = self._among(represented, links, question.drawn) if question.candidates else []
        scores = self.score(represented, links) if not among else among[0][0][:0, 0]
        return Answer(scores, among, self.penalty(represented, links) if question.n3 else None)

    def penalty(self, represented: Representations, links: LinkSeeds) -> Tensor:
        r"""Mean over the positive links of :math:`\sum_i |s_i|^3 + |r_i|^3 + |d_i|^3`, where reciprocal relations are
        the mean of the two relations' cubes."""
        relation = links.relation[: links.num_positives]
        total = torch.zeros((), device=relation.device)
        for end in self.ends(represented, links):
            total = total + (self.decoder.moduli(end[: links.num_positives]) ** 3).sum()
        numbers = [relation, relation + len(self.edge_types)] if self.reciprocal else [relation]
        for number in numbers:
            rows = self.decoder.relation_moduli(number)
            if rows is not None:
                total = total + (rows**3).sum() / len(numbers)
        return total / max(1, links.num_positives)

    def _among(
        self, represented: Representations, links: LinkSeeds, drawn: dict[str, Tensor] | None
    ) -> list[tuple[Tensor, Tensor]]:
        """See :class:`Answer`."""
        found = []
        for end, rows, others in (("dst", links.dst, links.src), ("src", links.src, links.dst)):
            given = "src" if end == "dst" else "dst"
            types = self._places[end]
            for place in sorted(set(types)):
                relation, asked, ends = links.relation, rows, self._rows(represented, given, links.relation, others)
                if len(set(types)) > 1:
                    wanted = torch.tensor([p == place for p in types], device=relation.device)[relation].nonzero()[:, 0]
                    relation, asked, ends = relation[wanted], asked[wanted], ends[wanted]
                table = represented[self.end_types[place]]
                if drawn is None:
                    scores = self.against_all(ends, table, relation, candidate_is_src=end == "src")
                    found.append((scores, asked))
                    continue
                rows_drawn = drawn[self.end_types[place]]
                scores = self.against_all(
                    ends, table.index_select(0, rows_drawn), relation, candidate_is_src=end == "src"
                )
                # Those drawn stand for all: so the sum of the others' exponentials is right on average.
                scores = scores + math.log(len(table) / len(rows_drawn))
                scores = scores.masked_fill(rows_drawn[None] == asked[:, None], -torch.inf)
                own = self._own(ends, table.index_select(0, asked), relation, end)
                found.append((torch.cat([own[:, None], scores], 1), torch.zeros_like(asked)))
        return found

    def _own(self, ends: Tensor, answers: Tensor, relation: Tensor, end: str) -> Tensor:
        """(n,) scores of the one candidate each that is true."""
        if end == "dst":
            return cast(Tensor, self.decoder(ends, answers, relation))
        if self.reciprocal:
            return cast(Tensor, self.decoder(ends, answers, relation + len(self.edge_types)))
        return cast(Tensor, self.decoder(answers, ends, relation))

    def score(self, represented: Representations, links: LinkSeeds) -> Tensor:
        """(b,) scores of links between represented nodes."""
        src, dst = self.ends(represented, links)
        forward: Tensor = self.decoder(src, dst, links.relation)
        if not self.reciprocal:
            return forward
        backward: Tensor = self.decoder(dst, src, links.relation + len(self.edge_types))
        return (forward + backward) / 2

    def against_all(self, ends: Tensor, candidates: Tensor, relation: Tensor, *, candidate_is_src: bool) -> Tensor:
        """(n, m) scores of links between ends (n, width), one end of the edge types (n,), and each of the candidates
        (m, width) at the other."""
        if candidate_is_src and self.reciprocal:
            return self.decoder.against_all(ends, candidates, relation + len(self.edge_types))
        return self.decoder.against_all(ends, candidates, relation, candidate_is_src=candidate_is_src)


class EdgeModel(PairModel):
    """Outputs of edges: an MLP of both ends' representations, the edge's own features and its type.

    Args:
        options, schema, edge_types: see :class:`PairModel`.
        out_channels: width of the outputs.
    """

    def __init__(
        self, options: ModelOptions, schema: GraphSchema, edge_types: Sequence[EdgeType], out_channels: int
    ) -> None:
        super().__init__(options, schema, edge_types)
        self.features = sum(schema.edges[t].features for t in self.edge_types)
        self.types = len(self.edge_types) if len(self.edge_types) > 1 else 0
        self.hidden = nn.Sequential(
            Linear(2 * options.hidden + self.features + self.types, options.hidden),
            activation_of(options.activation or "relu"),
            Dropout(options.dropout),
        )
        self.output = Linear(options.hidden, out_channels)

    def forward(self, batch: Batch, edge_mask: Mapping[EdgeType, Tensor] | None = None) -> Tensor:
        """(b, out_channels) logits of ``batch.links``."""
        return self.score(self.represent(batch, edge_mask), links_of(batch))

    def score(self, represented: Representations, links: LinkSeeds) -> Tensor:
        """(b, out_channels) logits of links between represented nodes."""
        parts = list(self.ends(represented, links))
        if self.features:
            if links.attr is None:
                raise ValueError("the model takes the features of the links, the batch has none")
            parts.append(links.attr)
        if self.types:
            parts.append(torch.nn.functional.one_hot(links.relation, self.types).to(parts[0].dtype))
        return cast(Tensor, self.output(self.hidden(torch.cat(parts, 1))))


def links_of(batch: Batch) -> LinkSeeds:
    """The batch's links; ValueError where it has none."""
    if batch.links is None:
        raise ValueError("the batch is of no links")
    return batch.links


def _encoder(options: ModelOptions, schema: GraphSchema, end_types: list[str]) -> nn.Module:
    first = end_types[0]
    known = models().get(options.name)
    if known is not None and known.path == f"{GNN.__module__}:{GNN.__qualname__}":
        return GNN(options, schema, first, options.hidden, towards=end_types)
    if known is not None:
        known.check(options.name, "link")
    if options.name == "embedding":
        return Embedding(options, schema, first, options.hidden, towards=end_types)
    if options.name == "lightgcn":
        return LightGCNModel(options, schema, first, options.hidden, towards=end_types)
    if len(end_types) > 1:
        raise UsageError(f"{options.name} represents one node type, links join several", fix="choose another model")
    return build_model(options, schema, first, options.hidden)

"""Models whose convolutions pass messages several times: each round is a layer that can be sampled and trimmed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from gnnctl.errors import UsageError
from gnnctl.graph.types import GraphSchema
from gnnctl.nn.conv import APPNP, ARMAConv, ChebConv, SGConv, SSGConv, TAGConv
from gnnctl.nn.conv.multi_hop import MultiHop, State
from gnnctl.nn.dropout import Dropout
from gnnctl.nn.linear import Linear
from gnnctl.nn.models.encoder import NodeEmbedding, activation_of
from gnnctl.nn.models.layer import LayerEdges
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.steps import LayeredModel
from gnnctl.parameters import Value

Make = Callable[[int, int, int, Mapping[str, Value]], MultiHop]


@dataclass(frozen=True)
class Rounds:
    """A convolution of several rounds as a model uses it.

    Attributes:
        make: of (width of the input, of the output, rounds, own parameters).
        summary: what it is for, in a few words.
        parameters: with their defaults; ``hops`` is the rounds of one convolution.
        predicts_first: an MLP makes outputs of each node's features, and the rounds spread them.
        layers: rounds in all, where nobody says how many.
    """

    make: Make
    summary: str
    parameters: Mapping[str, Value]
    predicts_first: bool = False
    layers: int = 2


# Of a model's options; see Model.uses.
ROUNDS_USE = ("hidden", "dropout", "input_dropout", "activation", "embedding")
# Without `hops`, one convolution makes all the rounds.
KINDS: dict[str, Rounds] = {
    "sgc": Rounds(
        lambda width, out, rounds, own: SGConv(width, out, hops=rounds),
        "one linear model on features averaged K hops wide; fast and strong on citation-like graphs",
        {},
    ),
    "ssg": Rounds(
        lambda width, out, rounds, own: SSGConv(width, out, hops=rounds, alpha=float(own["alpha"])),
        "as sgc, averaging over all hops up to K, so that K can be large",
        {"alpha": 0.1},
        layers=16,
    ),
    "appnp": Rounds(
        lambda width, out, rounds, own: APPNP(hops=rounds, alpha=float(own["alpha"])),
        "an MLP whose predictions spread by personalised PageRank; far neighbourhoods without oversmoothing",
        {"alpha": 0.1},
        predicts_first=True,
        layers=10,
    ),
    "tag": Rounds(
        lambda width, out, rounds, own: TAGConv(width, out, hops=rounds),
        "a polynomial of the adjacency matrix in each layer",
        {"hops": 2},
        layers=4,
    ),
    "cheb": Rounds(
        lambda width, out, rounds, own: ChebConv(width, out, terms=rounds + 1),
        "Chebyshev filters of the graph's spectrum",
        {"hops": 1},
    ),
    "arma": Rounds(
        lambda width, out, rounds, own: ARMAConv(width, out, stacks=int(own["stacks"]), hops=rounds),
        "auto-regressive filters: sharper than polynomials, stable to noise",
        {"hops": 1, "stacks": 3},
    ),
}


class RoundsModel(LayeredModel):
    """Convolutions of several rounds over one type of nodes and edges.

    Each round needs one hop of neighbours: ``layers`` counts the rounds of all convolutions.

    Args:
        options: the architecture; ``name`` one of :data:`KINDS`.
        schema: of the graph.
        node_type: whose nodes get outputs.
        out_channels: width of the outputs.

    Raises:
        UsageError: a graph of several types, or rounds that convolutions cannot share evenly.
    """

    exact_layers = True
    needs_degree = True

    def __init__(self, options: ModelOptions, schema: GraphSchema, node_type: str, out_channels: int) -> None:
        super().__init__()
        kind = KINDS[options.name]
        if not schema.is_homogeneous:
            raise UsageError(f"{options.name} needs one node type and one edge type", fix="choose another model")
        self.num_layers, self.out_channels = options.layers, out_channels
        self.node_type, self.edge_type = node_type, next(iter(schema.edges))
        self.hops = int(options.parameters.get("hops", kind.parameters.get("hops", options.layers)))
        if options.layers % self.hops:
            raise UsageError(
                f"{options.layers} layers are no whole number of convolutions of {self.hops} hops",
                fix=f"pass --layers {-(-options.layers // self.hops) * self.hops}, or another hops=",
            )
        own = {**kind.parameters, **options.parameters}
        node = schema.nodes[node_type]
        self.embedding = None if node.features else NodeEmbedding(node.num_nodes, options.embedding, options.hidden)
        width = node.features or options.hidden
        self.activation = activation_of(options.activation or "relu")
        self.first_dropout = Dropout(options.dropout if options.input_dropout is None else options.input_dropout)
        self.dropout = Dropout(options.dropout)
        self.mlp: nn.Module | None = None
        if kind.predicts_first:
            hidden, last = Linear(width, options.hidden), Linear(options.hidden, out_channels)
            self.mlp = nn.Sequential(hidden, self.activation, self.dropout, last)
            width = out_channels
        count = options.layers // self.hops
        widths = [width, *[options.hidden] * (count - 1), out_channels]
        self.convs = nn.ModuleList(kind.make(widths[i], widths[i + 1], self.hops, own) for i in range(count))
        with torch.no_grad():
            self._widths = [
                [part.shape[1] for part in self._conv(i).start(torch.zeros(1, widths[i]))] for i in range(count)
            ]

    def _conv(self, index: int) -> MultiHop:
        return cast(MultiHop, self.convs[index])

    def first_parameters(self) -> list[str]:
        """Names of the parameters of the embedding, and of the MLP's or the first convolution's first product."""
        first = ("embedding.", "convs.0." if self.mlp is None else "mlp.0.")
        return [name for name, _ in self.named_parameters() if name.startswith(first)]

    def encode(self, x: Mapping[str, Tensor | None], node_id: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What enters the first round, (n, width), by node type."""
        features = x.get(self.node_type)
        if self.embedding is not None:
            features = self.embedding(node_id[self.node_type])
        if features is None:
            raise ValueError(f"the model takes features of '{self.node_type}', the batch has none")
        h = self.first_dropout(features)
        return {self.node_type: h if self.mlp is None else self.mlp(h)}

    def layer(
        self, index: int, h_src: dict[str, Tensor], h_dst: dict[str, Tensor], edges: LayerEdges
    ) -> dict[str, Tensor]:
        """After round ``index``: the convolution's state side by side, or after its last round its result."""
        which, turn = divmod(index, self.hops)
        conv, t = self._conv(which), self.edge_type
        source, target = h_src[self.node_type], h_dst[self.node_type]
        state: State
        if turn == 0:
            state = conv.start(source)
            own = tuple(part[: target.shape[0]] for part in state)  # destinations are the first sources
        else:
            state, own = (torch.split(h, self._widths[which], dim=1) for h in (source, target))
        weight, mask, degree = edges.edge_weight.get(t), edges.edge_mask.get(t), edges.degree.get(t)
        state = conv.advance(turn, state, own, edges.edge_index[t], weight, mask, degree)
        if turn + 1 < self.hops:
            return {self.node_type: torch.cat(state, 1)}
        h = conv.finish(state)
        return {self.node_type: h if index + 1 == self.num_layers else self.dropout(self.activation(h))}

    def head(self, h: Tensor) -> Tensor:
        """(n, out_channels) logits."""
        return h

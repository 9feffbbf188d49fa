"""Point transformer."""

from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.loops import looped
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src, segment_reduce, segment_softmax


class PointTransformerConv(MessagePassing):
    r"""The layer of "Point Transformer" (Zhao et al., 2021).

    .. math::
        h_i = \sum_{j \to i} \alpha_{ji} \odot (V x_j + \delta_{ji}), \quad
        \alpha_{ji} = \mathrm{softmax}_{j \to i} \, \gamma (Q x_i - K x_j + \delta_{ji}), \quad
        \delta_{ji} = \theta (p_i - p_j)

    The softmax is taken for every feature.

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); pos (S, 3) or ((S, 3), (D, 3)); result (D, out).

    Args:
        in_channels: width of x, or (of sources, of destinations); equal widths are needed with ``self_loops``.
        out_channels: width of the result.
        pos_network: theta, from (E, 3) to (E, out); None: a Linear.
        attention_network: gamma, from (E, out) to the same; None: the identity.
        self_loops: whether a point attends to itself too; its own message replaces those of loops that the graph has.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        pos_network: nn.Module | None = None,
        attention_network: nn.Module | None = None,
        self_loops: bool = True,
    ) -> None:
        super().__init__("sum")
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        if self_loops and source != target:
            raise ValueError(f"self_loops need sources and destinations of one width, got {source} and {target}")
        self.pos_network = nn.Linear(3, out_channels) if pos_network is None else pos_network
        self.attention_network, self.self_loops = attention_network, self_loops
        self.lin = nn.Linear(source, out_channels, bias=False)
        self.lin_key = nn.Linear(source, out_channels, bias=False)
        self.lin_query = nn.Linear(target, out_channels, bias=False)

    def forward(self, x: Pair, edge_index: EdgeIndex, pos: Pair, edge_mask: Tensor | None = None) -> Tensor:
        """(D, out_channels)."""
        source, target = ends(x, edge_index.num_dst)
        place_src, place_dst = ends(pos, edge_index.num_dst)
        delta = self.pos_network(gather_dst(edge_index, place_dst) - gather_src(edge_index, place_src))
        query = self.lin_query(target)
        score = gather_dst(edge_index, query) - gather_src(edge_index, self.lin_key(source)) + delta
        values = gather_src(edge_index, self.lin(source)) + delta
        if edge_mask is not None:
            values = values * edge_mask[:, None]
        loops = looped(edge_index) if self.self_loops else None
        if loops is not None:
            still = self.pos_network(place_dst.new_zeros(place_dst.shape))
            score = loops.values(score, query - self.lin_key(target) + still)
            values = loops.values(values, self.lin(target) + still)
        if self.attention_network is not None:
            score = self.attention_network(score)
        if loops is not None:
            score, edge_index = loops.scores(score), loops.edge_index
        return segment_reduce(edge_index.colptr, segment_softmax(edge_index.colptr, score) * values)

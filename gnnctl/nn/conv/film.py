"""Messages scaled and shifted by their destination."""

from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.linear import Linear
from gnnctl.nn.message_passing import MessagePassing, Pair, ends
from gnnctl.nn.ops import gather_dst, gather_src, segment_reduce


class FiLMConv(MessagePassing):
    r"""The layer of "GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation" (Brockschmidt, 2020).

    .. math::
        h_i = \mathrm{ReLU}(\gamma^0_i \odot W_0 x_i + \beta^0_i) + \sum_r \mathrm{mean}_{j \in N_r(i)} \,
            \mathrm{ReLU}(\gamma^r_i \odot W_r x_j + \beta^r_i), \quad
        [\beta^r_i, \gamma^r_i] = G_r x_i + g_r, \quad [\beta^0_i, \gamma^0_i] = G_0 x_i

    Shapes: x (S, in) or ((S, in_src), (D, in_dst)); edge_type (E,) int64, with several relations; result (D, out).

    Args:
        in_channels: width of x, or (of sources, of destinations).
        out_channels: width of the result.
        num_relations: kinds of edges.

    Raises:
        ValueError: there are several relations, and no edge types are given.
    """

    def __init__(self, in_channels: int | tuple[int, int], out_channels: int, *, num_relations: int = 1) -> None:
        super().__init__("mean")
        source, target = in_channels if isinstance(in_channels, tuple) else (in_channels, in_channels)
        self.num_relations, self.out_channels = num_relations, out_channels
        # The matrices of all relations one below the other.
        self.lin = Linear(source, num_relations * out_channels, bias=False)
        self.film = Linear(target, num_relations * 2 * out_channels)
        self.root = Linear(target, out_channels, bias=False)
        self.film_root = Linear(target, 2 * out_channels, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for linear in (self.lin, self.film, self.root, self.film_root):
            linear.reset_parameters()

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        edge_type: Tensor | None = None,
    ) -> Tensor:
        """(D, out_channels). Edge weights, where given, scale the messages."""
        source, target = ends(x, edge_index.num_dst)
        beta, gamma = self.film_root(target).chunk(2, dim=-1)
        own = (gamma * self.root(target) + beta).relu()
        value, film, share = self.lin(source), self.film(target), None
        if self.num_relations == 1:
            value, film = gather_src(edge_index, value), gather_dst(edge_index, film)
        else:
            if edge_type is None:
                raise ValueError(f"edge_type is needed for {self.num_relations} relations")
            from_ = edge_index.row.long() * self.num_relations + edge_type
            to = edge_index.col().long() * self.num_relations + edge_type
            value = value.view(-1, self.out_channels).index_select(0, from_)
            film = film.view(-1, 2 * self.out_channels).index_select(0, to)
            count = value.new_zeros(edge_index.num_dst * self.num_relations)
            share = count.index_add(0, to, value.new_ones(to.shape[0])).reciprocal().index_select(0, to)
        beta, gamma = film.chunk(2, dim=-1)
        messages = (gamma * value + beta).relu()
        for factor in (share, edge_weight, edge_mask):
            messages = messages if factor is None else messages * factor[:, None]
        out: Tensor = own + segment_reduce(edge_index.colptr, messages, "mean" if share is None else "sum")
        return out

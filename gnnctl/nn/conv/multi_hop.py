"""The base of layers that pass messages several times."""

from torch import Tensor

from gnnctl.graph.batch import Degrees
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import Adjacency, adjacency
from gnnctl.nn.message_passing import MessagePassing, Pair

# What a layer carries from round to round: tensors with a row for each node.
State = tuple[Tensor, ...]


class MultiHop(MessagePassing):
    """K rounds over the same edges: ``finish(step(... step(start(x))))``.

    :meth:`forward` does them all, over edges between the same nodes. A sampled model, whose every round has fewer
    destinations than sources, does them one by one::

        state = layer.start(x)
        for k in range(layer.rounds):
            target = tuple(part[: edges[k].num_dst] for part in state)
            state = layer.advance(k, state, target, edges[k], degree=degree[k])
        out = layer.finish(state)

    Args:
        rounds: K, at least 1.
        self_loops: whether a node takes part in its own sum.
        normalize: whether the edges are normalised by degree, see :func:`~gnnctl.nn.conv.normalization.normalized`.

    Raises:
        ValueError: rounds is less than 1.
    """

    def __init__(self, rounds: int, *, self_loops: bool = True, normalize: bool = True) -> None:
        super().__init__("sum")
        if rounds < 1:
            raise ValueError(f"{type(self).__name__} needs at least one round over the edges, got {rounds}")
        self.rounds, self.self_loops, self.normalize = rounds, self_loops, normalize

    def start(self, x: Tensor) -> State:
        """The state before the first round, of (N, in) features."""
        raise NotImplementedError  # a subclass says how

    def step(self, turn: int, source: State, target: State, matrix: Adjacency) -> State:
        """The destinations' state after round ``turn``, counted from 0.

        Args:
            turn: which round.
            source: the state of the sources before it.
            target: the state of the destinations before it.
            matrix: the edges.
        """
        raise NotImplementedError  # a subclass says how

    def finish(self, state: State) -> Tensor:
        """(N, out) after the last round."""
        raise NotImplementedError  # a subclass says how

    def matrix(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None,
        edge_mask: Tensor | None,
        degree: Degrees | None,
    ) -> Adjacency:
        """What the rounds multiply by."""
        return adjacency(
            x, edge_index, edge_weight, edge_mask, degree, self_loops=self.self_loops, normalize=self.normalize
        )

    def advance(
        self,
        turn: int,
        source: State,
        target: State,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
    ) -> State:
        """One round, see :meth:`step`; ``degree`` None takes the edges for the whole graph."""
        matrix = self.matrix(source[0], edge_index, edge_weight, edge_mask, degree)
        return self.step(turn, source, target, matrix)

    def forward(
        self,
        x: Pair,
        edge_index: EdgeIndex,
        edge_weight: Tensor | None = None,
        edge_mask: Tensor | None = None,
        degree: Degrees | None = None,
    ) -> Tensor:
        """(D, out_channels); ``degree`` None takes the edges for the whole graph.

        Raises:
            ValueError: destinations are other nodes than sources, and there is more than one round.
        """
        self.check(x, edge_index)
        return self.run(x, self.matrix(x, edge_index, edge_weight, edge_mask, degree))

    def check(self, x: Pair, edge_index: EdgeIndex) -> None:
        """Refuse edges that only one round can take."""
        if self.rounds > 1 and (isinstance(x, tuple) or edge_index.num_src != edge_index.num_dst):
            raise ValueError(
                f"edge_index: {type(self).__name__} passes messages {self.rounds} times, so that sources and "
                "destinations must be the same nodes; for others call start, advance for each round, finish"
            )

    def run(self, x: Pair, matrix: Adjacency) -> Tensor:
        """All rounds over the same matrix."""
        state = self.start(x[0] if isinstance(x, tuple) else x)
        count = matrix.edge_index.num_dst
        own = self.start(x[1]) if isinstance(x, tuple) else tuple(part[:count] for part in state)
        for turn in range(self.rounds):
            state = self.step(turn, state, own if turn == 0 else state, matrix)
        return self.finish(state)

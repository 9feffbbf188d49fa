"""What the suite must know of a convolution to hold it against the oracle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

# A parameter of ours and its partners among the peer's; where theirs are laid out otherwise, what makes ours of them.
Partners = tuple[Tensor, Tensor | tuple[Tensor, ...]] | tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]
WIDTH, EDGE_WIDTH, RELATIONS = 6, 3, 4


@dataclass(frozen=True)
class ConvCase:
    """A convolution of ours and the peer's, as the suite makes them.

    Attributes:
        name: of the test.
        ours: makes our layer, for nodes of WIDTH features, edges of EDGE_WIDTH.
        theirs: makes the peer's of the same shape; None where it has none, and ``formula`` stands for it.
        takes: what is given beside x and the edges, by our names; see :func:`given`.
        renames: our name of such a value -> the peer's, where they differ.
        names: our parameter (or buffer) -> the peer's, or several of the peer's that ours holds one after the other;
            those not named here are called the same.
        tie: copies our weights into the peer's where names are not enough; answers the pairs of parameters.
        formula: (our layer, x, coo, values) -> result, written out densely, where there is no peer.
        pair: (ours, theirs) for sources of WIDTH and destinations of ``pair_width`` features; None where it needs
            sources and destinations to be the same nodes.
        pair_names: ``names`` of the pair, where they differ.
        keeps: our parameters that stay as they were made, where others are drawn.
        pair_width: features of the pair's destinations.
        alone: how destinations alone can be given: as a pair with their sources, or as the first of them; nothing where
            the layer needs all nodes at both ends.
        compiles: whether the compiled layer is tried though another case of its class comes before.
        x_width: features of x.
        equivariant: renumbering nodes renumbers the rows.
        their_x: makes of our x what the peer takes in its place.
        differentiable: results are floats, with gradients.
        tolerance: largest difference, relative to the largest number.
    """

    name: str
    ours: Callable[[], nn.Module]
    theirs: Callable[[], nn.Module] | None = None
    takes: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    tie: Callable[[nn.Module, nn.Module], list[Partners]] | None = None
    formula: Callable[..., Tensor] | None = None
    pair: tuple[Callable[[], nn.Module], Callable[[], nn.Module]] | None = None
    pair_names: Mapping[str, str] | None = None
    keeps: tuple[str, ...] = ()
    pair_width: int = WIDTH - 2
    alone: tuple[str, ...] = ("pair", "first")
    compiles: bool = False
    x_width: int = WIDTH
    equivariant: bool = True
    their_x: Callable[[Tensor], object] | None = None
    differentiable: bool = True
    tolerance: float = 1e-5

    def __str__(self) -> str:
        return self.name


NODE_VALUES = ("x_0", "pos", "normal", "batch", "node_type", "hyperedge_attr", "hyperedge_weight")


def given(names: tuple[str, ...], num_nodes: int, num_edges: int, dtype: torch.dtype, seed: int) -> dict[str, Tensor]:
    """Random values by name: of edges ``edge_weight``, ``_attr``, ``_type`` and ``_sign``; of nodes NODE_VALUES."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64).to(dtype)

    makers: dict[str, Callable[[], Tensor]] = {
        "edge_weight": lambda: torch.rand(num_edges, generator=draw, dtype=torch.float64).to(dtype) + 0.1,
        "edge_length": lambda: torch.rand(num_edges, generator=draw, dtype=torch.float64).to(dtype),
        "edge_attr": lambda: torch.rand(num_edges, EDGE_WIDTH, generator=draw, dtype=torch.float64).to(dtype),
        "edge_type": lambda: torch.randint(0, RELATIONS, (num_edges,), generator=draw),
        "edge_sign": lambda: torch.randint(0, 2, (num_edges,), generator=draw) * 2 - 1,
        "hyperedge_attr": lambda: normal(num_nodes, WIDTH),
        "hyperedge_weight": lambda: torch.rand(num_nodes, generator=draw, dtype=torch.float64).to(dtype) + 0.1,
        "x_0": lambda: normal(num_nodes, WIDTH),
        "pos": lambda: normal(num_nodes, 3),
        "normal": lambda: torch.nn.functional.normalize(normal(num_nodes, 3)),
        "batch": lambda: torch.arange(num_nodes) * 2 // max(num_nodes, 1),
        "node_type": lambda: torch.randint(0, 2, (num_nodes,), generator=draw),
    }
    return {name: makers[name]() for name in names}


def tied(case: ConvCase, ours: nn.Module, theirs: nn.Module, *, pair: bool = False) -> list[Partners]:
    """Give the peer our parameters and buffers; pairs of parameters whose gradients must agree.

    Every parameter of both sides must find its partner, so that none is forgotten.
    """
    if case.tie is not None:
        known = case.tie(ours, theirs)
        there = {
            id(p) for mine, others, *_ in known for p in (mine, *(others if isinstance(others, tuple) else (others,)))
        }
        for side in (ours, theirs):
            forgotten = {name for name, parameter in side.named_parameters() if id(parameter) not in there}
            assert not forgotten, f"{forgotten} have no partner"
        return known
    names = case.pair_names if pair and case.pair_names is not None else case.names
    state = dict(theirs.named_parameters()) | dict(theirs.named_buffers())
    pairs, used = [], set()
    for name, value in (dict(ours.named_parameters()) | dict(ours.named_buffers())).items():
        others = names.get(name, name)
        others = (others,) if isinstance(others, str) else others
        missing = set(others) - set(state)
        assert not missing, f"{name}: the peer has {', '.join(state)}"
        used.update(others)
        parts = value.flatten().split([state[other].numel() for other in others])
        with torch.no_grad():
            for other, part in zip(others, parts, strict=True):
                state[other].copy_(part.view_as(state[other]))
        if isinstance(value, nn.Parameter):
            pairs.append((value, tuple(state[other] for other in others)))
    forgotten = {n for n, _ in theirs.named_parameters()} - used
    assert not forgotten, f"the peer's {forgotten} have no partner"
    return pairs

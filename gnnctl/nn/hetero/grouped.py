"""Per-type products and per-relation aggregations, each as one call for all types."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.relations import RelationPairs, ends_of, join_relations
from gnnctl.graph.types import EdgeType
from gnnctl.nn.conv.initial import glorot_
from gnnctl.nn.conv.sage import SAGEConv
from gnnctl.nn.message_passing import masked
from gnnctl.nn.ops import Reduce, segment_matmul
from gnnctl.nn.relational import by_pairs

# Types from which one product for all is faster than one for each: calling costs more than multiplying, but at four
# types putting the rows together costs as much as it saves (tests/benchmarks/grouped.py).
LEAST_LINEARS = 8
# As much for relations; the arrangement of their edges is made anew for each batch.
LEAST_RELATIONS = 8
# Width of sources, in widths of the result, up to which that holds.
_WIDEST = 2


class GroupedLinear(nn.Module):
    """T Linears, one for each type, as one grouped product; their weights are one parameter.

    Args:
        linears: of the same widths, all with a bias or all without; their weights are copied.
    """

    def __init__(self, linears: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([linear.weight.detach().T for linear in linears]).contiguous())
        biases = [linear.bias.detach() for linear in linears if linear.bias is not None]
        self.bias = nn.Parameter(torch.stack(biases)) if biases else None

    def forward(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """T results (n, out), of T tensors (n, in)."""
        counts = [part.shape[0] for part in rows]
        out = segment_matmul(torch.cat(list(rows)), pointers(counts, rows[0]), self.weight, self.bias)
        return list(torch.split(out, counts))


def pointers(counts: Sequence[int], like: Tensor) -> Tensor:
    """(T + 1,) int64 where T groups of rows begin and end."""
    limits = [0]
    for count in counts:
        limits.append(limits[-1] + count)
    return torch.tensor(limits, device=like.device)


class GroupedRelations(nn.Module):
    r"""Mean (or another reduction) over the neighbours in each of R relations times its matrix, summed over relations.

    .. math:: h_i = \sum_r W_r \, \mathrm{aggr}_{j \in N_r(i)} \, w_{ji} x_j

    One aggregation for all relations and one grouped product, whatever node types they join: rows of a node type stand
    once and are addressed by all relations that start there. The numbers are those of a
    :class:`~gnnctl.nn.conv.SAGEConv` without ``root`` for each relation.

    Args:
        relations: edge types, in the order of the matrices.
        in_channels: width of all sources.
        out_channels: width of the result.
        reduce: within a relation.
        num_bases: of a basis decomposition of W; None for none.
        num_blocks: of a block-diagonal decomposition; None for none.

    Raises:
        ValueError: both decompositions, or widths that blocks do not divide.
    """

    def __init__(
        self,
        relations: Sequence[EdgeType],
        in_channels: int,
        out_channels: int,
        *,
        reduce: Reduce = "mean",
        num_bases: int | None = None,
        num_blocks: int | None = None,
    ) -> None:
        super().__init__()
        if num_bases is not None and num_blocks is not None:
            raise ValueError("num_bases and num_blocks: choose one of the two decompositions")
        if num_blocks is not None and (in_channels % num_blocks or out_channels % num_blocks):
            raise ValueError(f"num_blocks {num_blocks} divides not both widths, {in_channels} and {out_channels}")
        self.relations, self.reduce = list(relations), reduce
        count = len(self.relations)
        shape: tuple[int, ...] = (num_bases or count, in_channels, out_channels)
        if num_blocks is not None:
            shape = (count, num_blocks, in_channels // num_blocks, out_channels // num_blocks)
        self.weight = nn.Parameter(torch.empty(shape))
        self.comp = None if num_bases is None else nn.Parameter(torch.empty(count, num_bases))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot)."""
        glorot_(self.weight)
        if self.comp is not None:
            glorot_(self.comp)

    @classmethod
    def of(cls, convs: Mapping[EdgeType, SAGEConv]) -> "GroupedRelations":
        """With the weights of a layer for each relation, which must be alike; see :func:`alike`."""
        first = next(iter(convs.values()))
        with torch.random.fork_rng(devices=[]):  # no draw is used, so none may be taken from what comes after
            made = cls(list(convs), first.lin.in_features, first.lin.out_features, reduce=reduction(first))
        with torch.no_grad():
            made.weight.copy_(torch.stack([conv.lin.weight.T for conv in convs.values()]))
        return made

    def forward(
        self,
        sources: Mapping[str, Tensor],
        edge_index: Mapping[EdgeType, EdgeIndex],
        edge_weight: Mapping[EdgeType, Tensor | None] | None = None,
        edge_mask: Mapping[EdgeType, Tensor | None] | None = None,
        pairs: RelationPairs | None = None,
    ) -> dict[str, Tensor]:
        """By destination type (D, out), of those that some relation here leads to.

        Args:
            sources: by node type (S, in).
            edge_index: by edge type; those that are no relation of the layer's are not looked at.
            edge_weight: by edge type (E,), for some.
            edge_mask: by edge type (E,), for some.
            pairs: of :func:`~gnnctl.graph.relations.join_relations`, where they were made ahead.
        """
        present = [t for t in self.relations if t in edge_index and t.src in sources]
        if not present:
            return {}
        starts, targets = ends_of(present)
        rows = [sources[name] for name in starts]
        x = rows[0] if len(rows) == 1 else torch.cat(rows)
        if pairs is None:
            pairs = join_relations({t: edge_index[t] for t in present}, self.relations)
        weight = _joined(present, edge_index, edge_weight or {}, edge_mask or {}, x)
        matrices = self.weight if self.comp is None else torch.einsum("rb,bio->rio", self.comp, self.weight)
        out = by_pairs(pairs, x, matrices, weight, self.reduce)
        counts = [next(edge_index[t].num_dst for t in present if t.dst == name) for name in targets]
        return dict(zip(targets, torch.split(out, counts), strict=True))


def _joined(
    present: Sequence[EdgeType],
    edge_index: Mapping[EdgeType, EdgeIndex],
    edge_weight: Mapping[EdgeType, Tensor | None],
    edge_mask: Mapping[EdgeType, Tensor | None],
    x: Tensor,
) -> Tensor | None:
    """Weights of all edges, one where there is none; None where there are none at all."""
    found = [masked(edge_weight.get(t), edge_mask.get(t)) for t in present]
    if all(w is None for w in found):
        return None
    ones = [x.new_ones(edge_index[t].num_edges) if w is None else w for t, w in zip(present, found, strict=True)]
    return torch.cat(ones)


def reduction(conv: SAGEConv) -> Reduce:
    """The one reduction of a layer's messages.

    Raises:
        ValueError: it is none.
    """
    found = conv.aggr.reduce
    if found is None:
        raise ValueError(f"{type(conv.aggr).__name__} is no reduction")
    return cast(Reduce, found)


def alike(convs: Sequence[nn.Module]) -> bool:
    """Whether layers can be one :class:`GroupedRelations`: of SAGE's form, one reduction, the same widths.

    Sources much wider than the result are better multiplied before they are aggregated, one relation at a time.
    """
    forms = set()
    for conv in convs:
        if not isinstance(conv, SAGEConv) or conv.aggr.reduce is None:
            return False
        if conv.normalize or conv.project is not None:
            return False
        if conv.lin.in_features > _WIDEST * conv.lin.out_features:
            return False
        root = None if conv.root is None else conv.root.in_features
        forms.add((conv.aggr.reduce, conv.lin.in_features, conv.lin.out_features, conv.lin.bias is None, root))
    return len(forms) == 1

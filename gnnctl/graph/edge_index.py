"""Edges as layers see them: sorted by destination, with the view by source that gradients need."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gnnctl.graph.memory import array, native_edges
from gnnctl.native import _native, csc_from_coo

_INT32_LIMIT = 2**31


class Transposed(NamedTuple):
    """Edges by source: those of source s stand at ``rowptr[s]:rowptr[s + 1]``, in edge order.

    Of edges that were turned round (:meth:`EdgeIndex.reversed`) those of a source are in the order from before.

    ``rowptr`` (S + 1,) int64; ``col`` (E,) destinations; ``perm`` (E,) positions in the destination-sorted order.
    """

    rowptr: Tensor
    col: Tensor
    perm: Tensor


class EdgeIndex:
    """Edges from ``num_src`` sources to ``num_dst`` destinations, sorted by destination (CSC).

    Args:
        colptr: (D + 1,) int64; destination d's edges are ``colptr[d]:colptr[d + 1]``.
        row: (E,) int32 or int64 sources.
        num_src: S.
        num_dst: D.
        validate: check the contents (once, here); skip it only for arrays that were checked before.

    Raises:
        TypeError: wrong dtypes.
        ValueError: shapes, order or range are wrong.
    """

    def __init__(self, colptr: Tensor, row: Tensor, num_src: int, num_dst: int, *, validate: bool = True) -> None:
        self.colptr = colptr
        self.row = row
        self.num_src = num_src
        self.num_dst = num_dst
        self._transposed: Transposed | None = None
        self._col: Tensor | None = None
        self._looped: tuple[EdgeIndex, Tensor, Tensor] | None = None
        self._is_loop: Tensor | None = None
        self._loops_known = False
        self._loop_flags: Tensor | None = None
        self._reversed: tuple[EdgeIndex, Tensor] | None = None
        if validate:
            self._validate()

    def __repr__(self) -> str:
        return f"EdgeIndex({self.num_src} -> {self.num_dst}, {self.num_edges} edges, {self.row.dtype}, {self.device})"

    @property
    def num_edges(self) -> int:
        """E."""
        return self.row.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.row.device

    def _validate(self) -> None:
        _check_counts(self.num_src, self.num_dst)
        if self.colptr.dtype != torch.int64 or self.row.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"colptr must be int64 and row int32 or int64, got {self.colptr.dtype}, {self.row.dtype}")
        if self.colptr.shape != (self.num_dst + 1,) or self.row.dim() != 1:
            raise ValueError(
                f"colptr {tuple(self.colptr.shape)} and row {tuple(self.row.shape)} fit no {self.num_dst} destinations"
            )
        self.colptr, self.row = self.colptr.contiguous(), self.row.contiguous()
        _native.check_csc(array(self.colptr.cpu()), array(self.row.cpu()), self.num_src)

    @classmethod
    def from_coo(cls, edge_index: Tensor, num_src: int, num_dst: int | None = None) -> tuple["EdgeIndex", Tensor]:
        """Sort edges by destination; edges of one destination keep their order.

        Args:
            edge_index: (2, E) integers, sources over destinations, in any order.
            num_src: S.
            num_dst: D; S where None.

        Returns:
            The edges, and (E,) int64 ``perm``: edge e of the result is edge ``perm[e]`` of ``edge_index``.

        Raises:
            TypeError: no integers.
            ValueError: an endpoint is out of range, or a count negative.
        """
        num_dst = num_src if num_dst is None else num_dst
        _check_counts(num_src, num_dst)
        if edge_index.is_floating_point() or edge_index.is_complex():
            raise TypeError(f"edge_index must hold integers, got {edge_index.dtype}")
        if edge_index.dim() != 2 or edge_index.shape[0] != 2:
            raise ValueError(f"edge_index must be (2, E), got {tuple(edge_index.shape)}")
        # Inside a compiled graph the size must not decide, or every graph would be checked against the limit.
        wide = not torch.compiler.is_compiling() and num_src >= _INT32_LIMIT
        try:
            colptr, row, perm = _sorted_by_destination(edge_index, num_src, num_dst, wide)
        except ValueError as problem:
            raise ValueError(f"edge_index: {problem}") from None
        return cls(colptr, row, num_src, num_dst, validate=False), perm

    def transposed(self) -> Transposed:
        """The view by source, computed at the first call."""
        if self._transposed is None:
            self._transposed = self._transpose()
        return self._transposed

    def transposed_for(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor] | tuple[None, None, None]:
        """The view by source where a gradient for ``x`` will need it; inside a compiled graph, if it is there."""
        if self._transposed is not None:
            return self._transposed
        if torch.compiler.is_compiling() or not (x.requires_grad and torch.is_grad_enabled()):
            return None, None, None
        return self.transposed()

    def _transpose(self) -> Transposed:
        wide = max(self.num_dst, self.num_edges) >= _INT32_LIMIT
        index = torch.int64 if wide else torch.int32
        if self.device.type != "cpu":
            rising, order = torch.sort(self.row, stable=True)
            # Found by search: counting rows would wait for the device, to learn how many there are.
            sources = torch.arange(self.num_src + 1, dtype=self.row.dtype, device=self.device)
            rowptr = torch.searchsorted(rising, sources)
            return Transposed(rowptr, self.col()[order].to(index), order.to(index))
        rowptr = torch.empty(self.num_src + 1, dtype=torch.int64)
        col = torch.empty(self.num_edges, dtype=index)
        perm = torch.empty(self.num_edges, dtype=index)
        edges = native_edges(self.colptr, self.row, self.num_src)
        _native.transpose(edges, array(rowptr), array(col), array(perm), torch.get_num_threads())
        return Transposed(rowptr, col, perm)

    def col(self) -> Tensor:
        """(E,) destination of each edge, of ``row``'s dtype."""
        if self._col is not None:
            return self._col
        nodes = torch.arange(self.num_dst, dtype=self.row.dtype, device=self.device)
        col = torch.repeat_interleave(nodes, self.in_degree(), output_size=self.num_edges)
        if not torch.compiler.is_compiling():
            self._col = col
        return col

    def in_degree(self) -> Tensor:
        """(D,) int64 edges of each destination."""
        return torch.diff(self.colptr)

    def coo(self) -> Tensor:
        """(2, E) int64, sources over destinations."""
        return torch.stack([self.row.long(), self.col().long()])

    def with_self_loops(self) -> tuple["EdgeIndex", Tensor, Tensor]:
        """The edges with a loop after those of each destination, which must be the first sources.

        Returns:
            The edges; (D,) positions of the loops in them, and (E,) of the edges that were there before.

        Raises:
            ValueError: there are more destinations than sources.
        """
        if self._looped is not None:
            return self._looped
        if self.num_dst > self.num_src:
            raise ValueError(f"self loops need destinations among the sources: {self.num_dst} > {self.num_src}")
        nodes = torch.arange(self.num_dst + 1, device=self.device)
        colptr = self.colptr + nodes
        loops = colptr[1:] - 1
        edges = torch.arange(self.num_edges, device=self.device) + self.col()
        row = self.row.new_empty(self.num_edges + self.num_dst)
        row = row.index_copy(0, edges, self.row).index_copy(0, loops, nodes[:-1].to(row.dtype))
        looped = EdgeIndex(colptr, row, self.num_src, self.num_dst, validate=False)
        if not torch.compiler.is_compiling():
            self._looped = looped, loops, edges
        return looped, loops, edges

    def is_loop(self) -> Tensor | None:
        """(E,) bool, true for edges from a node to itself; destinations must be the sources of the same numbers.

        None where there are none, except inside a compiled graph that nobody asked before.
        """
        if self._loops_known:
            return self._is_loop
        same = self.row == self.col()
        if torch.compiler.is_compiling():
            return same
        self._is_loop = same if bool(same.any()) else None
        self._loops_known = True
        return self._is_loop

    def loop_flags(self) -> Tensor | None:
        """(D,) float32, 1 where a destination has an edge from itself; None as :meth:`is_loop` answers it."""
        if self._loop_flags is not None:
            return self._loop_flags
        same = self.is_loop()
        if same is None:
            return None
        flags = torch.zeros(self.num_dst, device=self.device).index_add(0, self.col(), same.float()).clamp(max=1)
        if not torch.compiler.is_compiling():
            self._loop_flags = flags
        return flags

    def reversed(self) -> tuple["EdgeIndex", Tensor]:
        """The edges turned round, and (E,) ``perm``: edge e of the result is edge ``perm[e]`` here."""
        if self._reversed is not None:
            return self._reversed
        if torch.compiler.is_compiling() and self._transposed is None:
            return EdgeIndex.from_coo(self.coo().flip(0), self.num_dst, self.num_src)
        rowptr, col, perm = self.transposed()
        turned = EdgeIndex(rowptr, col, self.num_dst, self.num_src, validate=False)
        places = torch.arange(self.num_edges, dtype=perm.dtype, device=self.device)
        turned._transposed = Transposed(
            self.colptr, self.row, torch.empty_like(perm).index_copy(0, perm.long(), places)
        )
        if not torch.compiler.is_compiling():
            self._reversed = turned, perm
        return turned, perm

    def trim(self, num_dst: int, num_src: int, num_edges: int | None = None) -> "EdgeIndex":
        """The edges of the first ``num_dst`` destinations, which must come from the first ``num_src`` sources.

        Args:
            num_dst: destinations to keep.
            num_src: sources to keep.
            num_edges: how many edges that leaves, where it is known.

        Returns:
            An index over the same memory; nothing is copied.
        """
        if num_edges is None:
            num_edges = int(self.colptr[num_dst])
        return EdgeIndex(self.colptr[: num_dst + 1], self.row[:num_edges], num_src, num_dst, validate=False)

    def select(self, mask: Tensor) -> tuple["EdgeIndex", Tensor]:
        """Some of the edges, in their order, between all nodes.

        Args:
            mask: (E,) bool, true for those to keep.

        Returns:
            The edges, and (E',) int64 their positions.
        """
        positions = mask.nonzero()[:, 0]
        before = torch.cat([positions.new_zeros(1), mask.cumsum(0)])
        edges = EdgeIndex(before[self.colptr], self.row[positions], self.num_src, self.num_dst, validate=False)
        return edges, positions

    def destinations(self, nodes: Tensor) -> tuple["EdgeIndex", Tensor]:
        """The edges into some of the destinations, which are numbered anew in the order given.

        Args:
            nodes: (D',) int64 destinations.

        Returns:
            Edges from S to D' nodes, and (E',) int64 their positions here.
        """
        counts = self.in_degree()[nodes]
        colptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        shift = torch.repeat_interleave(self.colptr[nodes] - colptr[:-1], counts)
        positions = torch.arange(shift.shape[0], device=self.device) + shift
        return EdgeIndex(colptr, self.row[positions], self.num_src, nodes.shape[0], validate=False), positions

    def subgraph(self, nodes: Tensor) -> tuple["EdgeIndex", Tensor]:
        """The edges among some nodes of one kind, which are numbered anew in the order given.

        Args:
            nodes: (M,) int64, each once.

        Returns:
            Edges among M nodes, those of a destination in their order, and (E',) int64 their positions here.
        """
        into, positions = self.destinations(nodes)
        number = self.row.new_full((self.num_src,), -1)
        number[nodes] = torch.arange(nodes.shape[0], dtype=number.dtype, device=self.device)
        row = number[into.row.long()]
        kept, among = EdgeIndex(into.colptr, row, nodes.shape[0], nodes.shape[0], validate=False).select(row >= 0)
        return kept, positions[among]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "EdgeIndex":
        """The edges on another device, prepared views included."""
        if self.device == torch.device(device):
            return self
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "EdgeIndex":
        """The edges in page-locked memory, for asynchronous copies; prepared views included."""
        return self._mapped(lambda tensor: tensor.pin_memory())

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> "EdgeIndex":
        moved = EdgeIndex(change(self.colptr), change(self.row), self.num_src, self.num_dst, validate=False)
        if self._transposed is not None:
            moved._transposed = Transposed(*(change(t) for t in self._transposed))
        if self._looped is not None:
            edges, loops, others = self._looped
            moved._looped = edges._mapped(change), change(loops), change(others)
        if self._loops_known:
            moved._is_loop = None if self._is_loop is None else change(self._is_loop)
            moved._loop_flags = None if self._loop_flags is None else change(self._loop_flags)
            moved._loops_known = True
        return moved


# An operator, so that a compiled step may bring edges that nobody has sorted.
@torch.library.custom_op("gnnctl::sort_by_destination", mutates_args=())
def _sorted_by_destination(coo: Tensor, num_src: int, num_dst: int, wide: bool) -> tuple[Tensor, Tensor, Tensor]:
    """colptr (D + 1,) int64, row (E,) int32 or int64 where ``wide``, perm (E,) int64."""
    src, dst = coo.detach().to("cpu", torch.int64).contiguous().numpy()
    arrays = csc_from_coo(src, dst, num_src, num_dst, False, torch.get_num_threads())
    colptr, row, perm = (torch.from_numpy(a).to(coo.device) for a in arrays)
    return colptr, row, perm


@_sorted_by_destination.register_fake
def _(coo: Tensor, num_src: int, num_dst: int, wide: bool) -> tuple[Tensor, Tensor, Tensor]:
    colptr = coo.new_empty((num_dst + 1,), dtype=torch.int64)
    row = coo.new_empty((coo.shape[1],), dtype=torch.int64 if wide else torch.int32)
    return colptr, row, coo.new_empty((coo.shape[1],), dtype=torch.int64)


def _check_counts(num_src: int, num_dst: int) -> None:
    for name, count in (("num_src", num_src), ("num_dst", num_dst)):
        if count < 0:
            raise ValueError(f"{name} is negative: {count}")

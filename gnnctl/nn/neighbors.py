"""Points near other points, graph by graph: the k nearest, those within a radius, points far from each other.

Points of one graph are a contiguous range of rows, given by ``ptr`` (B + 1,) int64; None stands for a single graph.
Distances are Euclidean and computed directly, not from products, so that equal points are at distance 0. Of equally
near points the first counts as nearer. Memory is bounded whatever the number of points: distances are computed in
blocks, or, for many points of few dimensions on the CPU, not at all (k-d trees).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex

_BLOCK = 1 << 22  # distances held at a time
_TREE_POINTS, _TREE_DIMENSIONS = 1024, 8


class Nearest(NamedTuple):
    """Of each of D points its k nearest, nearest first.

    ``rows`` (D, k) int64 of x, 0 where there are fewer than k; ``distance`` (D, k) float, infinite there.
    """

    rows: Tensor
    distance: Tensor


def nearest_k(
    x: Tensor, y: Tensor, k: int, ptr_x: Tensor | None = None, ptr_y: Tensor | None = None, *, loop: bool = True
) -> Nearest:
    """The k nearest points of x, for each point of y; an operator of fixed shape, for compiled graphs.

    Args:
        x: (S, F) float points to be found.
        y: (D, F) points to find them for.
        k: how many, at least one.
        ptr_x: graphs of x.
        ptr_y: as many graphs of y.
        loop: whether row i of x may be near row i of y; the two are then the same points.

    Raises:
        ValueError: sizes do not fit, or k is below one.
    """
    _check(x, y, ptr_x, ptr_y)
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    index, distance = _nearest_k(x, y, k, ptr_x, ptr_y, loop)
    return Nearest(index, distance)


def knn(x: Tensor, y: Tensor, k: int, ptr_x: Tensor | None = None, ptr_y: Tensor | None = None) -> EdgeIndex:
    """Edges to each point of y from its k nearest points of x, nearest first; as :func:`nearest_k`."""
    return _edges(nearest_k(x, y, k, ptr_x, ptr_y), x.shape[0])


def knn_graph(x: Tensor, k: int, ptr: Tensor | None = None, *, loop: bool = False) -> EdgeIndex:
    """Edges to each point of (N, F) from the k nearest of its graph, nearest first; itself among them with ``loop``."""
    return _edges(nearest_k(x, x, k, ptr, ptr, loop=loop), x.shape[0])


def radius(
    x: Tensor,
    y: Tensor,
    r: float,
    ptr_x: Tensor | None = None,
    ptr_y: Tensor | None = None,
    *,
    max_neighbors: int | None = 32,
    loop: bool = True,
) -> EdgeIndex:
    """Edges to each point of y from the points of x that are at most ``r`` away, nearest first.

    Args:
        x: (S, F) float points.
        y: (D, F) points.
        r: distance, in the unit of the points.
        ptr_x: graphs of x.
        ptr_y: as many graphs of y.
        max_neighbors: where there are more, only the nearest so many are kept; None: all are.
        loop: whether row i of x may be near row i of y; the two are then the same points.

    Raises:
        ValueError: sizes do not fit, or a limit below one.
    """
    if max_neighbors is not None:
        return _edges(nearest_k(x, y, max_neighbors, ptr_x, ptr_y, loop=loop), x.shape[0], r)
    _check(x, y, ptr_x, ptr_y)
    parts = [_within(x, y, r, graph, loop) for graph in _graphs(x, y, ptr_x, ptr_y)]
    rows = torch.cat([row for row, _ in parts]) if parts else torch.empty(0, dtype=torch.int64, device=x.device)
    counts = torch.cat([count for _, count in parts]) if parts else rows
    return EdgeIndex(_offsets(counts), _index(rows, x.shape[0]), x.shape[0], y.shape[0], validate=False)


def radius_graph(
    x: Tensor, r: float, ptr: Tensor | None = None, *, max_neighbors: int | None = 32, loop: bool = False
) -> EdgeIndex:
    """:func:`radius` among the points of (N, F); a point is its own neighbour with ``loop``."""
    return radius(x, x, r, ptr, ptr, max_neighbors=max_neighbors, loop=loop)


def nearest(x: Tensor, y: Tensor, ptr_x: Tensor | None = None, ptr_y: Tensor | None = None) -> Tensor:
    """(D,) int64: the row of x that is nearest to each point of y; -1 in a graph without points in x."""
    found = nearest_k(x, y, 1, ptr_x, ptr_y)
    return torch.where(found.distance.isfinite(), found.rows, -1)[:, 0]


class Sampled(NamedTuple):
    """``rows`` (M,) int64, graph by graph, in the order in which they were picked; ``ptr`` (B + 1,) of them."""

    rows: Tensor
    ptr: Tensor


def fps(
    x: Tensor, ratio: float = 0.5, ptr: Tensor | None = None, *, generator: torch.Generator | None = None
) -> Sampled:
    """Farthest point sampling: each next point is the one farthest from those picked before it.

    "PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric Space" (Qi et al., 2017).

    Args:
        x: (N, F) float points.
        ratio: of a graph of n points, ceil(ratio * n) are picked.
        ptr: graphs of x.
        generator: draws the first point of each graph; None: it is the graph's first.

    Raises:
        ValueError: a ratio that is not above 0 and at most 1.
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must be above 0 and at most 1, got {ratio}")
    _check(x, x, ptr, ptr)
    points, picked, counts = x.detach(), [], []
    for graph in _graphs(x, x, ptr, ptr):
        rows = points[graph.x]
        count = int(np.ceil(ratio * len(rows) - 1e-9))
        counts.append(count)
        if not count:
            continue
        first = int(torch.randint(len(rows), (1,), generator=generator)) if generator is not None else 0
        chosen = torch.full((count,), first, device=x.device)
        apart = rows.new_full((len(rows),), float("inf"))
        for i in range(1, count):
            apart = torch.minimum(apart, (rows - rows[chosen[i - 1]]).square().sum(1))
            chosen[i] = apart.argmax()
        picked.append(chosen + graph.x.start)
    index = torch.cat(picked) if picked else torch.empty(0, dtype=torch.int64, device=x.device)
    return Sampled(index, _offsets(torch.tensor(counts, dtype=torch.int64, device=x.device)))


def fixed_edges(found: Nearest, num_src: int) -> EdgeIndex:
    """Exactly D * k edges to D + 1 destinations, of which the last takes those that stand for no neighbour.

    A compiled graph knows their number; the row of the last destination is to be dropped.
    """
    missing = found.distance.isinf().flatten()
    num_dst, k = found.rows.shape
    counts = k - missing.view(num_dst, k).sum(1)
    colptr = _offsets(torch.cat([counts, missing.sum()[None]]))
    place = torch.where(missing, colptr[-2] + missing.cumsum(0), (~missing).cumsum(0)) - 1
    rows = _index(found.rows.flatten(), num_src)
    return EdgeIndex(colptr, torch.empty_like(rows).index_copy(0, place, rows), num_src, num_dst + 1, validate=False)


# -- search -----------------------------------------------------------------------------------------------------------


class _Graph(NamedTuple):
    x: slice
    y: slice


def _graphs(x: Tensor, y: Tensor, ptr_x: Tensor | None, ptr_y: Tensor | None) -> Iterator[_Graph]:
    of_x = [0, x.shape[0]] if ptr_x is None else ptr_x.tolist()
    of_y = [0, y.shape[0]] if ptr_y is None else ptr_y.tolist()
    for i in range(len(of_y) - 1):
        yield _Graph(slice(of_x[i], of_x[i + 1]), slice(of_y[i], of_y[i + 1]))


@torch.library.custom_op("gnnctl::nearest_k", mutates_args=())
def _nearest_k(
    x: Tensor, y: Tensor, k: int, ptr_x: Tensor | None, ptr_y: Tensor | None, loop: bool
) -> tuple[Tensor, Tensor]:
    points, queries = (v.detach() if v.dtype == torch.float64 else v.detach().float() for v in (x, y))
    index = torch.zeros((y.shape[0], k), dtype=torch.int64, device=x.device)
    distance = queries.new_full((y.shape[0], k), float("inf"))
    for graph in _graphs(x, y, ptr_x, ptr_y):
        near, wanted = points[graph.x], queries[graph.y]
        if len(near) == 0 or len(wanted) == 0:
            continue
        search = _by_tree if _tree_pays(near, wanted) else _by_block
        rows, apart = search(near, wanted, min(k, len(near)), loop, torch.arange(len(wanted), device=x.device))
        index[graph.y, : rows.shape[1]] = torch.where(apart.isfinite(), rows + graph.x.start, 0)
        distance[graph.y, : rows.shape[1]] = apart
    return index, distance


@_nearest_k.register_fake
def _(x: Tensor, y: Tensor, k: int, ptr_x: Tensor | None, ptr_y: Tensor | None, loop: bool) -> tuple[Tensor, Tensor]:
    dtype = torch.float64 if y.dtype == torch.float64 else torch.float32
    shape = (y.shape[0], k)
    return y.new_empty(shape, dtype=torch.int64), y.new_empty(shape, dtype=dtype)


def _tree_pays(x: Tensor, y: Tensor) -> bool:
    small = x.device.type == "cpu" and 0 < x.shape[1] <= _TREE_DIMENSIONS and len(x) >= _TREE_POINTS
    return small and bool(x.isfinite().all()) and bool(y.isfinite().all())


def _blocks(x: Tensor, y: Tensor, loop: bool, own: Tensor) -> Iterator[Tensor]:
    """Distances (n, S) of some points of y at a time; ``own`` are the rows that ``loop`` is about."""
    step = max(1, _BLOCK // max(1, len(x)))
    for start in range(0, len(y), step):
        apart = torch.cdist(y[start : start + step], x, compute_mode="donot_use_mm_for_euclid_dist")
        apart = apart.nan_to_num(nan=float("inf"), posinf=float("inf"))
        if not loop:
            apart.scatter_(1, own[start : start + step, None], float("inf"))
        yield apart


def _by_block(x: Tensor, y: Tensor, k: int, loop: bool, own: Tensor) -> tuple[Tensor, Tensor]:
    rows, distances = [], []
    for apart in _blocks(x, y, loop, own):
        last = apart.topk(k, largest=False).values.amax(1, keepdim=True)
        nearer, equal = apart < last, apart == last
        room = k - nearer.sum(1, keepdim=True)
        index = (nearer | (equal & (equal.cumsum(1) <= room))).nonzero()[:, 1].view(-1, k)
        distance, order = apart.gather(1, index).sort(dim=1, stable=True)
        rows.append(index.gather(1, order))
        distances.append(distance)
    return torch.cat(rows), torch.cat(distances)


def _by_tree(x: Tensor, y: Tensor, k: int, loop: bool, own: Tensor) -> tuple[Tensor, Tensor]:
    from sklearn.neighbors import KDTree

    # One more than is wanted, to see whether the last of them has an equal that was left out.
    width = min(len(x), k + (1 if loop else 2))
    apart, index = KDTree(x.double().numpy()).query(y.double().numpy(), k=width)
    if not loop:
        apart[index == own.numpy()[:, None]] = np.inf
    order = np.lexsort((index, apart), axis=-1)
    apart, index = np.take_along_axis(apart, order, -1), np.take_along_axis(index, order, -1)
    rows, distance = torch.from_numpy(index[:, :k].copy()), torch.from_numpy(apart[:, :k].copy()).to(y.dtype)
    if width > k:
        doubtful = torch.from_numpy((apart[:, k - 1] == apart[:, k]).nonzero()[0])
        if len(doubtful):
            rows[doubtful], distance[doubtful] = _by_block(x, y[doubtful], k, loop, own[doubtful])
    return rows, distance


def _within(x: Tensor, y: Tensor, r: float, graph: _Graph, loop: bool) -> tuple[Tensor, Tensor]:
    """Rows of x, nearest first, and how many each point of y has."""
    points, queries = x.detach()[graph.x], y.detach()[graph.y]
    own = torch.arange(len(queries), device=x.device)
    if _tree_pays(points, queries):
        return _within_by_tree(points, queries, r, graph, loop, own)
    rows, counts = [own[:0]], [own[:0]]
    for apart in _blocks(points, queries, loop, own) if len(points) else ():
        near = apart <= r
        at, index = near.nonzero().unbind(1)
        order = apart[near].argsort(stable=True)
        order = order[at[order].argsort(stable=True)]
        rows.append(index[order] + graph.x.start)
        counts.append(near.sum(1))
    return torch.cat(rows), torch.cat(counts) if len(points) else torch.zeros_like(own)


def _within_by_tree(x: Tensor, y: Tensor, r: float, graph: _Graph, loop: bool, own: Tensor) -> tuple[Tensor, Tensor]:
    from sklearn.neighbors import KDTree

    found, apart = KDTree(x.double().numpy()).query_radius(y.double().numpy(), r, return_distance=True)
    at = np.repeat(own.numpy(), [len(f) for f in found])
    index, distance = np.concatenate(found), np.concatenate(apart)
    if not loop:
        at, index, distance = (v[index != at] for v in (at, index, distance))
    order = np.lexsort((index, distance, at))
    counts = torch.from_numpy(np.bincount(at, minlength=len(own)))
    return torch.from_numpy(index[order].astype(np.int64)) + graph.x.start, counts


# -- edges ------------------------------------------------------------------------------------------------------------


def _edges(found: Nearest, num_src: int, limit: float = float("inf")) -> EdgeIndex:
    keep = found.distance.isfinite() & (found.distance <= limit)
    rows = _index(found.rows[keep], num_src)
    return EdgeIndex(_offsets(keep.sum(1)), rows, num_src, len(keep), validate=False)


def _offsets(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _index(rows: Tensor, num_src: int) -> Tensor:
    return rows.to(torch.int64 if num_src >= 2**31 else torch.int32)


def _check(x: Tensor, y: Tensor, ptr_x: Tensor | None, ptr_y: Tensor | None) -> None:
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"points must be (S, F) and (D, F), got {tuple(x.shape)} and {tuple(y.shape)}")
    graphs = [2 if ptr is None else ptr.shape[0] for ptr in (ptr_x, ptr_y)]
    if graphs[0] != graphs[1]:
        raise ValueError(f"ptr_x has {graphs[0] - 1} graphs, ptr_y {graphs[1] - 1}")

"""Where nodes stand in their graphs, as features: positional encodings for models that attend to whole graphs."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.ops import spmm

_CELLS = 1 << 24  # numbers of a block of walks that are kept at once
_DENSE = 512  # graphs of more nodes are decomposed by Lanczos iterations


@torch.no_grad()
def random_walk_encoding(edge_index: EdgeIndex, size: int, ptr: Tensor | None = None) -> Tensor:
    r"""How likely a walk along the edges is back at its start: the diagonals of :math:`P, P^2, \dots`, P = D^-1 A.

    "Graph Neural Networks with Learnable Structural and Positional Representations" (Dwivedi et al., 2022). A walk ends
    where no edge leads on. Time grows with size x edges x nodes of the largest graph, memory with nodes alone.

    Args:
        edge_index: E edges among N nodes; none between graphs.
        size: K, steps of the longest walk.
        ptr: (B + 1,) int64 contiguous graphs; None: there is one.

    Returns:
        (N, K) float32.
    """
    nodes = edge_index.num_dst
    place = torch.arange(nodes, device=edge_index.device)  # within its graph
    largest = nodes
    if ptr is not None:
        counts = ptr.diff()
        place = place - torch.repeat_interleave(ptr[:-1], counts)
        largest = int(counts.max()) if counts.numel() else 0
    row = edge_index.row.long()
    weight = (1 / torch.bincount(row, minlength=nodes).clamp(min=1)).index_select(0, row)
    found = torch.zeros(nodes, size, device=edge_index.device)
    block = max(1, _CELLS // max(nodes, 1))
    for start in range(0, largest, block):
        own = ((place >= start) & (place < start + block)).nonzero()[:, 0]
        at = place[own] - start
        walks = torch.zeros(nodes, min(block, largest - start), device=edge_index.device)
        walks[own, at] = 1
        for step in range(size):
            walks = spmm(edge_index, walks, weight)
            found[own, step] = walks[own, at]
    return found


def laplacian_encoding(edge_index: EdgeIndex, size: int, ptr: Tensor | None = None) -> Tensor:
    r"""Eigenvectors of the K smallest eigenvalues but the first of :math:`I - D^{-1/2} A D^{-1/2}`, each graph's own.

    "Benchmarking Graph Neural Networks" (Dwivedi et al., 2023). Edges count in both directions, once, and loops not at
    all. A vector is as good as its negative: here its largest entry is positive. Graphs of at most K nodes have zeros
    for the vectors that they lack.

    Args:
        edge_index: E edges among N nodes; none between graphs.
        size: K.
        ptr: (B + 1,) int64 contiguous graphs; None: there is one.

    Returns:
        (N, K) float32, on the device of the edges.
    """
    from scipy.sparse import coo_matrix

    nodes = edge_index.num_dst
    row, col = edge_index.coo().cpu().numpy()
    apart = row != col
    ends = np.concatenate([row[apart], col[apart]]), np.concatenate([col[apart], row[apart]])
    matrix = coo_matrix((np.ones(len(ends[0])), ends), shape=(nodes, nodes)).tocsr()
    matrix.data[:] = 1
    scale = np.maximum(np.diff(matrix.indptr), 1) ** -0.5
    matrix = matrix.multiply(scale[:, None]).multiply(scale[None]).tocsr()
    found = np.zeros((nodes, size), np.float32)
    bounds = [0, nodes] if ptr is None else ptr.tolist()
    for start, end in pairwise(bounds):
        vectors = _vectors(matrix[start:end, start:end], size)
        found[start:end, : vectors.shape[1]] = vectors
    return torch.from_numpy(found).to(edge_index.device)


def _vectors(matrix: Any, size: int) -> np.ndarray:
    """(n, at most ``size``) eigenvectors of the largest eigenvalues of a sparse symmetric matrix, without the first."""
    nodes = matrix.shape[0]
    if nodes <= max(_DENSE, size + 1):
        vectors = np.linalg.eigh(matrix.toarray())[1][:, ::-1]
    else:
        from scipy.sparse.linalg import eigsh

        start = np.random.default_rng(0).normal(size=nodes)  # the same in every run
        values, vectors = eigsh(matrix, k=size + 1, which="LA", v0=start)
        vectors = vectors[:, values.argsort()[::-1]]
    vectors = vectors[:, 1 : size + 1]
    if not vectors.size:
        return vectors
    return vectors * np.where(vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])] < 0, -1, 1)

from collections.abc import Callable, Sequence

import numpy as np

class Mapping:
    def __init__(self, paths: list[str], bytes_per_file: int, bytes: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class RowFinder:
    def __init__(self, known: np.ndarray) -> None: ...
    def places(self, rows: np.ndarray) -> np.ndarray: ...

class SampledEdgeType:
    def __init__(
        self,
        src: int,
        dst: int,
        colptr: np.ndarray,
        row: np.ndarray,
        name_hash: int,
        fan_out: list[int],
        weight: np.ndarray | None = None,
        time: np.ndarray | None = None,
        source_time: np.ndarray | None = None,
    ) -> None: ...

class SamplerRules:
    def __init__(
        self,
        replace: bool = False,
        disjoint: bool = False,
        draw: str = "uniform",
        visible: str = "always",
        budget: list[int] = ...,
    ) -> None: ...

class Sampler:
    def __init__(
        self,
        num_nodes: list[int],
        node_type_hashes: list[int],
        edge_types: list[SampledEdgeType],
        hops: int,
        seed: int,
        rules: SamplerRules = ...,
        num_threads: int = 1,
    ) -> None: ...
    def sample(
        self, seeds: np.ndarray, node_type: int, epoch: int, times: np.ndarray | None = None
    ) -> tuple[
        list[tuple[np.ndarray, np.ndarray | None, list[int]]],
        list[tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]],
    ]: ...
    def sample_many(
        self,
        seeds: list[np.ndarray],
        epoch: int,
        groups: list[np.ndarray] = ...,
        kind: int = 0,
        words: np.ndarray | None = None,
        times: np.ndarray | None = None,
        hidden: list[tuple[int, np.ndarray, np.ndarray]] = ...,
    ) -> tuple[
        list[tuple[np.ndarray, np.ndarray | None, list[int]]],
        list[tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]],
    ]: ...

def gather_rows(src: np.ndarray, index: np.ndarray, out: np.ndarray, num_threads: int = 1) -> None: ...
def gather_features(
    src: np.ndarray,
    index: np.ndarray,
    scale: np.ndarray | None = None,
    out: np.ndarray | None = None,
    num_threads: int = 1,
) -> np.ndarray: ...
def csc_from_coo(
    row: np.ndarray, col: np.ndarray, num_src: int, num_dst: int, by_source: bool = True, num_threads: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...

# Aggregation kernels take a tensor's memory as an Array, made in gnnctl/nn/ops/checks.py; they check dtype and shape.
class Array:
    def __init__(self, owner: object, address: int, dtype: int, shape: Sequence[int]) -> None: ...

class Edges:
    def __init__(self, colptr: Array, row: Array | None, perm: Array | None, num_src: int) -> None: ...

class Aggregates:
    def __init__(
        self,
        reduces: list[str],
        out: Array | None = None,
        average: Array | None = None,
        argmin: Array | None = None,
        argmax: Array | None = None,
    ) -> None: ...

class Quantiles:
    def __init__(self, q: list[float], interpolation: str) -> None: ...

class Scores:
    def __init__(self, src: Array | None, dst: Array | None, edge: Array | None, slope: float) -> None: ...

def result_memory(bytes: int) -> np.ndarray: ...
def kernels_name() -> str: ...
def dropout(x: Array, key: int, p: float, out: Array, threads: int) -> None: ...
def aggregate(edges: Edges, x: Array, weight: Array | None, results: Aggregates, threads: int) -> None: ...
def spread(edges: Edges, grad: Array, results: Aggregates, x: Array | None, out: Array, threads: int) -> None: ...
def fold(edges: Edges, grad: Array, results: Aggregates, out: Array, threads: int) -> None: ...
def select(edges: Edges, grad: Array, results: Aggregates, weight: Array | None, out: Array, threads: int) -> None: ...
def select_weights(edges: Edges, grad: Array, results: Aggregates, x: Array, out: Array, threads: int) -> None: ...
def logsumexp(edges: Edges, x: Array, out: Array, threads: int) -> None: ...
def logsumexp_backward(edges: Edges, x: Array, result: Array, grad: Array, out: Array, threads: int) -> None: ...
def product_backward(edges: Edges, x: Array, result: Array, grad: Array, out: Array, threads: int) -> None: ...
def quantile(edges: Edges, x: Array, quantiles: Quantiles, out: Array, rank: Array, threads: int) -> None: ...
def quantile_backward(
    edges: Edges, grad: Array, quantiles: Quantiles, rank: Array, out: Array, threads: int
) -> None: ...
def weighted_gradient(
    edges: Edges, grad: Array, weight: Array, x: Array, out: Array, dots: Array, threads: int
) -> None: ...
def sddmm(edges: Edges, grad: Array, x: Array, out: Array, mean: bool, threads: int) -> None: ...
def attention(edges: Edges, scores: Scores, out: Array, threads: int) -> None: ...
def attention_backward(
    edges: Edges, scores: Scores, prob: Array, grad: Array, out: Array, grad_dst: Array, threads: int
) -> None: ...
def transpose(edges: Edges, rowptr: Array, col: Array, perm: Array, threads: int) -> None: ...
def check_csc(colptr: Array, row: Array, num_src: int) -> None: ...
def colptr_of(col: np.ndarray, num_dst: int) -> np.ndarray: ...
def number_nodes(rows: np.ndarray, hops: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
def random_gather_rate(entries: int, reads: int, repeats: int, large_pages: bool = False) -> list[float]: ...
def stream_bandwidth(bytes: int, repeats: int) -> list[float]: ...

class TypedCsc:
    def __init__(
        self,
        num_nodes: list[int],
        edge_types: list[tuple[int, int, np.ndarray, np.ndarray, np.ndarray | None]],
        num_threads: int = 1,
    ) -> None: ...

def random_walk(
    graph: TypedCsc,
    starts: np.ndarray,
    metapath: list[int],
    shape: tuple[int, int],
    key: int,
    weighted: bool = False,
    num_threads: int = 1,
) -> np.ndarray: ...
def node2vec(
    graph: TypedCsc,
    starts: np.ndarray,
    edge_type: int,
    shape: tuple[int, int],
    bias: tuple[float, float],
    key: int,
    weighted: bool = False,
    num_threads: int = 1,
) -> np.ndarray: ...
def most_visited(
    graph: TypedCsc,
    nodes: np.ndarray,
    metapath: list[int],
    shape: tuple[int, int],
    restart: float,
    top: int,
    key: int,
    weighted: bool = False,
    num_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
def personalized_pagerank(
    graph: TypedCsc,
    sources: np.ndarray,
    edge_type: int,
    accuracy: tuple[float, float],
    top: int,
    with_source: bool = True,
    weighted: bool = False,
    num_threads: int = 1,
    poll: Callable[[], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
def induced_edges(
    graph: TypedCsc, nodes: list[tuple[np.ndarray, np.ndarray | None]], ends: list[int], num_threads: int = 1
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]: ...
def with_opposite(
    graph: TypedCsc,
    types: tuple[int, int],
    forward: tuple[np.ndarray, bool] | None,
    own: tuple[np.ndarray, np.ndarray, np.ndarray],
    other: tuple[np.ndarray, np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
    end: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
def count_visible(
    colptr: np.ndarray, times: np.ndarray, nodes: np.ndarray, limits: np.ndarray, inclusive: bool
) -> np.ndarray: ...
def order_lists(
    colptr: np.ndarray,
    row: np.ndarray,
    perm: np.ndarray,
    visible: np.ndarray | None,
    ties: list[np.ndarray],
    num_threads: int = 1,
) -> None: ...
def draw_negatives(
    graph: TypedCsc,
    edge_type: int,
    positives: tuple[np.ndarray, np.ndarray],
    per_positive: int,
    populations: tuple[
        tuple[int, np.ndarray | None, np.ndarray | None], tuple[int, np.ndarray | None, np.ndarray | None]
    ],
    rules: tuple[str, bool, bool, int],
    num_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
def complete_negatives(
    graph: TypedCsc,
    edge_type: int,
    positives: tuple[np.ndarray, np.ndarray],
    per_positive: int,
    populations: tuple[
        tuple[int, np.ndarray | None, np.ndarray | None], tuple[int, np.ndarray | None, np.ndarray | None]
    ],
    rules: tuple[str, bool, bool, int],
    src: np.ndarray,
    dst: np.ndarray,
    missing: np.ndarray,
    num_threads: int = 1,
) -> None: ...
def stream_partition(
    start: np.ndarray, neighbor: np.ndarray, weight: np.ndarray, parts: int, most: int, passes: int, key: int
) -> np.ndarray: ...
def hgt_nodes(
    graph: TypedCsc, seeds: np.ndarray, node_type: int, takes: list[int], keys: list[list[int]]
) -> list[np.ndarray]: ...

class Weights:
    def __init__(self, weight: Array, bias: Array | None, transposed: bool) -> None: ...

def segment_matmul(x: Array, ptr: Array, weights: Weights, out: Array, threads: int) -> None: ...
def segment_outer(x: Array, ptr: Array, grad: Array, out: Array, threads: int) -> None: ...
def grouped_matmul(xs: list[Array], weights: list[Weights], outs: list[Array], threads: int) -> None: ...
def grouped_outer(xs: list[Array], grads: list[Array], outs: list[Array], threads: int) -> None: ...
def random_row_rate(rows: int, row_bytes: int, reads: int, repeats: int) -> list[float]: ...

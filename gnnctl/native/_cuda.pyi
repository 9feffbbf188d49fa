from collections.abc import Callable, Sequence

class Array:
    def __init__(self, owner: object, address: int, dtype: int, shape: Sequence[int]) -> None: ...

class Place:
    def __init__(self, device: int, stream: int, scratch: Callable[[int], int]) -> None: ...

class Edges:
    def __init__(self, colptr: Array, row: Array | None, perm: Array | None, num_src: int) -> None: ...

class Results:
    def __init__(
        self,
        reduces: list[str],
        out: Array | None = None,
        average: Array | None = None,
        argmin: Array | None = None,
        argmax: Array | None = None,
    ) -> None: ...

class Scores:
    def __init__(
        self, edges: Edges, src: Array | None, dst: Array | None, edge: Array | None, slope: float
    ) -> None: ...

def aggregate(place: Place, edges: Edges, x: Array, weight: Array | None, results: Results) -> None: ...
def fold(place: Place, edges: Edges, grad: Array, results: Results, folded: Array) -> None: ...
def spread(place: Place, edges: Edges, grad: Array, results: Results, x: Array | None, out: Array) -> None: ...
def by_source(
    place: Place,
    edges: Edges,
    grad: Array,
    results: Results,
    folded: Array | None,
    view: Edges,
    x: Array | None,
    weight: Array | None,
    out: Array,
) -> None: ...
def by_edge(
    place: Place,
    edges: Edges,
    grad: Array,
    results: Results,
    folded: Array | None,
    x: Array,
    weight: Array | None,
    out: Array,
) -> None: ...
def gather(place: Place, x: Array, index: Array, out: Array) -> None: ...
def softmax(place: Place, scores: Scores, out: Array) -> None: ...
def softmax_backward(place: Place, scores: Scores, prob: Array, grad: Array, out: Array, by_dst: Array) -> None: ...
def attend(place: Place, edges: Edges, scores: Scores, x: Array, out: Array, peak: Array, scale: Array) -> None: ...
def attend_backward(
    place: Place,
    edges: Edges,
    scores: Scores,
    x: Array,
    out: Array,
    grad: Array,
    peak: Array,
    scale: Array,
    prob: Array,
    score_grad: Array,
) -> None: ...
def logsumexp(place: Place, edges: Edges, x: Array, out: Array) -> None: ...
def logsumexp_backward(place: Place, edges: Edges, x: Array, result: Array, grad: Array, out: Array) -> None: ...
def segment_matmul(
    place: Place, x: Array, ptr: Array | None, weight: Array, turned: bool, bias: Array | None, out: Array, tf32: bool
) -> None: ...
def segment_outer(place: Place, x: Array, ptr: Array | None, grad: Array, out: Array, tf32: bool) -> None: ...
def grouped_matmul(
    place: Place,
    xs: list[Array],
    weights: list[Array],
    biases: list[Array | None],
    turned: bool,
    outs: list[Array],
    tf32: bool,
) -> None: ...

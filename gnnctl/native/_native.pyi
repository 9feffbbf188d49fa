import numpy as np

class Mapping:
    def __init__(self, paths: list[str], bytes_per_file: int, bytes: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Sampler:
    def __init__(
        self,
        num_nodes: list[int],
        node_type_hashes: list[int],
        edge_types: list[tuple[int, int, np.ndarray, np.ndarray, int, list[int]]],
        hops: int,
        seed: int,
        replace: bool,
        disjoint: bool,
        budget: list[int],
        num_threads: int,
    ) -> None: ...
    def sample(
        self, seeds: np.ndarray, node_type: int, epoch: int
    ) -> tuple[
        list[tuple[np.ndarray, np.ndarray | None, list[int]]],
        list[tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]],
    ]: ...

def gather_rows(src: np.ndarray, index: np.ndarray, out: np.ndarray, num_threads: int = 1) -> None: ...
def csc_from_coo(
    row: np.ndarray, col: np.ndarray, num_src: int, num_dst: int, by_source: bool = True, num_threads: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...

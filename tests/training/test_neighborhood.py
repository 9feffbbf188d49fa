"""Needed rows and one-hop blocks against plain searches."""

import numpy as np
import pytest

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.training.neighborhood import block, chunks_by_edges, needed_rows, relabel

CITES, WRITES = EdgeType("paper", "cites", "paper"), EdgeType("author", "writes", "paper")
WRITTEN = EdgeType("paper", "written", "author")


def typed_graph(seed: int = 0, papers: int = 40, authors: int = 15) -> Graph:
    rng = np.random.default_rng(seed)
    return Graph.from_coo(
        {"paper": papers, "author": authors},
        {
            CITES: np.stack([rng.integers(0, papers, 60), rng.integers(0, papers, 60)]),
            WRITES: np.stack([rng.integers(0, authors, 30), rng.integers(0, papers, 30)]),
            WRITTEN: np.stack([rng.integers(0, papers, 20), rng.integers(0, authors, 20)]),
        },
    )


def in_neighbours(graph: Graph, node_type: str, row: int) -> set[tuple[str, int]]:
    found = set()
    for t, e in graph.edges.items():
        if t.dst == node_type:
            found |= {(t.src, int(s)) for s in e.row[e.colptr[row] : e.colptr[row + 1]]}
    return found


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_needed_rows_agree_with_a_breadth_first_search(layers: int) -> None:
    graph = typed_graph()
    needed = needed_rows(graph, {"paper": np.array([7, 3, 7])}, layers)
    wanted = {("paper", 3), ("paper", 7)}
    assert len(needed) == layers + 1
    for level in reversed(needed):
        assert {(t, int(r)) for t, rows in level.items() for r in rows} == wanted
        assert all(np.all(np.diff(rows) > 0) for rows in level.values())
        wanted = wanted.union(*(in_neighbours(graph, t, r) for t, r in wanted))


def test_a_block_holds_exactly_the_in_edges_of_its_rows() -> None:
    graph = typed_graph(1)
    rows = np.array([0, 5, 6, 39])
    found = block(graph, "paper", rows)
    assert set(found.colptr) == {CITES, WRITES}
    np.testing.assert_array_equal(found.sources["paper"][: len(rows)], rows)
    for t in found.colptr:
        store = graph.edges[t]
        for i, r in enumerate(rows):
            part = slice(found.colptr[t][i], found.colptr[t][i + 1])
            np.testing.assert_array_equal(found.positions[t][part], np.arange(store.colptr[r], store.colptr[r + 1]))
            np.testing.assert_array_equal(found.sources[t.src][found.row[t][part]], store.row[found.positions[t][part]])


@pytest.mark.parametrize("budget", [1, 5, 10_000])
def test_chunks_cover_the_rows_in_order_within_the_budget(budget: int) -> None:
    graph = typed_graph(2)
    stores = [graph.edges[CITES], graph.edges[WRITES]]
    rows = np.array([1, 2, 8, 9, 30])
    chunks = list(chunks_by_edges(stores, rows, budget))
    np.testing.assert_array_equal(np.concatenate(chunks), rows)
    for chunk in chunks:
        cost = sum(int((s.colptr[chunk + 1] - s.colptr[chunk]).sum()) for s in stores) + len(chunk)
        assert cost <= budget or len(chunk) == 1


@pytest.mark.parametrize("num_nodes", [50, 100_000])
def test_relabel_is_the_same_by_table_and_by_sorting(num_nodes: int) -> None:
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 50, 40).astype(np.int32)
    first = np.sort(rng.choice(50, 6, replace=False))
    found, place = relabel(first, rows, num_nodes)
    np.testing.assert_array_equal(found, np.concatenate([first, np.setdiff1d(rows, first)]))
    np.testing.assert_array_equal(found[place], rows)

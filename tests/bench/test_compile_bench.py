import pytest
import torch

from gnnctl.bench import typed_rmat, uniform
from gnnctl.bench.compile import CompileOptions, bench_compile
from gnnctl.bench.compile_report import compile_report
from gnnctl.bench.peers import PEER, PEER_SORTED, peer_sides


def test_a_model_is_measured_eager_and_compiled():
    graph = uniform(60, 300, features=4)
    options = CompileOptions(("sage",), hidden=8, layers=2, threads=1, repeats=2)
    threads = torch.get_num_threads()
    result = bench_compile(graph, "node", options)
    assert torch.get_num_threads() == threads
    assert not result.notes
    (row,) = result.rows
    assert row.recompiled == 0
    assert row.compiled is not None
    for timings in (row.eager, row.compiled):
        for i in range(2):
            total = timings["forward"].values[i] + timings["backward"].values[i]
            assert timings["total"].values[i] == pytest.approx(total)
    report = compile_report(graph, "a graph", "node", options, result)
    assert report.rows[0][:2] == ["GraphSAGE", "gnnctl"]
    assert "| GraphSAGE | gnnctl |" in report.markdown()


@pytest.mark.parametrize("name", ["gcn", "sage", "gin"])
def test_the_peer_gives_the_same_from_both_its_forms(name):
    pytest.importorskip("torch_geometric")
    graph = uniform(40, 200, features=4)
    notes = []
    sides = peer_sides(name, graph, 8, 2, torch.device("cpu"), notes)
    torch.testing.assert_close(sides[PEER][1](), sides[PEER_SORTED][1](), rtol=1e-4, atol=1e-5)
    assert not notes


def test_a_typed_graph_has_no_peer():
    notes = []
    assert peer_sides("gcn", typed_rmat(8, features=2), 8, 2, torch.device("cpu"), notes) == {}
    assert "several types" in notes[0]

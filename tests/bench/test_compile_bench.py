"""gnnctl bench compile: every kind of work, ours and the peer's the same job."""

import pytest
import torch

from gnnctl.bench import typed_rmat, uniform
from gnnctl.bench.compile import WORKS, CompileOptions, bench_compile
from gnnctl.bench.compile_report import compile_report
from gnnctl.bench.compile_sides import OURS, OURS_UNSORTED, sides_of
from gnnctl.bench.peers import PEER, PEER_SORTED


def test_a_model_is_measured_eager_and_compiled_at_every_work():
    graph = uniform(60, 300, features=4)
    options = CompileOptions(("sage",), WORKS, hidden=8, layers=2, batch_size=20, threads=1, repeats=2)
    threads = torch.get_num_threads()
    result = bench_compile(graph, "node", options)
    assert torch.get_num_threads() == threads
    assert not result.notes
    rows = {(row.work, row.side): row for row in result.rows}
    assert set(rows) == {*((work, OURS) for work in WORKS), ("full", OURS_UNSORTED)}
    for (work, side), row in rows.items():
        assert (row.recompiled, row.breaks) == (0, 0 if side == OURS else None)
        assert (row.compiled is None) == (side == OURS_UNSORTED)
        assert ("backward" in row.eager) == (work != "inference")
        for timings in filter(None, (row.eager, row.compiled)):
            for i in range(2):
                parts = sum(timings[q].values[i] for q in timings if q != "total")
                assert timings["total"].values[i] == pytest.approx(parts)
    report = compile_report(graph, "a graph", "node", options, result)
    assert report.rows[0][:3] == ["GraphSAGE", "full", OURS]
    assert "| GraphSAGE | sampled | gnnctl |" in report.markdown()


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("name", ["gcn", "sage", "gin", "gat"])
def test_the_peer_gives_the_same_from_both_its_forms(name, work):
    pytest.importorskip("torch_geometric")
    graph = uniform(40, 200, features=4)
    notes = []
    options = CompileOptions((name,), hidden=8, layers=2, batch_size=10, against_peer=True)
    sides = sides_of(name, work, graph, "node", options, torch.device("cpu"), notes)
    plain, ordered = sides[PEER], sides[PEER_SORTED]
    for a, b, gradient in zip(plain.inputs, ordered.inputs, plain.gradients, strict=True):
        out = plain.call(a)
        torch.testing.assert_close(out, ordered.call(b), rtol=1e-4, atol=1e-5)
        assert out.shape == gradient.shape
    assert not notes


def test_edges_in_no_order_give_the_same():
    options = CompileOptions(("gcn",), hidden=8, layers=2)
    sides = sides_of("gcn", "full", uniform(40, 200, features=4), "node", options, torch.device("cpu"), [])
    ours, unsorted = sides[OURS], sides[OURS_UNSORTED]
    torch.testing.assert_close(unsorted.call(unsorted.inputs[0]), ours.call(ours.inputs[0]), rtol=1e-4, atol=1e-5)


def test_a_typed_graph_has_no_peer():
    notes = []
    options = CompileOptions(("gcn",), hidden=8, layers=2, against_peer=True)
    graph = typed_rmat(8, features=2)
    sides = sides_of("gcn", "full", graph, graph.node_types[0], options, torch.device("cpu"), notes)
    assert list(sides) == [OURS]
    assert "several types" in notes[0]


@pytest.mark.parametrize("name", ["gps", "graph-unet", "attentive-fp", "schnet", "dimenet++"])
def test_what_sees_a_graph_at_once_is_measured_on_molecules(name):
    options = CompileOptions((name,), hidden=8, layers=2)
    for work in WORKS:
        side = sides_of(name, work, uniform(40, 200, features=4), "node", options, torch.device("cpu"), [])[OURS]
        assert sum(batch.num_seeds for batch in side.inputs) == 256
        assert len(side.inputs) == (8 if work == "sampled" else 1)
        out = side.call(side.inputs[0])
        assert out.shape == side.gradients[0].shape
        assert out.isfinite().all()
        assert float(out.detach().std()) > 0

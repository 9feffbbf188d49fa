"""Softmax, attention fused with its sum, and log-sum-exp, against float64 torch operations."""

import pytest
import torch
from edges import GRAPHS, agree, graph, identical_on_every_schedule, results

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn import ops
from gnnctl.nn.ops.attend import _attend

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def scores(edges, heads, width=None):
    """Scores of sources, destinations and edges, and features."""
    generator = torch.Generator().manual_seed(heads)
    rows = (edges.num_src, edges.num_dst, edges.num_edges)
    found = [torch.randn(n, heads, generator=generator) for n in rows]
    return found if width is None else [*found, torch.randn(edges.num_src, heads, width, generator=generator)]


@pytest.mark.parametrize("heads", [1, 3, 4, 8])
@pytest.mark.parametrize("name", [*GRAPHS, "hub"])
def test_coefficients(where, name, heads):
    edges = graph(name, where)
    agree(lambda src, dst, edge: ops.attention(edges, src, dst, edge), scores(edges, heads), where, torch.float32)
    agree(lambda edge: ops.edge_softmax(edges, edge), scores(edges, heads)[2:], where, torch.float32)


@pytest.mark.parametrize("width", [1, 4, 17, 130])
@pytest.mark.parametrize("name", GRAPHS)
def test_attention_and_its_sum_in_one_pass(where, name, width):
    edges = graph(name, where)
    for heads in (1, 3):
        given = scores(edges, heads, width)
        agree(lambda s, d, e, x: ops.attend(edges, s, d, x, e), given, where, torch.float32, f"{name} {heads}")
        given = [given[0], given[1], given[3]]
        agree(lambda s, d, x: ops.attend(edges, s, d, x), given, where, torch.float32, f"{name} {heads}")


def test_a_hub_attends_to_all(where):
    edges = graph("hub", where)
    agree(lambda s, d, e, x: ops.attend(edges, s, d, x, e), scores(edges, 2, 8), where, torch.float32, tolerance=1e-4)


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_half_precision(where, dtype):
    edges = graph("random", where)
    given = scores(edges, 2, 16)
    # Coefficients, which backward multiplies, were rounded; the sum they weigh is of float32.
    agree(lambda s, d, e, x: ops.attend(edges, s, d, x, e), given, where, dtype, tolerance=3e-2)
    agree(lambda s, d, e: ops.attention(edges, s, d, e), given[:3], where, dtype, tolerance=3e-2)


@pytest.mark.parametrize("width", [1, 3, 4, 17])
@pytest.mark.parametrize("name", [*GRAPHS, "hub"])
def test_log_sum_exp(where, name, width):
    edges = graph(name, where)
    rows = [torch.randn(edges.num_edges, width) * 5]
    filled = edges.in_degree() > 0
    agree(lambda v: ops.segment_logsumexp(edges.colptr, v)[filled], rows, where, torch.float32)
    assert torch.equal(ops.segment_logsumexp(edges.colptr, rows[0].to(where)).isinf().any(1), ~filled)


def test_large_and_masked_scores(where):
    edges = EdgeIndex(torch.tensor([0, 3, 5], device=where), torch.zeros(5, dtype=torch.int32, device=where), 1, 2)
    given = torch.tensor([1e4, 1e4 - 1, -1e4, -float("inf"), 0.0], device=where)
    expected = torch.tensor([0.7310586, 0.2689414, 0.0, 0.0, 1.0], device=where)
    torch.testing.assert_close(ops.edge_softmax(edges, given), expected)
    assert ops.edge_softmax(edges, torch.full((5,), -float("inf"), device=where)).isnan().all()
    total = ops.segment_logsumexp(edges.colptr, given)
    torch.testing.assert_close(total, torch.tensor([1e4 + 0.3132617, 0.0], device=where))


def test_the_fused_operator_keeps_torch_rules(shim):
    edges = graph("random", torch.device("cpu"))
    src, dst, edge, x = (tensor.requires_grad_() for tensor in scores(edges, 2, 3))
    view = edges.transposed()
    for given in (view, (None, None, None)):
        torch.library.opcheck(_attend, (edges.colptr, edges.row, src, dst, x, edge, *given, 0.2))
    compiled = torch.compile(lambda *parts: ops.attend(edges, *parts), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(src, dst, x, edge), ops.attend(edges, src, dst, x, edge))


def test_results_do_not_depend_on_the_order_of_threads(shim):
    edges = graph("long rows", torch.device("cpu"))

    def run():
        found = results(lambda s, d, e, x: ops.attend(edges, s, d, x, e), scores(edges, 2, 6))
        found += results(lambda s, d, e: ops.attention(edges, s, d, e), scores(edges, 4))
        return [
            *found,
            *results(
                lambda v: ops.segment_logsumexp(edges.colptr, v),
                [torch.randn(1500, 3, generator=torch.Generator().manual_seed(0))],
            ),
        ]

    identical_on_every_schedule(shim, run)

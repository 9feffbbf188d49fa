"""Linear layers on own kernels: torch's in everything but speed."""

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

from gnnctl.nn import linear as module
from gnnctl.nn.linear import Linear, linear

SMALL = [(3, 5, 7), (40, 3, 20), (64, 16, 16)]
LARGE = [(2048, 64, 64), (700, 100, 90), (100_000, 4, 16), (3, 5, 500, 64, 40)]


def same_as_torch(shape, bias):
    *rows, width, out = shape
    own = Linear(width, out, bias=bias)
    theirs = nn.Linear(width, out, bias=bias)
    theirs.load_state_dict(own.state_dict())
    x = torch.randn(*rows, width, requires_grad=True)
    y, expected = own(x), theirs(x)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    grad = torch.randn_like(y)
    found = torch.autograd.grad(y, (x, *own.parameters()), grad)
    wanted = torch.autograd.grad(expected, (x, *theirs.parameters()), grad)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * float(b.abs().max()))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SMALL + LARGE, ids=str)
def test_results_and_gradients_are_torchs(shape, bias):
    same_as_torch(shape, bias)


@pytest.mark.parametrize(
    ("x", "weight", "own"),
    [
        (torch.zeros(2048, 64), torch.zeros(64, 64), True),
        (torch.zeros(8, 256, 64), torch.zeros(64, 64), True),
        (torch.zeros(64, 64), torch.zeros(64, 64), False),
        (torch.zeros(100_000, 64), torch.zeros(1, 64), False),
        (torch.zeros(2048, 64).double(), torch.zeros(64, 64).double(), False),
        (torch.zeros(2048, 64).bfloat16(), torch.zeros(64, 64).bfloat16(), False),
        (torch.zeros(2048, 64, device="meta"), torch.zeros(64, 64, device="meta"), False),
    ],
)
def test_own_kernels_are_taken_where_they_win(x, weight, own):
    assert module._own(x, weight) == own


def test_autocast_is_torchs():
    layer = Linear(64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(2048, 64)).dtype == torch.bfloat16


def test_gradients_of_gradients(monkeypatch):
    monkeypatch.setattr(module, "_own", lambda x, weight: True)
    given = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((5, 4), (6, 4), (6,))]
    assert torch.autograd.gradcheck(linear, given)
    assert torch.autograd.gradgradcheck(linear, given)


def test_a_compiled_model_has_one_graph_whatever_the_rows():
    counter = CompileCounterWithBackend("aot_eager")
    model = nn.Sequential(Linear(64, 64), nn.ReLU(), Linear(64, 8))
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=counter)
    for rows in (5000, 3, 700):
        x = torch.randn(rows, 64)
        torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-5)
        compiled(x).sum().backward()
    assert counter.frame_count == 1

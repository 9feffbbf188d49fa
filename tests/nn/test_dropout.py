"""Dropout by a kernel: what it keeps, in every instruction set, forwards, backwards and compiled."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gnnctl.nn.dropout import Dropout, dropout


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 40), max_size=3), st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_what_is_kept_is_scaled_and_gradients_go_where_it_was_kept(shape, p, seed):
    torch.manual_seed(seed)
    x = (torch.rand(shape) + 0.5).requires_grad_()
    out = dropout(x, p)
    steps = round(p * 65536)
    kept = out != 0
    torch.testing.assert_close(out[kept], x[kept] * (65536 / (65536 - steps)))
    weights = torch.rand(shape)
    (grad,) = torch.autograd.grad((out * weights).sum(), x)
    torch.testing.assert_close(grad, torch.where(kept, weights * (65536 / (65536 - steps)), 0))


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
def test_as_many_go_as_asked_wherever_they_stand(p):
    torch.manual_seed(3)
    gone = dropout(torch.ones(2000, 257), p) == 0
    deviation = (p * (1 - p)) ** 0.5
    assert abs(gone.float().mean() - p) < 5 * deviation / gone.numel() ** 0.5
    for axis in (0, 1):
        share, count = gone.float().mean(axis), gone.shape[axis]
        assert ((share - p).abs() < 6 * deviation / count**0.5 + 2 / count).all()
    # neighbours, and elements a block of generators apart, know nothing of each other
    flat = gone.flatten().float() - p
    for lag in (1, 4, 8, 31, 32, 33, 64, 4096):
        alike = (flat[:-lag] * flat[lag:]).mean() / deviation**2
        assert alike.abs() < 6 / flat.numel() ** 0.5 + 1e-9


def test_the_generator_of_torch_decides():
    x = torch.ones(100, 70)
    torch.manual_seed(5)
    first, second = dropout(x), dropout(x)
    state = torch.get_rng_state()
    third = dropout(x)
    torch.manual_seed(5)
    assert torch.equal(first, dropout(x))
    assert torch.equal(second, dropout(x))
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(third, dropout(x))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads):
    before = torch.get_num_threads()
    x = torch.rand(300_000)
    try:
        found = []
        for count in (1, threads):
            torch.set_num_threads(count)
            torch.manual_seed(0)
            found.append(dropout(x, 0.3))
        assert torch.equal(*found)
    finally:
        torch.set_num_threads(before)


def test_every_instruction_set_draws_the_same():
    code = "import torch; from gnnctl.nn.dropout import dropout; torch.manual_seed(1)\n"
    code += "print(torch.nonzero(dropout(torch.ones(9001), 0.4)).flatten().tolist())"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "GNNCTL_ISA": isa}, capture_output=True, check=True
        ).stdout
        for isa in ("portable", "avx2", "")
    }
    assert len(found) == 1


def test_what_the_kernel_does_not_take_is_done_as_torch_does_it():
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        x = torch.ones(400, dtype=dtype)
        torch.manual_seed(0)
        out = dropout(x, 0.25)
        torch.manual_seed(0)
        assert torch.equal(out, nn.functional.dropout(x, 0.25))
    x = torch.ones(3, 4)
    assert torch.equal(dropout(x, 1.0), torch.zeros(3, 4))
    assert dropout(x, 0.0) is x
    assert dropout(x, 0.5, training=False) is x
    assert torch.equal(dropout(torch.full((50,), torch.nan), 0.5).nan_to_num(2).unique(), torch.tensor([0.0, 2.0]))
    strided = torch.rand(40, 30).t()
    out = dropout(strided, 0.5)
    assert ((out == 0) | torch.isclose(out, strided * 2)).all()
    with pytest.raises(ValueError, match="p must be 0 to 1"):
        dropout(x, 1.5)


def test_the_module_is_one_of_torch():
    module = Dropout(0.5)
    assert isinstance(module, nn.Dropout)
    x = torch.ones(1000)
    assert 300 < int((module(x) == 0).sum()) < 700
    assert module.eval()(x) is x


def test_gradients_of_gradients():
    torch.manual_seed(0)
    x = torch.rand(50, requires_grad=True)
    out = dropout(x, 0.5)
    (grad,) = torch.autograd.grad((out**3).sum(), x, create_graph=True)
    (again,) = torch.autograd.grad(grad.sum(), x)
    torch.testing.assert_close(again, torch.where(out != 0, 6 * out * 4, 0))


def test_operators_tell_the_compiler_the_truth():
    x = torch.rand(7, 5, requires_grad=True)
    checks = ("test_schema", "test_faketensor", "test_autograd_registration")
    torch.library.opcheck(torch.ops.gnnctl.dropout.default, (x, 0.5), test_utils=checks)
    key = torch.tensor(9)
    torch.library.opcheck(torch.ops.gnnctl.dropout_backward.default, (x, key, 0.5), test_utils=checks)


def test_compiled_whole_without_a_recompile_and_one_mask_both_ways():
    p = 0.3
    layer = nn.Sequential(nn.Linear(6, 8), Dropout(p))
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for rows in (40, 50, 60):
            out = compiled(torch.rand(rows, 6))
            (grad,) = torch.autograd.grad(out.sum(), layer[0].bias)
            assert 0 < int((out == 0).sum()) < out.numel()
            torch.testing.assert_close(grad, (out != 0).float().sum(0) * (65536 / (65536 - round(p * 65536))))

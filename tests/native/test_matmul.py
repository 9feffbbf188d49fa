"""What the native products refuse: every message begins with the argument's name."""

import pytest
import torch

from gnnctl.native import _native
from gnnctl.nn.ops.checks import array


def products(**change):
    tensors = {
        "x": torch.ones(5, 4),
        "ptr": torch.tensor([0, 3, 5]),
        "weight": torch.ones(2, 4, 6),
        "bias": torch.ones(2, 6),
    }
    tensors |= {"out": torch.ones(5, 6)} | change
    made = {name: array(tensor) for name, tensor in tensors.items()}
    weights = _native.Weights(made["weight"], made["bias"], False)
    _native.segment_matmul(made["x"], made["ptr"], weights, made["out"], 1)


@pytest.mark.parametrize(
    ("name", "tensor", "error"),
    [
        ("x", torch.ones(5, 4, dtype=torch.int32), TypeError),
        ("x", torch.ones(5, 4, dtype=torch.bfloat16), TypeError),
        ("x", torch.ones(5, 2, 2), ValueError),
        ("x", torch.ones(5, 3), ValueError),
        ("ptr", torch.tensor([0, 3, 5], dtype=torch.int32), TypeError),
        ("ptr", torch.tensor([0, 5]), ValueError),
        ("ptr", torch.tensor([0, 6, 5]), ValueError),
        ("ptr", torch.tensor([0, 3, 4]), ValueError),
        ("ptr", torch.tensor([-1, 3, 5]), ValueError),
        ("weight", torch.ones(8, 6), ValueError),
        ("weight", torch.ones(2, 4, 6, dtype=torch.float64), TypeError),
        ("bias", torch.ones(2, 5), ValueError),
        ("out", torch.ones(5, 5), ValueError),
        ("out", torch.ones(5, 6, dtype=torch.float64), TypeError),
    ],
)
def test_products_by_type_are_checked(name, tensor, error):
    products()
    with pytest.raises(error, match=rf"^{name}"):
        products(**{name: tensor})


@pytest.mark.parametrize(
    ("name", "tensor", "error"),
    [
        ("x", torch.ones(5), ValueError),
        ("ptr", torch.tensor([0, 4, 3]), ValueError),
        ("grad", torch.ones(4, 6), ValueError),
        ("grad", torch.ones(5, 6, dtype=torch.float64), TypeError),
        ("out", torch.ones(2, 3, 6), ValueError),
        ("out", torch.ones(2, 24), ValueError),
    ],
)
def test_gradients_of_weights_are_checked(name, tensor, error):
    tensors = {
        "x": torch.ones(5, 4),
        "ptr": torch.tensor([0, 3, 5]),
        "grad": torch.ones(5, 6),
        "out": torch.ones(2, 4, 6),
    }
    with pytest.raises(error, match=rf"^{name}"):
        _native.segment_outer(*(array(t) for t in (tensors | {name: tensor}).values()), 1)


def test_lists_are_checked():
    x, out, weights = (
        array(torch.ones(5, 4)),
        array(torch.ones(5, 6)),
        _native.Weights(array(torch.ones(1, 4, 6)), None, False),
    )
    with pytest.raises(ValueError, match=r"^weights"):
        _native.grouped_matmul([x], [], [out], 1)
    with pytest.raises(ValueError, match=r"^outs"):
        _native.grouped_matmul([x], [weights], [], 1)
    with pytest.raises(ValueError, match=r"^outs"):
        _native.grouped_matmul([x], [weights], [x], 1)
    with pytest.raises(ValueError, match=r"^weights"):
        _native.grouped_matmul([x], [_native.Weights(array(torch.ones(2, 4, 6)), None, False)], [out], 1)
    with pytest.raises(TypeError, match=r"^xs"):
        _native.grouped_matmul([x, array(torch.ones(5, 4).double())], [weights] * 2, [out] * 2, 1)
    with pytest.raises(ValueError, match=r"^grads"):
        _native.grouped_outer([x], [array(torch.ones(4, 6))], [array(torch.ones(4, 6))], 1)

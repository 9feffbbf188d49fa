"""The CPU operators' table of wrong arguments and odd layouts, through the emulated kernels."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "nn"))

import test_fuzz_ops as table

# Whether segments fit their rows the host cannot tell without waiting for the device: see case_nonsense in battery.py.
GIVEN = [(name, argument) for name, (_, tensors) in table.OPERATORS.items() for argument in tensors]


@pytest.mark.parametrize(("name", "argument"), [pair for pair in GIVEN if not pair[0].startswith("segment_")])
def test_one_wrong_tensor_is_refused(shim, name, argument):
    table.test_one_wrong_tensor_is_refused(name, argument)


@pytest.mark.parametrize(("name", "argument"), GIVEN)
def test_any_layout_of_a_tensor_gives_the_same(shim, name, argument):
    table.test_any_layout_of_a_tensor_gives_the_same(name, argument)

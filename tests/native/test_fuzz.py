"""Every native function with every argument wrong in every way: an exception that names it, never a crash."""

import re
import sys

import numpy as np
import pytest
from fuzz_functions import ELSEWHERE, FUNCTIONS, PAIRED
from fuzzing import ODD, REFUSALS
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.native import _native


def test_every_native_function_is_in_the_table():
    bound = {name for name in dir(_native) if not name.startswith("_")}
    methods = {
        f"{name}.{method}"
        for name in bound
        if isinstance(found := getattr(_native, name), type)
        for method, member in vars(found).items()
        if not method.startswith("_") and callable(member)
    }
    listed = FUNCTIONS.keys() | ELSEWHERE.keys()
    assert bound | methods == listed, "describe a new function's arguments in FUNCTIONS"
    assert not FUNCTIONS.keys() & ELSEWHERE.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_arguments_are_taken(name):
    function = FUNCTIONS[name]
    function.call(**function.valid())


@pytest.mark.parametrize(("name", "argument"), [(name, a) for name, f in FUNCTIONS.items() for a in f.arguments])
def test_one_wrong_argument_is_refused_by_name(name, argument):
    function = FUNCTIONS[name]
    named = function.named.get(argument, argument)
    for bad in function.arguments[argument].bad():
        given = {**function.valid(), argument: bad.value}
        message = refusal(function, given)
        if message is None:
            assert not bad.refused, f"{argument}: {bad.label} was taken"
            continue
        # pybind11 refuses what converts to nothing, before our code: it lists the arguments' names.
        generic = "incompatible" in message and (f"{argument}: " in message or argument in PAIRED)
        assert generic or re.match(rf"({named})(?=\W)", message), f"{argument}: {bad.label}: {message}"


def refusal(function, given):
    """The message of the exception; None where there was none."""
    try:
        function.call(**given)
    except REFUSALS as error:
        return str(error)
    return None


dtypes = st.sampled_from(["bool", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8", ">i8", ">f4", "c8", "U2", "M8[s]"])
arrays = st.builds(
    lambda seed, dtype, shape, step: np.random.default_rng(seed).integers(-3, 6, shape).astype(dtype)[::step],
    st.integers(0, 99),
    dtypes,
    st.lists(st.integers(0, 6), min_size=1, max_size=3),
    st.sampled_from([1, 1, 2, -1]),
)
numbers = st.one_of(st.integers(-4, 9), st.sampled_from([2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 2**64]))
anything = st.one_of(arrays, numbers, st.lists(numbers, max_size=3), st.sampled_from(ODD))
# A number that is right and merely large may ask for that much memory or time: not what is tested here.
SIZES = {
    "num_src",
    "num_dst",
    "entries",
    "reads",
    "bytes",
    "repeats",
    "rows",
    "row_bytes",
    "hops",
    "num_nodes",
    "num_threads",
}


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_several_wrong_arguments_never_crash(name, data):
    function = FUNCTIONS[name]
    given = function.valid()
    for argument, kind in function.arguments.items():
        source = data.draw(st.sampled_from(["right", "right", "listed", "anything"]), argument)
        if source == "listed":
            given[argument] = data.draw(st.sampled_from(list(kind.bad())), argument).value
        elif source == "anything" and argument not in SIZES:
            given[argument] = data.draw(anything, argument)
    refusal(function, given)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_missing_and_unknown_arguments_are_refused(name):
    function = FUNCTIONS[name]
    if not hasattr(function.call, "__self__"):
        return  # called through a wrapper
    with pytest.raises(TypeError):
        function.call()
    with pytest.raises(TypeError):
        function.call(**function.valid(), surplus=1)


@pytest.fixture
def pages(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(range(256)) * 16)
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def test_mapped_files_are_refused_by_name(pages, tmp_path):
    assert bytes(memoryview(_native.Mapping(pages, 4096, 8192))) == bytes(range(256)) * 32
    for arguments, named in [
        (([], 4096, 0), "paths"),
        ((pages, 4096, 0), "bytes"),
        ((pages[:1], 4096, 0), "bytes"),
        ((pages[:1], 0, 10), "bytes_per_file"),
        ((pages, 0, 10), "bytes_per_file"),
        ((pages, 4095, 8190), "bytes_per_file"),
        ((pages, 2**64 - 4096, 8192), "paths"),
        ((pages, 4096, 8193), "paths"),
        ((pages, 4096, 4096), "paths"),
        ((pages, 4096, 2**63), "bytes"),
        ((pages[:1], 2**64 - 1, 2**64 - 1), "bytes"),
    ]:
        with pytest.raises(ValueError, match=f"^{named}: "):
            _native.Mapping(*arguments)
    for path in (str(tmp_path / "none"), str(tmp_path), str(tmp_path / "a/b"), "", str(tmp_path / "c\0b")):
        with pytest.raises((OSError, ValueError)) as caught:
            _native.Mapping([path], 4096, 4096)
        assert path in str(caught.value) or "paths: a zero byte" in str(caught.value)
    with pytest.raises(OSError, match="a"):
        _native.Mapping(pages[:1], 4097, 4097)  # longer than the file
    for value in [None, "text", 7, [None], [7], [b"a", 3], object()]:
        with pytest.raises(TypeError):
            _native.Mapping(value, 4096, 8192)
    for value in [*ODD, -1, 2**64]:
        with pytest.raises(TypeError):
            _native.Mapping(pages, value, 8192)
        with pytest.raises(TypeError):
            _native.Mapping(pages, 4096, value)


@pytest.mark.skipif(sys.platform == "win32", reason="needs FIFOs")
def test_a_pipe_is_no_file_to_map(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe"):
        _native.Mapping([str(tmp_path / "pipe")], 4096, 4096)

"""What the native functions behind induced and bidirectional subgraphs refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnnctl.native import TypedCsc, induced_edges, with_opposite

EDGES = (np.array([0, 1, 1]), np.zeros(1, np.int32), np.zeros(1, np.int64))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"types": (3, 0)}, "partner"),
        ({"types": (0, 3)}, "sampled"),
        ({"types": (0, 1)}, "partner"),
        ({"forward": (np.zeros(1, np.int64), True)}, "forward"),
        ({"forward": (np.full(2, 9), False)}, "forward"),
        ({"forward": (np.full(2, -1), False)}, "forward"),
        ({"forward": (np.zeros(2, np.int32), False)}, "forward"),
        ({"own": (EDGES[0][:2], *EDGES[1:])}, "own.colptr"),
        ({"own": (EDGES[0] * 2, *EDGES[1:])}, "own.colptr"),
        ({"own": (EDGES[0], EDGES[1] + 2, EDGES[2])}, "own.row"),
        ({"own": (EDGES[0], EDGES[1] - 1, EDGES[2])}, "own.row"),
        ({"other": (EDGES[0], EDGES[1], EDGES[2] + 2)}, "other.pos"),
        ({"other": (EDGES[0], EDGES[1], EDGES[2] - 2)}, "other.pos"),
        ({"other": (EDGES[0], EDGES[1], np.zeros(2, np.int64))}, "other.pos"),
        ({"other": EDGES[:2]}, "other"),
        ({"rows": (np.array([0, 2]), np.array([0, 1]))}, r"rows\[0\]"),
        ({"rows": (np.array([0, 1]), np.array([0, -1]))}, r"rows\[1\]"),
    ],
)
def test_native_opposites_refuse_by_name(change, named):
    csc = np.array([0, 1, 2]), np.array([1, 0], np.int32), None
    graph = TypedCsc([2, 2], [(0, 0, *csc), (0, 1, *csc)])
    rows = (np.array([0, 1]), np.array([0, 1]))
    given = {"types": (0, 0), "forward": None, "own": EDGES, "other": EDGES, "rows": rows, "end": 2}
    with_opposite(graph, **given)
    with pytest.raises((TypeError, ValueError), match=f"^{named}"):
        with_opposite(graph, **{**given, **change})


anything = st.one_of(
    st.none(),
    st.integers(-(2**65), 2**65),
    st.text(max_size=3),
    st.lists(st.integers(-5, 5), max_size=3),
    st.sampled_from(
        [np.zeros((2, 2)), np.array([5]), np.array([], np.int64), (np.arange(2), np.array([0, 0], np.int32))]
    ),
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(["nodes", "ends", "num_threads"]), st.one_of(anything, st.lists(anything, max_size=2)))
def test_fuzzed_arguments_never_crash(name, value):
    graph = TypedCsc([3], [(0, 0, np.array([0, 2, 2, 3]), np.array([1, 2, 0], np.int32), None)])
    given = {"nodes": [(np.arange(2), None)], "ends": [2], "num_threads": 1, name: value}
    try:
        found = induced_edges(graph, **given)
    except (TypeError, ValueError):
        return
    assert len(found) == 1

"""Every native function: how it is called rightly, and what each argument may be."""

import numpy as np
from fuzzing import ODD, Bad, Chosen, Flag, Function, Integer, Listed, Real, Vector

from gnnctl.native import _native

THREADS = Integer(1, 1, 1024)
TIMES = np.array([3, 4], np.int64)
INDEX = np.array([3, 0, 2, 2, 1], np.int64)


EDGE_PARTS = ("src", "dst", "colptr", "row", "name_hash", "fan_out", "weight", "time", "source_time")
RULE_PARTS = ("replace", "disjoint", "draw", "visible", "budget")


def sampler(**given):
    """A sampler's description is in parts; here all their arguments stand side by side."""
    edge_type = _native.SampledEdgeType(**{name: given.pop(name) for name in EDGE_PARTS})
    rules = _native.SamplerRules(**{name: given.pop(name) for name in RULE_PARTS})
    return _native.Sampler(edge_types=[edge_type], rules=rules, **given).sample(np.array([0, 2]), 0, 0, TIMES)


def trees():
    """A sampler of a tree for each seed that heeds times."""
    edge_type = _native.SampledEdgeType(
        0, 0, np.array([0, 2, 2, 3]), np.array([1, 2, 0]), 7, [2], time=np.array([1, 2, 3])
    )
    rules = _native.SamplerRules(disjoint=True, visible="until")
    return _native.Sampler([3], [1], [edge_type], 1, 0, rules)


def sample(**given):
    return trees().sample(**given)


def sample_many(seeds, groups, ptr, offset, **given):
    """Lists of one node type and of one edge type."""
    return trees().sample_many([seeds], groups=[groups], hidden=[(0, ptr, offset)], **given)


def words(right, *others):
    return Chosen(right, tuple(Bad(repr(value), value) for value in ["", "no", None, 7, *others]))


def rows_of(dtype, rows=4, width=3):
    return np.arange(rows * width).reshape(rows, width).astype(dtype)


def bad_rows(other_length):
    """Of an array whose dtype and shape are free, but for what the other array has."""
    right = rows_of(np.float32)
    yield from (Bad(repr(value), value, value is not None) for value in [*ODD, 7])
    yield Bad("objects", right.astype(object))
    yield Bad("records", np.zeros((4, 3), [("a", "f4")]))
    yield Bad("byte order", right.astype(">f4"))
    yield Bad("every second row", np.repeat(right, 2, axis=0)[::2])
    yield Bad("columns first", np.asfortranarray(right))
    yield Bad("no dimension", np.float32(1))
    yield Bad("doubles", right.astype(np.float64))
    yield Bad("wider", rows_of(np.float32, 4, 4))
    yield Bad("one dimension", right[:, 0].copy())
    yield Bad("no rows", right[:0].copy())
    if other_length:
        yield Bad("too many rows", rows_of(np.float32, 6))
        frozen = rows_of(np.float32, 5)
        frozen.flags.writeable = False
        yield Bad("read-only", frozen)


def bad_features():
    for dtype in ("f4", "f2", "u2", "f8", "i4", "u1", "bool", "O", "c8"):
        yield Bad(dtype, rows_of(dtype))  # not with a scale
    yield Bad("byte order", rows_of(">f4"))
    yield from (Bad(repr(value), value) for value in [*ODD, 7])
    yield Bad("one dimension", np.zeros(4, np.int8))
    yield Bad("three dimensions", np.zeros((4, 3, 1), np.int8))
    yield Bad("columns first", np.asfortranarray(rows_of(np.int8)))
    yield Bad("wider", rows_of(np.int8, 4, 4))
    yield Bad("no rows", rows_of(np.int8)[:0])


def bad_scales():
    yield from (Bad(repr(value), value) for value in [*ODD, 7])
    for wrong in (
        np.ones((2, 3)),
        np.ones((2, 2), "f4"),
        np.ones(6, "f4"),
        np.ones((3, 2), "f4"),
        np.ones((3, 2), "f4").T,
    ):
        yield Bad(f"{wrong.dtype} {wrong.shape} {wrong.strides}", wrong)
    yield Bad("byte order", np.ones((2, 3), ">f4"))


FUNCTIONS = {
    "gather_rows": Function(
        _native.gather_rows,
        {
            "src": Chosen(rows_of(np.float32), tuple(bad_rows(False))),
            "index": Vector(INDEX, limit=4),
            "out": Chosen(rows_of(np.float32, 5), tuple(bad_rows(True))),
            "num_threads": THREADS,
        },
        {"src": "src|out|index", "index": "index|out"},
    ),
    "gather_features": Function(
        _native.gather_features,
        {
            "src": Chosen(rows_of(np.int8), tuple(bad_features())),
            "index": Vector(INDEX, limit=4),
            "scale": Chosen(np.ones((2, 3), np.float32), tuple(bad_scales())),
            "out": Chosen(rows_of(np.float32, 5), tuple(bad_rows(True))),
            "num_threads": THREADS,
        },
        {"src": "src|out|index|scale", "index": "index|out"},
    ),
    "count_visible": Function(
        _native.count_visible,
        {
            "colptr": Vector(np.array([0, 2, 2, 3, 5]), fixed=False),
            "times": Chosen(
                np.array([1, 4, 0, 2, 2]),
                tuple(b for b in Vector(np.array([1, 4, 0, 2, 2])).bad() if b.label != "one too many"),
            ),
            "nodes": Vector(np.array([3, 0]), limit=4),
            "limits": Vector(np.array([2, 7])),
            "inclusive": Flag(True),
        },
        {"colptr": "colptr|nodes", "times": "times|colptr", "nodes": "nodes|limits"},
    ),
    "colptr_of": Function(
        _native.colptr_of,
        {
            "col": Vector(np.array([0, 2, 2]), limit=4, fixed=False, narrow=True),
            "num_dst": Integer(4, 3, 2**48 - 1),
        },
        named={"num_dst": "num_dst|col"},
    ),
    "RowFinder": Function(_native.RowFinder, {"known": Vector(np.array([0, 2, 9]), fixed=False)}),
    "RowFinder.places": Function(
        lambda **given: _native.RowFinder(np.array([0, 2, 2**40])).places(**given), {"rows": Vector(INDEX, fixed=False)}
    ),
    "csc_from_coo": Function(
        _native.csc_from_coo,
        {
            "row": Vector(INDEX, limit=4),
            "col": Vector(INDEX[::-1].copy(), limit=5),
            "num_src": Integer(4, 4, 2**63 - 1),
            "num_dst": Integer(5, 4, 2**48 - 1),
            "by_source": Flag(True),
            "num_threads": THREADS,
        },
        {"row": "row|col", "num_src": "num_src|row", "num_dst": "num_dst|col"},
    ),
    "number_nodes": Function(
        _native.number_nodes,
        {"rows": Vector(INDEX, limit=2**63), "hops": Vector(INDEX)},
        {"rows": "rows|hops"},
    ),
    "random_gather_rate": Function(
        _native.random_gather_rate,
        {
            "entries": Integer(64, 1, 2**32 - 1),
            "reads": Integer(64, 1, 2**32),
            "repeats": Integer(1, 1, 1000),
            "large_pages": Flag(True),
        },
    ),
    "random_row_rate": Function(
        _native.random_row_rate,
        {
            "rows": Integer(64, 1, 2**32 - 1),
            "row_bytes": Integer(20, 1, 2**20),
            "reads": Integer(64, 1, 2**32),
            "repeats": Integer(1, 1, 1000),
        },
    ),
    "stream_bandwidth": Function(
        _native.stream_bandwidth, {"bytes": Integer(64, 1, 2**36), "repeats": Integer(1, 1, 1000)}
    ),
    "Sampler": Function(
        sampler,
        {
            "num_nodes": Listed([3], 0, 2**32 - 1),
            "node_type_hashes": Listed([1], 0, 2**64 - 1),
            "src": Integer(0, 0, 0),
            "dst": Integer(0, 0, 0),
            "colptr": Vector(np.array([0, 2, 2, 3]), rises=True),
            "row": Vector(np.array([1, 2, 0]), limit=3, narrow=True),
            "name_hash": Integer(7, 0, 2**64 - 1),
            "fan_out": Listed([2, 2], -1, 2**31 - 1),
            "weight": Vector(np.array([0.5, 2, 1], np.float32), optional=True, also=(np.nan, np.inf, -1)),
            "time": Vector(np.array([1, 2, 3]), optional=True),
            "source_time": Vector(np.array([1, 1, 1]), optional=True),
            "hops": Integer(2, 2, 2),
            "seed": Integer(0, 0, 2**64 - 1),
            "replace": Flag(False),
            "disjoint": Flag(True),
            "draw": words("weighted", "Uniform", "labor"),
            "visible": words("until", "never"),
            "budget": Listed([5, 5], -1, 2**31 - 1),
            "num_threads": THREADS,
        },
        {
            **dict.fromkeys(EDGE_PARTS, r"edge_types\[0\]"),
            "num_nodes": r"num_nodes|node_type_hashes|edge_types\[0\]",
            "hops": r"hops|budget|edge_types\[0\].fan_out",
            "draw": "draw|disjoint",
        },
    ),
    "Sampler.sample": Function(
        sample,
        {
            "seeds": Vector(np.array([2, 0]), limit=3),
            "node_type": Integer(0, 0, 0),
            "epoch": Integer(0, 0, 2**64 - 1),
            "times": Vector(TIMES),
        },
        {"seeds": "seeds|times"},
    ),
    "Sampler.sample_many": Function(
        sample_many,
        {
            "seeds": Vector(np.array([2, 0]), limit=3),
            "groups": Vector(np.array([0, 1], np.int32), limit=2),
            "epoch": Integer(0, 0, 2**64 - 1),
            "kind": Integer(3, 0, 2**64 - 1),
            "words": Vector(np.array([5, 6], np.uint64)),
            "times": Vector(TIMES),
            "ptr": Vector(np.array([0, 0, 2])),
            "offset": Vector(np.array([0, 1]), limit=2),
        },
        {"seeds": "seeds|groups|hidden", "words": "words|groups|times", "ptr": "hidden", "offset": "hidden"},
    ),
}


PAIRED = ("walks", "length", "p", "q", "alpha", "eps")


def walking(function, *parts):
    """Calls a walk on a typed graph of two edge types; `parts` are pairs that its arguments make."""

    def call(**given):
        weights = np.ones(3, np.float32)
        edges = (0, 0, np.array([0, 2, 2, 3]), np.array([1, 2, 0]), weights)
        graph = _native.TypedCsc([3], [edges, edges])
        for name, first, second in parts:
            given[name] = (given.pop(first), given.pop(second))
        return function(graph, **given)

    return call


def typed_csc(**given):
    parts = ("src", "dst", "colptr", "row", "weight")
    return _native.TypedCsc(edge_types=[tuple(given.pop(name) for name in parts)], **given)


WALK = {
    "walks": Integer(2, 0, 2**40),
    "length": Integer(3, 0, 2**40),
    "key": Integer(1, 0, 2**64 - 1),
    "weighted": Flag(True),
    "num_threads": THREADS,
}
TOP = {"top": Integer(2, 0, 2**63 - 1), "weighted": Flag(True), "num_threads": THREADS}
STARTS = Vector(np.array([2, 0], np.int64), limit=3, fixed=False)
FUNCTIONS |= {
    "TypedCsc": Function(
        typed_csc,
        {
            "num_nodes": Listed([3], 0, 2**48 - 1, fixed=False),
            "src": Integer(0, 0, 0),
            "dst": Integer(0, 0, 0),
            "colptr": Vector(np.array([0, 2, 2, 3]), rises=True),
            "row": Vector(np.array([1, 2, 0]), limit=3, narrow=True),
            "weight": Vector(np.array([0.5, 2, 1], np.float32), optional=True, also=(np.nan, np.inf, -1)),
            "num_threads": THREADS,
        },
        {
            **dict.fromkeys(("src", "dst", "colptr", "row", "weight"), r"edge_types\[0\]"),
            "num_nodes": r"num_nodes|edge_types\[0\]",
        },
    ),
    "random_walk": Function(
        walking(_native.random_walk, ("shape", "walks", "length")),
        {"starts": STARTS, "metapath": Listed([0, 1], 0, 1, fixed=False), **WALK},
        {"walks": "walks|length", "length": "length"},
    ),
    "node2vec": Function(
        walking(_native.node2vec, ("shape", "walks", "length"), ("bias", "p", "q")),
        {"starts": STARTS, "edge_type": Integer(0, 0, 1), "p": Real(0.5, 0, 1e30), "q": Real(2, 0, 1e30), **WALK},
        {"walks": "walks|length"},
    ),
    "most_visited": Function(
        walking(_native.most_visited, ("shape", "walks", "length")),
        {
            "nodes": STARTS,
            "metapath": Listed([0, 1], 0, 1, fixed=False),
            **(WALK | {"walks": Integer(2, 1, 2**20), "length": Integer(3, 1, 2**20)}),
            "restart": Real(0.2, 0, 1),
            **TOP,
        },
    ),
    "personalized_pagerank": Function(
        walking(_native.personalized_pagerank, ("accuracy", "alpha", "eps")),
        {
            "sources": STARTS,
            "edge_type": Integer(0, 0, 1),
            "alpha": Real(0.2, 0, 1),
            "eps": Real(1e-3, 0, 1),
            "with_source": Flag(True),
            "poll": Chosen(None, (Bad("text", "poll"), Bad("a number", 7))),
            **TOP,
        },
    ),
}

# What is bound, but tested elsewhere, and why.
ELSEWHERE = {
    "kernels_name": "takes no arguments",
    **dict.fromkeys(
        ("Weights", "segment_matmul", "segment_outer", "grouped_matmul", "grouped_outer"),
        "takes addresses with dtypes and shapes: tests/native/test_matmul.py; its callers: tests/nn/test_fuzz_ops.py",
    ),
    **dict.fromkeys(("induced_edges", "with_opposite"), "nested arguments, in tests/sampling/test_induced.py"),
    **dict.fromkeys(("draw_negatives", "complete_negatives"), "nested arguments, in tests/sampling/test_negatives.py"),
    "order_lists": "writes in place what csc_from_coo made, in tests/graph/test_build.py",
    "stream_partition": "in tests/sampling/test_partition.py",
    "hgt_nodes": "nested arguments, in tests/sampling/test_hgt.py",
    **dict.fromkeys(("SampledEdgeType", "SamplerRules"), "parts of what Sampler is given above"),
    "Mapping": "below: its arguments are files",
    **dict.fromkeys(
        (
            *("Array", "Edges", "Aggregates", "Scores", "Quantiles", "result_memory"),
            *(
                "aggregate",
                "spread",
                "fold",
                "select",
                "select_weights",
                "sddmm",
                "weighted_gradient",
                "attention",
                "attention_backward",
            ),
            *("logsumexp", "logsumexp_backward", "product_backward", "quantile", "quantile_backward"),
            *("transpose", "check_csc", "dropout"),
        ),
        "takes addresses with dtypes and shapes: tests/native/test_kernels.py; its callers: tests/nn/test_fuzz_ops.py",
    ),
}

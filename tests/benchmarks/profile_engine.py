"""One kernel, or one way of sampling, again and again for some seconds: for a profiler to look at.

    OMP_NUM_THREADS=1 perf record -e cpu-clock -o perf.data python tests/benchmarks/profile_engine.py kernel "spmm max"
    OMP_NUM_THREADS=1 perf record -e cpu-clock -o perf.data python tests/benchmarks/profile_engine.py sampling temporal
    perf report -i perf.data --no-children --sort symbol
    perf annotate -i perf.data --stdio SYMBOL

Prints milliseconds of the thread's processor time a call, so that a change can be tried at once.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gnnctl.bench.kernel_problem import Problem
from gnnctl.bench.kernel_table import KERNELS
from gnnctl.bench.rmat import rmat, typed_rmat, with_draws
from gnnctl.graph.graph import DEFAULT_NODE
from gnnctl.nn import ops
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec

BATCH = 1024


def kernel(name: str) -> Callable[[], Any]:
    """A line of ``gnnctl bench kernels`` on its graph; "products at N types"; or "spmm max with ranks"."""
    if name.startswith("products at "):
        types = int(name.split()[2])
        ptr = torch.linspace(0, 100_000, types + 1).long()
        x, weight = torch.rand(100_000, 64), torch.rand(types, 64, 64)
        return lambda: ops.segment_matmul(x, ptr, weight)
    problem = Problem.of(rmat(16, 16, seed=0), 64, 8, 0)
    if name == "spmm max with ranks":
        x = problem.x.requires_grad_()
        return lambda: ops.spmm(problem.edges, x, None, "max")
    found = {k.name: k for k in KERNELS}
    if name not in found:
        raise SystemExit(f"no such kernel: {name}; there are {', '.join(found)}")
    return found[name].ours(problem)


def sampling(name: str) -> Callable[[], Any]:
    """A mode of docs/performance.md's table on its graph, one batch a call."""
    spec: dict[str, Any] = {"seed": 1}
    fan_outs, typed, drawn = (25, 10), False, False
    match name:
        case "joint":
            fan_outs = (15, 10, 5)
        case "joint-25":
            pass
        case "typed":
            fan_outs, typed = (10, 10), True
        case "disjoint":
            spec["disjoint"] = True
        case "temporal":
            spec |= {"disjoint": True, "time": "until"}
            drawn = True
        case "weighted":
            spec["draw"] = "weighted"
            drawn = True
        case _:
            raise SystemExit(f"no such way of sampling: {name}")
    graph = typed_rmat(20, seed=0) if typed else rmat(20, 16, seed=0)
    if drawn:
        graph = with_draws(graph, timed=name == "temporal", seed=0)
    sampler = Sampler(graph, SampleSpec.uniform(graph.edge_types, fan_outs, **spec))
    node_type = graph.edge_types[0].dst if typed else DEFAULT_NODE
    order = np.random.default_rng(0).permutation(graph.num_nodes(node_type))
    batches = itertools.cycle(np.split(order[: len(order) // BATCH * BATCH], len(order) // BATCH))
    return lambda: sampler.sample(next(batches), node_type, 1)


def main() -> None:
    """Run, and print the median."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["kernel", "sampling"])
    parser.add_argument("name")
    parser.add_argument("--seconds", type=float, default=6.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    run = (kernel if args.what == "kernel" else sampling)(args.name)
    run()
    took = []
    end = time.monotonic() + args.seconds
    while time.monotonic() < end:
        start = time.thread_time()
        run()
        took.append(1e3 * (time.thread_time() - start))
    print(f"{args.name}: {statistics.median(took):.2f} ms a call, {len(took)} calls")


if __name__ == "__main__":
    main()

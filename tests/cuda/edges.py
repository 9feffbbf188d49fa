"""Graphs that kernels meet, and how their results are compared."""

import functools

import torch

from gnnctl.graph.edge_index import EdgeIndex

HUB = 100_000
GRAPHS = ("random", "empty", "one row", "long rows")
# Of the largest result: float32 sums of some hundred terms; half precision rounds inputs exactly and results once.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 8e-3, torch.float16: 1e-3}


@functools.cache
def _on_cpu(name: str) -> EdgeIndex:
    generator = torch.Generator().manual_seed(1)
    sources, destinations, count = {
        "random": (60, 70, 900),
        "empty": (5, 4, 0),
        "one row": (1, 1, 3),
        "long rows": (40, 3, 1500),
        "hub": (500, 200, HUB + 2000),
    }[name]
    row = torch.randint(0, sources, (count,), generator=generator)
    col = torch.randint(0, destinations, (count,), generator=generator)
    if name == "hub":
        col[:HUB] = 77
    return EdgeIndex.from_coo(torch.stack([row, col]), sources, destinations)[0]


def graph(name: str, where: torch.device) -> EdgeIndex:
    """One of the graphs, on a device."""
    return _on_cpu(name).to(where)


def wide(edges: EdgeIndex) -> EdgeIndex:
    """The same edges with int64 ids."""
    return EdgeIndex(edges.colptr, edges.row.long(), edges.num_src, edges.num_dst)


def results(function, given, dtype=torch.float32, where=None):
    """What a function returns, and its gradients for what it was given."""
    leaves = [tensor.to(dtype).to(where).requires_grad_() for tensor in given]
    out = function(*leaves)
    generator = torch.Generator().manual_seed(2)
    grad = torch.randn(out.shape, generator=generator).to(dtype).to(out.device)
    grads = torch.autograd.grad(out, leaves, grad, allow_unused=True)
    return [out.detach(), *(g for g in grads if g is not None)]


def agree(function, given, where, dtype, what="", tolerance=None):
    """Results and gradients in this dtype are those of torch operations in float64, from the same inputs."""
    rounded = [tensor.to(dtype) for tensor in given]
    found = results(function, rounded, dtype, where)
    wanted = results(function, rounded, torch.float64, where)
    for i, (ours, reference) in enumerate(zip(found, wanted, strict=True)):
        assert ours.dtype == dtype
        scale = float(reference.abs().max()) if reference.numel() else 0.0
        bound = tolerance or TOLERANCE[dtype]
        torch.testing.assert_close(
            ours.double(), reference, rtol=bound, atol=bound * max(scale, 1), msg=lambda m, i=i: f"{what} [{i}]: {m}"
        )


def identical_on_every_schedule(shim, run):
    """The same bits whatever order threads and blocks are taken in."""
    shim.schedule("forward")
    wanted = run()
    for schedule, seed in (("forward", 0), ("reverse", 0), ("random", 1), ("random", 2)):
        shim.schedule(schedule, seed)
        assert all(torch.equal(a, b) for a, b in zip(run(), wanted, strict=True)), schedule

"""Every kernel on one set of inputs: a file of results, and the instruction set that made them, for another to compare.

GNNCTL_ISA=avx2 python kernel_battery.py OUT
"""

import sys

import torch

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.native import _native
from gnnctl.nn import ops

REDUCES = ("sum", "mean", "min", "max", "var", "std")


def results(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    edges, _ = EdgeIndex.from_coo(torch.randint(0, 40, (2, 900), generator=generator), 40)
    found = []
    for width in (1, 3, 4, 8, 15, 16, 31, 64, 150):
        x = torch.randn(40, width, generator=generator).to(dtype).requires_grad_()
        weight = torch.rand(900, generator=generator).to(dtype).requires_grad_()
        rows = torch.randn(900, width, generator=generator).to(dtype).requires_grad_()
        found += [ops.spmm(edges, x, weight, name) for name in REDUCES]
        found.append(ops.multi_aggregate(edges, x, None, REDUCES))
        found.append(ops.segment_multi_reduce(edges.colptr, rows, REDUCES))
        found.append(ops.segment_logsumexp(edges.colptr, rows))
        found.append(ops.segment_softmax(edges.colptr, rows))
        found.append(ops.segment_quantile(edges.colptr, rows, [0.5, 0.9]))
        found.append(ops.segment_reduce(edges.colptr, rows.abs() ** 0.01, "mul"))
        total = sum((out.float().square() * 0.1).sum() for out in found[-12:])
        found += torch.autograd.grad(total, [x, weight, rows])
    return [out.detach() for out in found]


def battery() -> dict[str, object]:
    dtypes = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
    return {"isa": _native.kernels_name(), **{str(dtype): results(dtype) for dtype in dtypes}}


if __name__ == "__main__":
    torch.save(battery(), sys.argv[1])

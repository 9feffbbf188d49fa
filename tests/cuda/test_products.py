"""Products of rows by type and of lists of matrices, against float64."""

import pytest
import torch
from edges import agree, identical_on_every_schedule, results

from gnnctl.nn import ops

# Sums of up to a few hundred rounded products; of TF32, ten bits of fraction.
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2, torch.float16: 3e-3, "tf32": 3e-3}
SHAPES = ((0, 2, 3, 4), (10, 3, 3, 5), (100, 4, 16, 8), (300, 5, 64, 130), (1300, 3, 33, 17), (700, 300, 8, 8))


@pytest.fixture(params=[torch.float32, "tf32", torch.bfloat16, torch.float16], ids=str)
def precision(request):
    """A dtype and its tolerance, with TF32 allowed where it is asked for."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = request.param == "tf32"
    yield (torch.float32 if request.param == "tf32" else request.param), TOLERANCE[request.param]
    torch.backends.cuda.matmul.allow_tf32 = before


def ragged(rows, types, where):
    """Where types start: most of them short or empty, the last one long."""
    cuts = torch.sort(torch.randint(0, rows // 3 + 1, (types - 1,), generator=torch.Generator().manual_seed(types)))[0]
    return torch.cat([torch.tensor([0]), cuts, torch.tensor([rows])]).to(where)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rows_by_type(where, precision, shape):
    dtype, tolerance = precision
    rows, types, k, m = shape
    generator = torch.Generator().manual_seed(rows)
    given = [torch.randn(*s, generator=generator) / 4 for s in ((rows, k), (types, k, m), (types, m))]
    ptr = ragged(rows, types, where)
    agree(lambda x, w, b: ops.segment_matmul(x, ptr, w, b), given, where, dtype, tolerance=tolerance)
    agree(lambda x, w: ops.segment_matmul(x, ptr, w), given[:2], where, dtype, tolerance=tolerance)


def test_one_matrix_stored_the_other_way(where, precision):
    dtype, tolerance = precision
    given = [torch.randn(*s) / 4 for s in ((90, 37), (70, 37), (70,))]
    agree(lambda x, w, b: ops.linear(x, w, b), given, where, dtype, tolerance=tolerance)


def test_lists_of_matrices(where, precision):
    dtype, tolerance = precision
    sizes = [(5, 3, 7), (70, 20, 70), (0, 4, 2), (130, 65, 1)] + [(3, 2, 2)] * 40
    given = [torch.randn(n, k) / 4 for n, k, _ in sizes] + [torch.randn(k, m) / 4 for _, k, m in sizes]
    count = len(sizes)

    def together(*tensors):
        return torch.cat([out.flatten() for out in ops.grouped_matmul(tensors[:count], tensors[count:])])

    agree(together, given, where, dtype, tolerance=tolerance)


def test_results_do_not_depend_on_the_order_of_threads(shim):
    ptr = ragged(300, 4, torch.device("cpu"))
    given = [torch.randn(*s, generator=torch.Generator().manual_seed(0)) for s in ((300, 20), (4, 20, 40), (4, 40))]
    for dtype in (torch.float32, torch.bfloat16):
        identical_on_every_schedule(
            shim, lambda d=dtype: results(lambda x, w, b: ops.segment_matmul(x, ptr, w, b), given, d)
        )

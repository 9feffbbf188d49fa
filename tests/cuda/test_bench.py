"""The benchmark over floors: its table runs on the emulated kernels, its report fits the schema."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch
from edges import graph

from gnnctl.bench import rmat
from gnnctl.bench.cuda_kernels import DTYPES, Cost, CudaOptions, CudaResult, CudaRow, cases
from gnnctl.bench.cuda_report import cuda_report
from gnnctl.bench.machine import machine_facts
from gnnctl.bench.timing import Timing
from gnnctl.errors import UsageError

SCHEMA = Path(__file__).parents[2] / "schemas" / "report.json"


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_kernel_of_the_table_runs(where, dtype):
    edges = graph("random", where)
    table = cases(edges, DTYPES[dtype], CudaOptions(width=16, heads=4))
    for name, (cost, run) in table.items():
        assert cost.bytes > 0, name
        assert (cost.operations > 0) == name.startswith("matrices")
        found = run()
        values = found[0] if isinstance(found, tuple) else found
        assert values.isfinite().all(), name


def test_the_floor_is_the_longer_of_bytes_and_operations():
    assert Cost(100, 0).seconds(50.0, 10.0) == 2
    assert Cost(100, 1000).seconds(50.0, 10.0) == 100


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(UsageError, match="--heads 3"):
        cases(graph("random", torch.device("cpu")), torch.float32, CudaOptions(width=16, heads=3))


def test_the_report_fits_its_schema():
    timing = Timing((1.0, 2.0, 3.0))
    row = CudaRow("spmm sum", "float32", timing, Cost(10, 0), 0.5, 4.0)
    facts = machine_facts() | {"gpu": "a GPU"}
    result = CudaResult(facts, timing, dict.fromkeys(DTYPES, timing), [row])
    report = cuda_report(rmat(6), "a graph", CudaOptions(), result)
    jsonschema.validate(report.document, json.loads(SCHEMA.read_text()))
    assert report.rows == [["spmm sum", "float32", 2.0, 0.5, 4.0, "25.0%"]]

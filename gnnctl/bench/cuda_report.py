"""The report of `gnnctl bench kernels --device cuda`."""

from typing import TYPE_CHECKING, Any

from gnnctl.bench.cuda_kernels import CudaOptions, CudaResult
from gnnctl.bench.report import COLORS, Report, grouped_bars, machine_notes, style
from gnnctl.graph.graph import Graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cuda_report(graph: Graph, graph_name: str, options: CudaOptions, result: CudaResult) -> Report:
    """Table, plot and document of one run."""
    title = f"CUDA kernels on {result.machine['gpu']}, {options.width} features, {options.heads} heads: {graph_name}"
    document: dict[str, Any] = {
        "benchmark": "kernels",
        "device": "cuda",
        "machine": result.machine,
        "limits": {
            "copy_bytes_per_second": result.bandwidth.to_json(),
            "product_operations_per_second": {dtype: rate.to_json() for dtype, rate in result.rates.items()},
        },
        "graph": {"name": graph_name, "fingerprint": graph.fingerprint, **graph.summary()},
        "width": options.width,
        "heads": options.heads,
        "results": [row.to_json() for row in result.rows],
        "notes": [],
    }
    rows: list[list[object]] = [
        [
            row.kernel,
            row.dtype,
            round(row.milliseconds.median, 4),
            round(row.floor_milliseconds, 4),
            round(row.over_floor, 2),
            f"{row.milliseconds.spread:.1%}",
        ]
        for row in result.rows
    ]
    rates = ", ".join(f"{dtype} {rate.median / 1e12:.0f}" for dtype, rate in result.rates.items())
    notes = [
        f"floor: bytes over the copy bandwidth of {result.bandwidth.median / 1e9:.0f} GB/s, or operations over the "
        f"rate of dense products (10^12/s: {rates}), whichever is longer; as if no row were found in a cache",
        f"medians of {options.repeats} interleaved measurements; spread: half the distance between the quartiles",
        *machine_notes(result.machine),
    ]
    header = ["kernel", "dtype", "ms", "floor", "x floor", "spread"]
    return Report(title, document, header, rows, lambda figure: _draw(figure, title, result), notes)


def _draw(figure: "Figure", title: str, result: CudaResult) -> None:
    figure.set_size_inches(12, 5.5)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, color="#5b6770")
    axes = figure.subplots()
    kernels = list(dict.fromkeys(row.kernel for row in result.rows))
    series = []
    for dtype, color in zip(result.rates, COLORS, strict=False):
        found = {row.kernel: row.over_floor for row in result.rows if row.dtype == dtype}
        series.append((dtype, [found.get(kernel) for kernel in kernels], None, color))
    grouped_bars(axes, kernels, series, lambda v: f"{v:.1f}")
    axes.axhline(1, color="#5b6770", linewidth=1)
    axes.tick_params(axis="x", rotation=40)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    style(axes, "Measured time over the floor", "times the floor")
    figure.legend(frameon=False, loc="outside lower center", fontsize=9, ncols=4)

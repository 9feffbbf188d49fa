"""The report of `gnnctl bench kernels`."""

from typing import TYPE_CHECKING, Any

from gnnctl.bench.kernels import OURS, KernelOptions, KernelResult
from gnnctl.bench.report import COLORS, Report, grouped_bars, machine_notes, style
from gnnctl.graph.graph import Graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def kernels_report(graph: Graph, graph_name: str, options: KernelOptions, result: KernelResult) -> Report:
    """Table, plot and document of one run."""
    title = f"Kernels, {options.width} features, {options.heads} heads: {graph_name}"
    document: dict[str, Any] = {
        "benchmark": "kernels",
        "machine": result.machine,
        "limits": {
            "copy_bytes_per_second": {str(t): rate.to_json() for t, rate in result.limits.items()},
            "product_operations_per_second": {
                str(t): {"library": name, "rate": rate.to_json()} for t, (name, rate) in result.products.items()
            },
        },
        "graph": {"name": graph_name, "fingerprint": graph.fingerprint, **graph.summary()},
        "width": options.width,
        "heads": options.heads,
        "results": [row.to_json() for row in result.rows],
        "notes": result.notes,
    }
    ours = {(row.kernel, row.threads): row.milliseconds.median for row in result.rows if row.side == OURS}
    rows: list[list[object]] = [
        [
            row.kernel,
            row.threads,
            row.side,
            round(row.milliseconds.median, 3),
            round(row.milliseconds.median / ours[row.kernel, row.threads], 2),
            f"{row.stream_share:.0%}",
            "" if row.product_share is None else f"{row.product_share:.0%}",
            f"{row.milliseconds.spread:.1%}",
        ]
        for row in result.rows
    ]
    rates = ", ".join(f"{t}: {rate.median / 1e9:.1f}" for t, rate in result.limits.items())
    notes = [
        f"stream: the share of the machine's stream bandwidth that the kernel's bytes reach; GB/s read and written, by "
        f"threads: {rates}; bytes: a row for each edge, indices, output, as if nothing were cached",
        *_product_notes(result),
        f"medians of {options.repeats} interleaved measurements; spread: half the distance between the quartiles",
        *result.notes,
        *machine_notes(result.machine),
    ]
    header = ["kernel", "threads", "side", "ms", "x ours", "stream", "product", "spread"]
    return Report(title, document, header, rows, lambda figure: _draw(figure, title, result), notes)


def _product_notes(result: KernelResult) -> list[str]:
    if not result.products:
        return []
    rates = ", ".join(f"{t}: {rate.median / 1e9:.0f} ({name})" for t, (name, rate) in result.products.items())
    return [f"product: the share of the rate of the machine's fastest dense product; GFLOP/s by threads: {rates}"]


def _draw(figure: "Figure", title: str, result: KernelResult) -> None:
    figure.set_size_inches(12, 5.5)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, color="#5b6770")
    axes = figure.subplots()
    threads = max(row.threads for row in result.rows)
    kernels = list(dict.fromkeys(row.kernel for row in result.rows))
    sides = list(dict.fromkeys(row.side for row in result.rows))
    series = []
    for side, color in zip(sides, [*COLORS, "#8fc1d0"], strict=False):
        found = {
            row.kernel: row.milliseconds.median for row in result.rows if (row.side, row.threads) == (side, threads)
        }
        series.append((side, [found.get(kernel) for kernel in kernels], None, color))
    grouped_bars(axes, kernels, series, lambda v: f"{v:.1f}")
    axes.set_yscale("log")
    axes.tick_params(axis="x", rotation=40)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    style(axes, f"Milliseconds on {threads} thread{'s' if threads > 1 else ''}", "milliseconds, logarithmic")
    figure.legend(frameon=False, loc="outside lower center", fontsize=9, ncols=4)

"""The report of `gnnctl bench sampling`."""

from typing import TYPE_CHECKING, Any

from gnnctl.bench.report import COLORS, Report, grouped_bars, machine_notes, style
from gnnctl.bench.sampling import SamplingOptions, SamplingResult
from gnnctl.graph.graph import Graph
from gnnctl.sampling.spec import SampleSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sampling_report(
    graph: Graph, graph_name: str, spec: SampleSpec, options: SamplingOptions, result: SamplingResult
) -> Report:
    """Table, plot and document of one run."""
    gather, copy = result.limits["gather"], result.limits["copy"]
    title = f"Sampling neighbours ({spec.describe()}) around {options.batch_size:,} seeds a batch: {graph_name}"
    document: dict[str, Any] = {
        "benchmark": "sampling",
        "machine": result.machine,
        "limits": {
            "gathers_per_second": gather.to_json(),
            "gathers_per_second_large_pages": result.limits["gather_large"].to_json(),
            "copy_bytes_per_second": copy.to_json(),
        },
        "graph": {"name": graph_name, "fingerprint": graph.fingerprint, **graph.summary()},
        "node_type": result.node_type,
        "spec": spec.to_json(),
        "batch_size": options.batch_size,
        "num_batches": options.num_batches,
        "results": [row.to_json() for row in result.rows],
        "notes": result.notes,
    }
    rows: list[list[object]] = [
        [
            row.side,
            row.threads,
            round(row.seeds_per_second / 1e3, 1),
            round(row.edges_per_second / 1e6, 2),
            round(row.edges_per_gather, 3),
            f"{row.seconds.spread:.1%}",
        ]
        for row in result.rows
    ]
    notes = [
        f"gather: {gather.median / 1e6:.0f} M random reads/s of an int64 array of {options.gather_entries / 1e6:.1f}M "
        f"in pages of 4 KiB ({result.limits['gather_large'].median / 1e6:.0f} in pages of 2 MiB) "
        f"entries on one thread, measured in the same run; copy: {copy.median / 1e9:.1f} GB/s read and written",
        f"medians of {options.repeats} measurements of {options.num_batches} batches; "
        "spread: half the distance between the quartiles",
        *result.notes,
        *machine_notes(result.machine),
    ]
    header = ["side", "threads", "k seeds/s", "M edges/s", "edges/gather", "spread"]
    return Report(title, document, header, rows, lambda figure: _draw(figure, title, result), notes)


def _draw(figure: "Figure", title: str, result: SamplingResult) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, color="#5b6770")
    left, right = figure.subplots(1, 2)
    sides = list(dict.fromkeys(row.side for row in result.rows))
    threads = list(dict.fromkeys(row.threads for row in result.rows))
    names = [f"{t} thread{'s' if t > 1 else ''}" for t in threads]
    for axes, what, unit, factor in ((left, "edges", "million edges per second", 1e6), (right, "seeds", "k/s", 1e3)):
        series = []
        for side, color in zip(sides, COLORS, strict=False):
            found = {row.threads: row for row in result.rows if row.side == side}
            counts = {t: getattr(row, what) / factor for t, row in found.items()}
            heights = [counts[t] / found[t].seconds.median for t in threads]
            errors = [
                (
                    counts[t] / found[t].seconds.median - counts[t] / max(found[t].seconds.values),
                    counts[t] / min(found[t].seconds.values) - counts[t] / found[t].seconds.median,
                )
                for t in threads
            ]
            series.append((side, heights, errors, color))
        grouped_bars(axes, names, series, lambda v: f"{v:,.1f}")
        style(axes, f"Sampled {what} per second", unit if what == "edges" else "thousand seeds per second")
    if len(sides) > 1:
        left.legend(frameon=False, loc="upper left")

"""The report of `gnnctl bench compile`."""

from typing import TYPE_CHECKING, Any

from gnnctl.bench.compile import QUANTITIES, CompileOptions, CompileResult, CompileRow
from gnnctl.bench.report import COLORS, Report, grouped_bars, machine_notes, style
from gnnctl.graph.graph import Graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"gcn": "GCN", "sage": "GraphSAGE", "gin": "GIN", "gat": "GAT", "mlp": "MLP"}


def compile_report(
    graph: Graph, graph_name: str, node_type: str, options: CompileOptions, result: CompileResult
) -> Report:
    """Table, plot and document of one run."""
    title = f"Training step in ms, {options.layers} layers, {options.hidden} wide: {graph_name}"
    document: dict[str, Any] = {
        "benchmark": "compile",
        "machine": result.machine,
        "graph": {"name": graph_name, "fingerprint": graph.fingerprint, **graph.summary()},
        "node_type": node_type,
        "hidden": options.hidden,
        "layers": options.layers,
        "device": options.device,
        "results": [row.to_json() for row in result.rows],
        "notes": result.notes,
    }
    header = ["model", "side", *(f"{mode} {q}" for mode in ("eager", "compiled") for q in ("fwd", "bwd", "total"))]
    header += ["speed-up", "spread", "first call s"]
    notes = [
        f"device {options.device}, {result.machine['torch_threads']} threads; forward, backward and both in "
        f"milliseconds, medians of {options.repeats} interleaved steps after 2 for warm-up",
        "speed-up: eager total over compiled total; spread: half the distance between the quartiles of the eager total",
        *result.notes,
        *machine_notes(result.machine),
    ]
    return Report(
        title, document, header, [_cells(row) for row in result.rows], lambda f: _draw(f, title, result), notes
    )


def _cells(row: CompileRow) -> list[object]:
    cells: list[object] = [NAMES.get(row.model, row.model), row.side]
    for timings in (row.eager, row.compiled):
        cells += [None if timings is None else round(timings[q].median, 2) for q in QUANTITIES]
    speedup = None if row.speedup is None else round(row.speedup, 2)
    first = None if row.first_call is None else round(row.first_call, 1)
    return [*cells, speedup, f"{row.eager['total'].spread:.1%}", first]


def _draw(figure: "Figure", title: str, result: CompileResult) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, color="#5b6770")
    models = list(dict.fromkeys(row.model for row in result.rows))
    sides = list(dict.fromkeys(row.side for row in result.rows))
    axes = figure.subplots()
    series = []
    shades = [(side, mode) for side in sides for mode in ("eager", "compiled")]
    palette = dict(zip(shades, ("#8fc1d0", COLORS[0], "#f0cf9c", "#c47f1f", "#c9b4da", COLORS[2]), strict=False))
    for side, mode in shades:
        found = {row.model: row for row in result.rows if row.side == side}
        timings = {m: found[m].eager if mode == "eager" else found[m].compiled for m in models if m in found}
        if not any(timings.values()):
            continue
        heights: list[float | None] = []
        errors = []
        for m in models:
            t = timings.get(m)
            heights.append(None if t is None else t["total"].median)
            total = None if t is None else t["total"]
            errors.append((total.median - min(total.values), max(total.values) - total.median) if total else (0.0, 0.0))
        series.append((f"{side}, {mode}", heights, errors, palette.get((side, mode), COLORS[-1])))
    grouped_bars(axes, [NAMES.get(m, m) for m in models], series, lambda v: f"{v:,.1f}" if v < 100 else f"{v:,.0f}")
    style(axes, "Forward and backward of one training step", "milliseconds (bars: least to most)")
    figure.legend(frameon=False, loc="outside lower center", fontsize=9, ncols=3)

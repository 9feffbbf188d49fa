"""The report of `gnnctl bench compile`."""

import itertools
from typing import TYPE_CHECKING, Any

from gnnctl.bench.compile import QUANTITIES, CompileOptions, CompileResult, CompileRow
from gnnctl.bench.report import COLORS, Report, grouped_bars, machine_notes, style
from gnnctl.graph.graph import Graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"sage": "GraphSAGE"}
PALETTE = ("#8fc1d0", COLORS[0], "#9fcfa8", "#3f7f55", "#f0cf9c", "#c47f1f", "#c9b4da", COLORS[2])
TITLES = {
    "full": "Forward and backward of one training step over the whole graph",
    "sampled": "Forward and backward of one training step over a sampled batch",
    "inference": "Forward pass over the whole graph",
}


def compile_report(
    graph: Graph, graph_name: str, node_type: str, options: CompileOptions, result: CompileResult
) -> Report:
    """Table, plot and document of one run."""
    title = f"Steps in ms, {options.layers} layers, {options.hidden} wide: {graph_name}"
    document: dict[str, Any] = {
        "benchmark": "compile",
        "machine": result.machine,
        "graph": {"name": graph_name, "fingerprint": graph.fingerprint, **graph.summary()},
        "node_type": node_type,
        "hidden": options.hidden,
        "layers": options.layers,
        "device": options.device,
        "fan_out": options.fan_out,
        "batch_size": options.batch_size,
        "results": [row.to_json() for row in result.rows],
        "notes": result.notes,
    }
    header = [
        "model",
        "work",
        "side",
        *(f"{mode} {q}" for mode in ("eager", "compiled") for q in ("fwd", "bwd", "total")),
    ]
    header += ["speed-up", "spread", "first call s", "breaks", "recompiled", "MiB eager", "MiB compiled"]
    notes = [
        f"device {options.device}, {result.machine['torch_threads']} threads; forward, backward and both in "
        f"milliseconds, medians of {options.repeats} interleaved steps after 2 for warm-up",
        "speed-up: eager total over compiled total; spread: half the distance between the quartiles of the eager total",
        "full: a training step over the whole graph; sampled: over batches of "
        f"{options.batch_size:,} seeds with fan-outs of {options.fan_out}; inference: a forward pass over the graph",
        "breaks: of the first compilation; recompiled: graphs after it; MiB: growth at the peak of a step",
        *result.notes,
        *machine_notes(result.machine),
    ]
    return Report(
        title, document, header, [_cells(row) for row in result.rows], lambda f: _draw(f, title, result), notes
    )


def _cells(row: CompileRow) -> list[object]:
    cells: list[object] = [_name(row.model), row.work, row.side]
    for timings in (row.eager, row.compiled):
        cells += [None if timings is None or q not in timings else round(timings[q].median, 2) for q in QUANTITIES]
    speedup = None if row.speedup is None else round(row.speedup, 2)
    first = None if row.first_call is None else round(row.first_call, 1)
    memory = [None if m is None else round(m / 2**20, 1) for m in (row.memory["eager"], row.memory["compiled"])]
    spread = f"{row.eager['total'].spread:.1%}"
    return [*cells, speedup, spread, first, row.breaks, row.recompiled, *memory]


def _name(model: str) -> str:
    return NAMES.get(model, model.upper() if len(model) <= 5 else model)


def _draw(figure: "Figure", title: str, result: CompileResult) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, color="#5b6770")
    works = list(dict.fromkeys(row.work for row in result.rows))
    for axes, work in zip(figure.subplots(len(works), 1, squeeze=False)[:, 0], works, strict=True):
        _draw_work(axes, work, [row for row in result.rows if row.work == work])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", fontsize=9, ncols=3)


def _draw_work(axes: "Axes", work: str, rows: list[CompileRow]) -> None:
    models = list(dict.fromkeys(row.model for row in rows))
    sides = list(dict.fromkeys(row.side for row in rows))
    series = []
    shades = [(side, mode) for side in sides for mode in ("eager", "compiled")]
    for (side, mode), color in zip(shades, itertools.cycle(PALETTE), strict=False):
        found = {row.model: row for row in rows if row.side == side}
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
        series.append((f"{side}, {mode}", heights, errors, color))
    grouped_bars(axes, [_name(m) for m in models], series, lambda v: f"{v:,.1f}" if v < 100 else f"{v:,.0f}")
    style(axes, TITLES[work], "milliseconds (bars: least to most)")

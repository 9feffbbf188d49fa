"""Charts as SVG that takes the page's colours: lines over a scale, and squares of a matrix."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 24, 34
MOST_SAID = 8  # names up to which a matrix has its shares as numbers
COLORS = ("var(--bar)", "var(--against)", "#7a6fb0", "#8a6d3b")


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    y: str = "",
    mark: float | None = None,
    diagonal: bool = False,
    span: tuple[float, float] | None = None,
    ends: tuple[str, str] | None = None,
) -> str:
    """Lines through points, ascending in x.

    Args:
        series: points by name; names stand in a legend where there are several.
        x, y: what the axes are.
        mark: a vertical line there.
        diagonal: the line of equal x and y, dashed.
        span: of the y axis; None fits the points.
        ends: what the x axis begins and ends with; None shows the numbers.
    """
    points = [point for line in series.values() for point in line]
    if not points:
        return "<p>Nothing to draw.</p>"
    left, right = (min(p[0] for p in points), max(p[0] for p in points))
    if diagonal:
        left, right = 0.0, 1.0
    low, high = span or (min(p[1] for p in points), max(p[1] for p in points))
    low, high, steps = _scale(low, high)
    width = right - left or 1.0

    def at(px: float, py: float) -> str:
        across = LEFT + (px - left) / width * (WIDTH - LEFT - RIGHT)
        return f"{across:.1f},{HEIGHT - BOTTOM - (py - low) / (high - low) * (HEIGHT - TOP - BOTTOM):.1f}"

    parts = [_grid(low, high, steps)]
    if diagonal:
        first, last = at(0, 0), at(1, 1)
        parts.append(f'<polyline points="{first} {last}" fill="none" stroke="var(--soft)" stroke-dasharray="4 4"/>')
    if mark is not None:
        above, below = at(mark, high), at(mark, low)
        parts.append(f'<polyline points="{above} {below}" fill="none" stroke="var(--soft)" stroke-dasharray="2 4"/>')
    for (name, line), color in zip(series.items(), COLORS, strict=False):
        path = " ".join(at(*point) for point in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        if len(line) <= 30:
            for point in line:
                cx, _, cy = at(*point).partition(",")
                title = f"<title>{escape(name)}: {point[1]:.4g} at {point[0]:.4g}</title>"
                parts.append(f'<circle cx="{cx}" cy="{cy}" r="3" fill="{color}">{title}</circle>')
    said = ends or (_number(left), _number(right))
    for value, text, anchor in ((left, said[0], "start"), (right, said[1], "end")):
        cx = at(value, low).partition(",")[0]
        parts.append(_text(cx, HEIGHT - BOTTOM + 16, text, anchor))
    parts.append(_text(str(LEFT + (WIDTH - LEFT - RIGHT) / 2), HEIGHT - 4, x, "middle"))
    if y:
        parts.append(_text(str(LEFT), TOP - 10, y, "start"))
    legend = _legend(list(series)) if len(series) > 1 else ""
    label = escape(f"{', '.join(series)} by {x}")
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" width="100%">'
    return f"{head}{''.join(parts)}</svg>{legend}"


def matrix_chart(counts: np.ndarray, names: Sequence[str], *, rows: str, columns: str) -> str:
    """(K, K) counts as squares, darker where a row has more of itself.

    Args:
        counts: rows are one reading of the K names, columns another.
        rows, columns: what each reading is.
    """
    size = len(names)
    said = size <= MOST_SAID
    cell = min(56.0 if said else 30.0, 440.0 / max(size, 1))
    margin = 34 + 6.5 * max((len(_short(name)) for name in names), default=0)
    total = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(total, 1)
    parts = []
    for i in range(size):
        for j in range(size):
            if counts[i, j]:
                title = escape(f"{rows} {names[i]}, {columns} {names[j]}: {int(counts[i, j]):,} ({shares[i, j]:.0%})")
                color = "var(--bar)" if i == j else "var(--against)"
                parts.append(
                    f'<rect x="{margin + j * cell:.1f}" y="{margin + i * cell:.1f}" width="{cell - 1:.1f}" '
                    f'height="{cell - 1:.1f}" fill="{color}" fill-opacity="{0.08 + 0.92 * shares[i, j]:.2f}">'
                    f"<title>{title}</title></rect>"
                )
                if said:
                    at = f"{margin + (j + 0.5) * cell - 0.5:.1f}", margin + (i + 0.5) * cell + 3.5
                    ink = "var(--card)" if shares[i, j] > 0.5 else "var(--ink)"
                    parts.append(_text(*at, f"{shares[i, j]:.0%}", "middle", ink))
        middle = margin + (i + 0.5) * cell + 3.5
        parts.append(_text(f"{margin - 6:.1f}", middle, _short(names[i]), "end"))
        parts.append(
            f'<text transform="translate({middle:.1f} {margin - 6:.1f}) rotate(-90)" font-size="11" '
            f'fill="var(--soft)">{escape(_short(names[i]))}</text>'
        )
    width = max(margin + size * cell + 4, 170.0)
    parts.append(_text("4", 14, f"{rows} ↓  {columns} →", "start"))
    label = escape(f"{rows} against {columns}")
    return (
        f'<svg viewBox="0 0 {width:.0f} {width:.0f}" role="img" aria-label="{label}" '
        f'style="max-width:{width * 1.2:.0f}px">{"".join(parts)}</svg>'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"


def _scale(low: float, high: float) -> tuple[float, float, int]:
    """Round limits around a span, and into how many steps they are divided."""
    if not high > low:
        pad = abs(low) * 0.1 or 0.5
        low, high = low - pad, high + pad
    raw = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, last - first


def _grid(low: float, high: float, steps: int) -> str:
    found = []
    for i in range(steps + 1):
        y = HEIGHT - BOTTOM - i / steps * (HEIGHT - TOP - BOTTOM)
        found.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
            + _text(str(LEFT - 6), y + 4, f"{low + i / steps * (high - low):.4g}", "end")
        )
    return "".join(found)


def _text(x: str, y: float, text: str, anchor: str, ink: str = "var(--soft)") -> str:
    return f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="{ink}">{escape(text)}</text>'


def _legend(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><i style="background:{color}"></i>{escape(name)}</li>' for name, color in zip(names, COLORS, strict=False)
    )
    return f'<ul class="legend">{items}</ul>'


def _short(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"

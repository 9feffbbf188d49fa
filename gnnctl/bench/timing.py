"""Timing: warm-up, sides interleaved, medians with their spread."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gnnctl.console import Progress, no_progress

LEAST_REPEATS = 7


@dataclass(frozen=True)
class Timing:
    """Repeated measurements of one quantity, in the unit they came in."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to report."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, relative to the median."""
        if len(self.values) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return (high - low) / 2 / self.median if self.median else 0.0

    def scaled(self, factor: float) -> "Timing":
        """The same measurements in another unit."""
        return Timing(tuple(v * factor for v in self.values))

    def to_json(self) -> dict[str, Any]:
        """Median, extremes, spread and every value."""
        return {
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "spread": self.spread,
            "repeats": len(self.values),
            "values": list(self.values),
        }


def interleave(
    sides: Mapping[str, Callable[[], Mapping[str, float]]],
    *,
    repeats: int = LEAST_REPEATS,
    warmup: int = 2,
    progress: Progress = no_progress,
    desc: str = "measure",
) -> dict[str, dict[str, Timing]]:
    """Measure several sides in turns, so that a drift of the machine meets all of them alike.

    Args:
        sides: name -> function that runs once and returns its measurements by name.
        repeats: kept rounds.
        warmup: rounds before them that are thrown away.

    Returns:
        Side -> measurement -> timing.
    """
    found: dict[str, dict[str, list[float]]] = {name: {} for name in sides}
    with progress(total=(warmup + repeats) * len(sides), desc=desc, unit="run") as bar:
        for round_ in range(warmup + repeats):
            for name, run in sides.items():
                for quantity, value in run().items():
                    if round_ >= warmup:
                        found[name].setdefault(quantity, []).append(value)
                bar.update(1)
    return {side: {q: Timing(tuple(v)) for q, v in quantities.items()} for side, quantities in found.items()}

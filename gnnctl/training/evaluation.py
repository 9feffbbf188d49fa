"""How good a trained model is."""

from dataclasses import dataclass, field
from typing import Any

from gnnctl.page import Card


@dataclass(frozen=True)
class Evaluation:
    """Metrics, and what the training report shows beside them.

    Attributes:
        metrics: by part, ``seeds``, metrics by name, and those of a ``baseline``; of metrics.json.
        cards: of the report.
        note: what a reader of the metrics should know of them.
        exact: whether every seed saw all that it may see; else the metrics are those of recorded neighbourhoods.
    """

    metrics: dict[str, Any]
    cards: list[Card] = field(default_factory=list)
    note: str = ""
    exact: bool = True

"""Where a model does well and where not: the headline metric by degree, and by what the seeds are."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from gnnctl.graph.graph import Graph
from gnnctl.page import Card, html_table
from gnnctl.page.charts import line_chart
from gnnctl.training.metrics import DEFAULT_CURVE, evaluate, metric_family, resolve_monitor
from gnnctl.training.tasks import Task

MOST_VALUES = 12  # of a column that slices are made by
LEAST_SEEDS = 5
PERIODS = 12
LEAST_MOMENT = 10**14  # from here on (March 1973 in microseconds) times are read as dates


def slice_cards(
    task: Task, graph: Graph, node_type: str, column: str, rows: np.ndarray, logits: np.ndarray, y: np.ndarray
) -> list[Card]:
    """Slices by degree (of graphs: by size), by each kept column of few values but the target's own, and over time.

    Args:
        rows: (n,) of the node type, or graphs. logits: (n, num_outputs). y: their labels.
    """
    columns = headline(task, torch.from_numpy(logits), torch.from_numpy(y))
    metric = next(iter(columns))
    if graph.graphs is not None and node_type not in graph.nodes:
        sizes, what = graph.graphs.sizes[rows], "nodes"
    else:
        sizes, what = in_degrees(graph, node_type)[rows], "in-edges"
    cards = [slice_table(f"{metric} by {what}", what, *by_powers(sizes), columns)]
    table = graph.store(node_type).columns
    if table is not None:
        others = [name for name in table.column_names if name not in column.split(",") and name != column]
        groups = {name: by_values(table[name].take(pa.array(rows))) for name in others}
        cards += [slice_table(f"{metric} by {n}", n, *found, columns) for n, found in groups.items() if found]
    time = graph.store(node_type).time
    if time is not None and (chart := over_time(metric, time[rows], columns[metric])) is not None:
        cards.append(chart)
    return cards


def headline(task: Task, logits: Tensor, y: Tensor) -> dict[str, Callable[[np.ndarray], float | None]]:
    """By name the metric that people plot and the one that chooses epochs, of seeds of given numbers."""

    def of(name: str) -> Callable[[np.ndarray], float | None]:
        return lambda chosen: evaluate(task, logits[chosen], y[chosen])[name]

    names = dict.fromkeys((DEFAULT_CURVE[metric_family(task)], resolve_monitor(task, None)))
    return {name: of(name) for name in names}


def over_time(metric: str, times: np.ndarray, value: Callable[[np.ndarray], float | None]) -> Card | None:
    """The metric over the seeds' times, in :data:`PERIODS` of as many seeds; None where there are too few times.

    Args:
        times: (n,) int64; the least int64 is no time.
        value: of the metric, over some of the seeds.
    """
    order = np.argsort(times, kind="stable")
    order = order[times[order] > np.iinfo(np.int64).min]
    if len(order) < PERIODS * LEAST_SEEDS or len(np.unique(times[order])) < PERIODS:
        return None
    periods = [(float(times[part].mean()), value(part)) for part in np.array_split(order, PERIODS)]
    known = [(when, found) for when, found in periods if found is not None]
    dates = len(known) and known[0][0] > LEAST_MOMENT
    ends = (_date(known[0][0]), _date(known[-1][0])) if dates else None
    note = f"{PERIODS} periods of as many seeds; times as the graph has them."
    return Card(f"{metric} over time", line_chart({metric: known}, x="time", ends=ends), note)


def _date(microseconds: float) -> str:
    return str(np.datetime64(int(microseconds), "us").astype("M8[D]"))


def in_degrees(graph: Graph, node_type: str) -> np.ndarray:
    """(N,) int64: edges of all types into each node."""
    found = np.zeros(graph.num_nodes(node_type), np.int64)
    for t, store in graph.edges.items():
        if t.dst == node_type:
            found += np.diff(store.colptr)
    return found


def by_powers(sizes: np.ndarray) -> tuple[list[str], list[np.ndarray]]:
    """Names and members of the slices 0, 1, 2 to 3, 4 to 7, ... that are not empty."""
    level = np.where(sizes > 0, np.floor(np.log2(np.maximum(sizes, 1))).astype(np.int64) + 1, 0)
    names, members = [], []
    for found in np.unique(level):
        low, high = (0, 0) if found == 0 else (2 ** (int(found) - 1), 2 ** int(found) - 1)
        names.append(f"{low:,}" if low == high else f"{low:,} to {high:,}")
        members.append(np.flatnonzero(level == found))
    return names, members


def by_values(values: "pa.ChunkedArray") -> tuple[list[str], list[np.ndarray]] | None:
    """Names and members by value, the most frequent first; None for a column of many values, of one, or of lists."""
    if pa.types.is_nested(values.type) or len(values) == 0:
        return None
    encoded = values.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
    found, counts = np.unique(codes, return_counts=True)
    if not 2 <= len(found) <= MOST_VALUES:
        return None
    names, members = [], []
    for code in found[np.argsort(-counts, kind="stable")]:
        names.append("none" if code < 0 else str(encoded.dictionary[int(code)].as_py()))
        members.append(np.flatnonzero(codes == code))
    return names, members


def slice_table(
    title: str,
    what: str,
    names: list[str],
    members: list[np.ndarray],
    columns: Mapping[str, Callable[[np.ndarray], float | None]],
    *,
    unit: str = "seeds",
    note: str = "",
    wide: bool = False,
) -> Card:
    """A row of values for each slice.

    Args:
        what: the slices are by.
        names, members: of the slices; numbers of the units in each.
        columns: by heading a value of the units of given numbers.
        unit: what is sliced. note: said below. wide: see :class:`gnnctl.page.Card`.
    """
    rows = [
        [name, len(chosen), *(value(chosen) if len(chosen) >= LEAST_SEEDS else None for value in columns.values())]
        for name, chosen in zip(names, members, strict=True)
    ]
    few = any(len(chosen) < LEAST_SEEDS for chosen in members)
    notes = [note, f"Slices of fewer than {LEAST_SEEDS} {unit} have no value." if few else ""]
    table = html_table([what, unit, *columns], rows)
    body = f'<div class="scroll">{table}</div>' if len(rows) > MOST_VALUES else table
    return Card(title, body, " ".join(filter(None, notes)), wide)

"""Rows that several processes compute together: who computes which, and how all come to have them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.partitioned import PartitionedGraph
from gnnctl.training.distributed import Processes
from gnnctl.training.store import READ_ROWS, RowStore

Stores = dict[str, RowStore]


def own_rows(graph: Graph, node_type: str, rows: np.ndarray, processes: Processes) -> list[np.ndarray]:
    """By process those of ``rows`` (ascending) that it computes: the nodes of its partition, else an equal stretch."""
    among = processes.share.among
    if among > 1 and isinstance(graph, PartitionedGraph):
        owner = graph.index.owner[node_type][rows]
        return [rows[owner == number] for number in range(among)]
    return [rows[start:end] for start, end in stretches(len(rows), processes)]


def stretches(size: int, processes: Processes) -> list[tuple[int, int]]:
    """First and last (exclusive) of ``size`` things, by process."""
    return [processes.share._replace(rank=number).bounds(size) for number in range(processes.share.among)]


def exchange(
    graph: Graph, needed: dict[str, np.ndarray], own: Stores, memory: int, processes: Processes, bar: Any
) -> Stores:
    """All ``needed`` rows of a layer, in every process, from those that each has computed.

    Args:
        own: by node type this process's; types that the model has no use for are absent.
        memory: as for :class:`RowStore`.
        bar: is told of the others' rows.
    """
    if processes.share.among == 1:
        return own
    widths: dict[str, int] = {}
    for told in processes.tell({name: store.values.shape[1] for name, store in own.items()}):
        widths |= told
    found: Stores = {}
    for name, rows in needed.items():
        if name not in widths:
            continue
        found[name] = RowStore(rows, graph.num_nodes(name), widths[name], memory)
        for number, theirs in enumerate(own_rows(graph, name, rows, processes)):
            mine = number == processes.share.rank
            for start in range(0, len(theirs), READ_ROWS):
                part = theirs[start : start + READ_ROWS]
                values = own[name].read(part) if mine else None
                found[name].put(part, processes.hand_round(values, len(part), widths[name], number))
                bar.update(0 if mine else len(part))
    return found


def joined(own: np.ndarray, out: np.ndarray, processes: Processes) -> np.ndarray:
    """``out`` (n, width) filled with the stretches of all processes, of which ``own`` is this one's."""
    for number, start, end in _pieces(len(out), processes):
        first = stretches(len(out), processes)[number][0]
        mine = own[start - first : end - first] if number == processes.share.rank else None
        out[start:end] = processes.hand_round(mine, end - start, out.shape[1], number)
    return out


def _pieces(size: int, processes: Processes) -> Iterator[tuple[int, int, int]]:
    for number, (first, last) in enumerate(stretches(size, processes)):
        for start in range(first, last, READ_ROWS):
            yield number, start, min(start + READ_ROWS, last)

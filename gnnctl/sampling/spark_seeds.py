"""What joins on Spark begin with, written by the driver: the nodes of hop 0, and what the records are of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.graph.types import EdgeType
from gnnctl.sampling.link_batch import Ends
from gnnctl.sampling.link_produce import LinkProducer
from gnnctl.sampling.plan import Task
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.trees import Trees
from gnnctl.splits import PARTS

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

SEED = -1  # the edge type of a seed's own row

Tables = Callable[[Task], tuple["pa.Table", "pa.Table"]]


@dataclass(frozen=True)
class SeedTables:
    """Two tables over all records of a run.

    Attributes:
        nodes: (sample_id, view, epoch, own, node_type, node) of the nodes of hop 0. ``view`` is the number of the view
            that the record is sampled from; ``own`` the word of its tree, where sampling is disjoint. Trees of links
            have also ``hidden``, a list of (edge_type, offset): in-edges that the node does not see.
        seeds: (sample_id, edge_type, dst, pick, pos, src), ``edge_type`` being -1. Of a seed, its row as ``dst``.
            Around links one of each link, the positive one first, and ``pick`` its place; with (relation, time,
            labels), which are null where there are none.
    """

    nodes: "DataFrame"
    seeds: "DataFrame"

    @classmethod
    def write(cls, spark: "SparkSession", producer: Producer, first: int, last: int, folder: Path) -> "SeedTables":
        """Those of records ``first`` to ``last - 1`` of single seeds or links, written below ``folder``."""
        import pyarrow.parquet as pq

        tables = _of_links(producer) if isinstance(producer, LinkProducer) else _of_nodes(producer)
        paths = [folder / "hop-0.parquet", folder / "seeds.parquet"]
        writers: list[Any] = []
        for task in producer.tasks(first, last):
            made = tables(task)
            writers = writers or [pq.ParquetWriter(p, t.schema) for p, t in zip(paths, made, strict=True)]
            for writer, table in zip(writers, made, strict=True):
                writer.write_table(table)
        for writer in writers:
            writer.close()
        return cls(*(spark.read.parquet(path.as_uri()) for path in paths))


def views_of(producer: Producer, first: int, last: int) -> list[int]:
    """Numbers of the views that records ``first`` to ``last - 1`` are sampled from."""
    parts = [s.part for s in producer.plan.segments() if s.first < last and first < s.first + s.records]
    return sorted({_view(producer, part) for part in parts})


def _view(producer: Producer, part: str) -> int:
    return PARTS.index(part) if isinstance(producer, LinkProducer) else 0


def _of_nodes(producer: Producer) -> Tables:
    kind = producer.layout.node_types.index(producer.node_type)

    def tables(task: Task) -> "tuple[pa.Table, pa.Table]":
        import pyarrow as pa

        rows = np.concatenate(task.seeds)
        ids = task.first + np.arange(len(rows))
        nodes = _nodes(ids, _view(producer, task.part), task.epoch, rows, kind, rows)
        return pa.table(nodes), pa.table(_seeds(ids, np.zeros(len(rows), np.int32), rows, np.full(len(rows), -1)))

    return tables


def _of_links(producer: LinkProducer) -> Tables:
    node_types, edge_types = producer.layout.node_types, producer.layout.edge_types

    def tables(task: Task) -> "tuple[pa.Table, pa.Table]":
        import pyarrow as pa

        sampler = producer.sampler(task.part)
        links = sampler.links_of(np.concatenate(task.seeds), task.epoch)
        ends = links.ends(links.group)
        trees = sampler.trees(links, ends) if sampler.disjoint else None
        nodes = []
        for name, rows in ends.rows.items():
            group = ends.group[name]
            own = np.zeros(len(rows), np.int64) if trees is None else trees.words[group].view(np.int64)
            view = _view(producer, task.part)
            columns = _nodes(task.first + group, view, task.epoch, own, node_types.index(name), rows)
            if trees is not None:
                columns["hidden"] = _hidden(trees, ends, name, edge_types)
            nodes.append(pa.table(columns))
        first = np.searchsorted(links.group, links.group)
        seeds = _seeds(task.first + links.group, (np.arange(len(first)) - first).astype(np.int32), links.dst, links.src)
        seeds["relation"] = links.relation[links.group]
        none = pa.nulls(len(first), pa.int64())
        seeds["time"] = none if links.times is None else pa.array(links.times[links.group])
        labels = producer.labels_of(task)
        kind = pa.list_(pa.float64())
        values = None if labels is None else labels.reshape(len(labels), -1).astype(np.float64)[links.group]
        seeds["labels"] = pa.nulls(len(first), kind) if values is None else pa.array(list(values), kind)
        return pa.concat_tables(nodes), pa.table(seeds)

    return tables


def _nodes(
    ids: np.ndarray, view: int, epoch: int, own: np.ndarray, node_type: int, nodes: np.ndarray
) -> "dict[str, np.ndarray | pa.Array]":
    return {
        "sample_id": ids,
        "view": np.full(len(ids), view, np.int32),
        "epoch": np.full(len(ids), epoch, np.int32),
        "own": own,
        "node_type": np.full(len(ids), node_type, np.int32),
        "node": nodes,
    }


def _seeds(ids: np.ndarray, place: np.ndarray, dst: np.ndarray, src: np.ndarray) -> "dict[str, np.ndarray | pa.Array]":
    return {
        "sample_id": ids,
        "edge_type": np.full(len(ids), SEED, np.int32),
        "dst": dst,
        "pick": place,
        "pos": np.full(len(ids), -1),
        "src": src,
    }


def _hidden(trees: Trees, ends: Ends, node_type: str, edge_types: Sequence[EdgeType]) -> "pa.Array":
    """(edge_type, offset) of the in-edges that each end of a type does not see, one list for each of them."""
    import pyarrow as pa

    owners, kinds, offsets = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for t, hidden in trees.hidden.items():
        if t.dst == node_type:
            counts = np.diff(hidden.ptr)
            owners.append(np.repeat(np.arange(len(counts)), counts))
            kinds.append(np.full(len(hidden.offset), edge_types.index(t), np.int32))
            offsets.append(hidden.offset)
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    found = [pa.array(np.concatenate(of)[order]) for of in (kinds, offsets)]
    ptr = np.zeros(len(ends.rows[node_type]) + 1, np.int32)
    np.cumsum(np.bincount(owner, minlength=len(ptr) - 1), out=ptr[1:])
    return pa.ListArray.from_arrays(pa.array(ptr), pa.StructArray.from_arrays(found, ["edge_type", "offset"]))

"""Records of sampled subgraphs as Arrow: one schema, whatever the types of the graph."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.errors import ArtifactError
from gnnctl.graph.build import ALWAYS
from gnnctl.graph.graph import Graph
from gnnctl.sampling.columns import Layout, RecordColumns, no_positions, ranges
from gnnctl.sampling.link_columns import ROLES, LinkColumns
from gnnctl.sampling.packs import Pack

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Block:
    """Some consecutive records of one part and epoch.

    Attributes:
        columns: their structure.
        first: sample_id of the first; the others follow.
        part: train, val or test.
        epoch: 0 for val and test.
        labels: of all seeds, or links, (S,) int64 or float32, or (S, C) float32; None where there are none.
        packs: what lies beside the files that they are from; nothing where features are not packed.
    """

    columns: RecordColumns
    first: int
    part: str
    epoch: int
    labels: np.ndarray | None
    packs: tuple[Pack, ...] = ()

    def __len__(self) -> int:
        return len(self.columns)

    def rows(self, start: int, end: int) -> "Block":
        """Records ``start`` to ``end - 1``."""
        c = self.columns
        held = slice(int(c.label_counts[:start].sum()), int(c.label_counts[:end].sum()))
        labels = None if self.labels is None else self.labels[held]
        return Block(c.records(start, end), self.first + start, self.part, self.epoch, labels, self.packs)

    def taken(self, order: np.ndarray) -> "Block":
        """The records (r,) in another order; they are consecutive no longer, so that ``first`` says nothing."""
        c, labels = self.columns, self.labels
        if labels is not None:
            starts = np.cumsum(c.label_counts) - c.label_counts
            labels = labels[ranges(starts[order], c.label_counts[order])]
        return Block(c.taken(order), self.first, self.part, self.epoch, labels, self.packs)

    @classmethod
    def joined(cls, blocks: "list[Block]") -> "Block":
        """Consecutive blocks as one."""
        if len(blocks) == 1:
            return blocks[0]
        first = blocks[0]
        labels = None if first.labels is None else np.concatenate([b.labels for b in blocks if b.labels is not None])
        columns = RecordColumns.joined([b.columns for b in blocks])
        packs = tuple(dict.fromkeys(pack for block in blocks for pack in block.packs))
        return cls(columns, first.first, first.part, first.epoch, labels, packs)

    def labels_of(self, record: int) -> np.ndarray | None:
        """Labels of one record's seeds, or links."""
        if self.labels is None:
            return None
        counts = self.columns.label_counts
        start = int(counts[:record].sum())
        return self.labels[start : start + int(counts[record])]


OPTIONAL = ("labels", "node_group")  # columns that may be null


@cache
def record_schema(weighted: bool = False, links: bool = False) -> "pa.Schema":
    """The columns of every record, with edge_weight and relation where asked for; schemas/README.md says what each
    holds.

    What is never null is declared so: a reader of Parquet then has no nulls to look for among the edges, which takes a
    sixth of its time.
    """
    import pyarrow as pa

    seed = {"type": pa.string(), "node": pa.int64(), "role": pa.string(), "group": pa.int32()}
    columns = {
        "sample_id": pa.int64(),
        "split": pa.string(),
        "epoch": pa.int32(),
        "seeds": _list_of(pa.struct([*(pa.field(n, t, False) for n, t in seed.items()), ("time", pa.int64())])),
        "labels": _list_of(_list_of(pa.float64())),
        "nodes": _list_of(pa.int64()),
        "node_counts": _list_of(pa.int64()),
        "node_group": _list_of(pa.int32()),
        "edge_row": _list_of(pa.int32()),
        "edge_col": _list_of(pa.int32()),
        "edge_counts": _list_of(pa.int64()),
        "edge_pos": _list_of(pa.int64()),
        **({"edge_weight": _list_of(pa.float32())} if weighted else {}),
        **({"relation": _list_of(pa.int32())} if links else {}),
    }
    return pa.schema([pa.field(name, kind, name in OPTIONAL) for name, kind in columns.items()])


def _list_of(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    return pa.list_(pa.field("element", kind, nullable=False))


def label_kind(labels: np.ndarray | None) -> str | None:
    """How labels are read back: ``int64``, ``float32``, or ``float32[C]`` for C numbers a seed."""
    if labels is None:
        return None
    if labels.ndim == 2:
        return f"float32[{labels.shape[1]}]"
    return "float32" if labels.dtype.kind == "f" else "int64"


def to_arrow(block: Block) -> "pa.RecordBatch":
    """The block's records, a row each."""
    import pyarrow as pa

    c, count, seeds = block.columns, len(block), len(block.columns.seeds)
    lists = {
        "nodes": (c.nodes, c.node_counts.sum(axis=(1, 2))),
        "node_counts": (c.node_counts.ravel(), _repeated(count, c.node_counts)),
        "edge_row": (c.edge_row, c.edge_counts.sum(axis=(1, 2))),
        "edge_col": (c.edge_col, c.edge_counts.sum(axis=(1, 2))),
        "edge_counts": (c.edge_counts.ravel(), _repeated(count, c.edge_counts)),
        "edge_pos": (c.edge_pos, c.edge_counts.sum(axis=(1, 2))),
    }
    if c.node_group is not None:
        lists["node_group"] = (c.node_group, c.node_counts.sum(axis=(1, 2)))
    if c.edge_weight is not None:
        lists["edge_weight"] = (c.edge_weight, c.edge_counts.sum(axis=(1, 2)))
    if c.links is not None:
        lists["relation"] = (c.links.relation, c.links.counts)
    schema = record_schema(c.layout.weighted, c.layout.links is not None)
    kinds = {f.name: f.type for f in schema}
    arrays: dict[str, Any] = {name: _list(pa.array(v), lengths, kinds[name]) for name, (v, lengths) in lists.items()}
    arrays["sample_id"] = pa.array(np.arange(block.first, block.first + count))
    arrays["split"] = pa.repeat(block.part, count)
    arrays["epoch"] = pa.repeat(pa.scalar(block.epoch, pa.int32()), count)
    parts = [_types(c), pa.array(c.seeds), _roles(c), _groups(c), _times(c.seed_times, seeds)]
    seeds_of = pa.StructArray.from_arrays(parts, fields=list(kinds["seeds"].value_type))
    arrays["seeds"] = _list(seeds_of, c.seed_counts, kinds["seeds"])
    if block.labels is not None:
        held = len(block.labels)
        values = np.ascontiguousarray(block.labels, dtype=np.float64).reshape(held, -1)
        widths = np.full(held, values.shape[1] if held else 1)
        inner = _list(pa.array(values.ravel()), widths, kinds["labels"].value_type)
        arrays["labels"] = _list(inner, c.label_counts, kinds["labels"])
    columns = [arrays[f.name] if f.name in arrays else pa.nulls(count, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def from_arrow(
    batch: "pa.RecordBatch", layout: Layout, kind: str | None, graph: Graph, where: str, *, positions: bool = True
) -> Block:
    """Read records of one part and epoch, and check every number in them.

    Args:
        batch: at least one row.
        layout: of the artifact or stream they are from.
        kind: see :func:`label_kind`.
        graph: that they were sampled from.
        where: their file, for messages.
        positions: False where ``batch`` has no edge_pos: all are -1 then.

    Raises:
        ArtifactError: the records are damaged or of another graph.
    """
    batch = _declared(batch, layout, where, positions)
    count, hops = batch.num_rows, layout.hops
    parts, epochs = batch.column("split").unique().to_pylist(), batch.column("epoch").unique().to_pylist()
    try:
        if len(parts) != 1 or len(epochs) != 1:
            raise ValueError("records of several parts in one batch")
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if column.null_count and field.name not in OPTIONAL:
                raise ValueError(f"{field.name} is null")
        seeds, edge_row = batch.column("seeds"), _values(batch.column("edge_row").flatten())
        columns = RecordColumns(
            layout=layout,
            seeds=_values(seeds.flatten().field("node")),
            seed_counts=_values(seeds.value_lengths()).astype(np.int64),
            nodes=_values(batch.column("nodes").flatten()),
            node_counts=_values(batch.column("node_counts").flatten()).reshape(count, len(layout.node_types), hops + 1),
            node_group=_values(batch.column("node_group").flatten()) if layout.disjoint else None,
            edge_row=edge_row,
            edge_col=_values(batch.column("edge_col").flatten()),
            edge_pos=_values(batch.column("edge_pos").flatten()) if positions else no_positions(len(edge_row)),
            edge_counts=_values(batch.column("edge_counts").flatten()).reshape(count, len(layout.edge_types), hops),
            edge_weight=_values(batch.column("edge_weight").flatten()) if layout.weighted else None,
            seed_times=_values(seeds.flatten().field("time").fill_null(int(ALWAYS))),
            links=None if layout.links is None else _links(batch),
        )
        labels = _labels(batch.column("labels"), kind, int(columns.label_counts.sum()))
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{where}: {error}", fix="make the records again") from None
    columns.check(graph, where)
    if columns.links is not None and not (
        seeds.flatten().field("role").equals(_roles(columns)) and seeds.flatten().field("type").equals(_types(columns))
    ):
        raise ArtifactError(f"{where}: roles or types of seeds do not make links", fix="make the records again")
    return Block(columns, batch.column("sample_id")[0].as_py(), parts[0], epochs[0], labels)


def _declared(batch: "pa.RecordBatch", layout: Layout, where: str, positions: bool) -> "pa.RecordBatch":
    """The batch with the columns that records of the layout have; other writers may declare more of them nullable."""
    import pyarrow as pa

    wanted = record_schema(layout.weighted, layout.links is not None)
    if not positions:
        wanted = wanted.remove(wanted.get_field_index("edge_pos"))
    if batch.schema.equals(wanted):
        return batch
    try:
        return batch.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        problem = f"{where}: the columns are not those of sampled subgraphs"
        raise ArtifactError(problem, fix="make the records again") from None


def record_digests(block: Block) -> bytes:
    """32 bytes a record: SHA-256 of its values, whatever file, shard or batch of rows it is in."""
    c, digests = block.columns, []
    nodes = np.cumsum(c.node_counts.sum(axis=(1, 2)))
    edges = np.cumsum(c.edge_counts.sum(axis=(1, 2)))
    seeds = np.cumsum(c.seed_counts)
    held = np.cumsum(c.label_counts)
    kind = label_kind(block.labels)
    what = c.layout.node_type if c.layout.links is None else c.layout.links.to_json()
    for i in range(len(block)):
        n, e, s, g = (slice(int(ends[i - 1]) if i else 0, int(ends[i])) for ends in (nodes, edges, seeds, held))
        head = [block.first + i, block.part, block.epoch, what, kind]
        head += [c.node_counts[i].tolist(), c.edge_counts[i].tolist()]
        digest = hashlib.sha256(json.dumps(head, separators=(",", ":")).encode())
        groups = [] if c.node_group is None else [c.node_group[n]]
        labels = [] if block.labels is None else [np.ascontiguousarray(block.labels[g])]
        links = [] if c.links is None else [c.links.group[s.start // 2 : s.stop // 2], c.links.relation[g]]
        weights = [] if c.edge_weight is None else [c.edge_weight[e]]
        times = [] if c.seed_times is None or (c.seed_times[s] == ALWAYS).all() else [c.seed_times[s]]
        for values in [
            c.seeds[s],
            *links,
            *times,
            *labels,
            c.nodes[n],
            *groups,
            c.edge_row[e],
            c.edge_col[e],
            c.edge_pos[e],
            *weights,
        ]:
            digest.update(np.ascontiguousarray(values).data)
        digests.append(digest.digest())
    return b"".join(digests)


def _repeated(count: int, values: np.ndarray) -> np.ndarray:
    return np.full(count, values[0].size if count else 0)


def _list(values: "pa.Array", lengths: np.ndarray, kind: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] >= 2**31:
        raise ArtifactError("a record has more than 2^31 entries", fix="lower --batch-size or --num-neighbors")
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values, type=kind)


def _values(array: "pa.Array") -> np.ndarray:
    values: np.ndarray = array.to_numpy(zero_copy_only=True)
    return values


def _times(times: np.ndarray | None, seeds: int) -> "pa.Array":
    import pyarrow as pa

    return pa.nulls(seeds, pa.int64()) if times is None else pa.array(times, mask=times == ALWAYS)


def _types(c: RecordColumns) -> "pa.Array":
    import pyarrow as pa

    links = c.link_batch()
    if links is None:
        return pa.repeat(c.layout.node_type, len(c.seeds))
    return pa.array(c.layout.node_types, pa.string()).take(pa.array(links.types(c.layout.node_types)))


def _roles(c: RecordColumns) -> "pa.Array":
    import pyarrow as pa

    links = c.link_batch()
    if c.links is None or links is None:
        return pa.repeat("node", len(c.seeds))
    return pa.array(ROLES, pa.string()).take(pa.array(c.links.roles(links)))


def _groups(c: RecordColumns) -> "pa.Array":
    """What ties the seeds of one label together, numbered in each record."""
    import pyarrow as pa

    if c.links is not None:
        return pa.array(np.repeat(c.links.group, 2))
    starts = np.cumsum(c.seed_counts) - c.seed_counts
    return pa.array(np.arange(len(c.seeds), dtype=np.int32) - np.repeat(starts, c.seed_counts).astype(np.int32))


def _links(batch: "pa.RecordBatch") -> LinkColumns:
    group = _values(batch.column("seeds").flatten().field("group"))
    if not np.array_equal(group[::2], group[1::2]):
        raise ValueError("the two ends of a link are of different groups")
    relation = batch.column("relation")
    return LinkColumns(
        group[::2].copy(), _values(relation.flatten()), _values(relation.value_lengths()).astype(np.int64)
    )


def _labels(column: "pa.Array", kind: str | None, seeds: int) -> np.ndarray | None:
    if kind is None:
        return None
    values = _values(column.flatten().flatten())
    if kind.endswith("]"):
        return values.reshape(seeds, int(kind[len("float32[") : -1])).astype(np.float32)
    return values.reshape(seeds).astype(kind)

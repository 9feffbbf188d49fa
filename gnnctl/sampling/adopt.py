"""Taking in records that another engine wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gnnctl.errors import ArtifactError, DataError
from gnnctl.graph.build import ALWAYS
from gnnctl.sampling.broken import Broken
from gnnctl.sampling.columns import Layout
from gnnctl.sampling.description import Description
from gnnctl.sampling.foreign import ForeignRecords, Run
from gnnctl.sampling.link_produce import link_layout
from gnnctl.sampling.link_rules import LinkRules
from gnnctl.sampling.methods import Spec
from gnnctl.sampling.packed import Packing
from gnnctl.sampling.plan import records_at_once
from gnnctl.sampling.produce import Produced, labels_at, produced
from gnnctl.sampling.records import Block, from_arrow, label_kind
from gnnctl.sampling.rules import Rules
from gnnctl.splits import LinkSplit, NodeSplit

if TYPE_CHECKING:
    import pyarrow as pa


class Adopted:
    """Records of another engine, checked as they are read.

    Args:
        paths: Parquet or Arrow files, in any order.
        split: whose seeds they are of.
        spec: how they were sampled.
        broken: gets every broken rule.
        features: what is to lie beside them.
        negatives: around links, of each of train at most.

    Raises:
        DataError: rules are broken that leave no order to read the records in.
        ArtifactError: a file cannot be read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        split: NodeSplit | LinkSplit,
        spec: Spec,
        broken: Broken,
        features: Packing | None = None,
        negatives: int = 0,
    ) -> None:
        self._split, self._broken, self._negatives = split, broken, negatives
        links = link_layout(split, spec) if isinstance(split, LinkSplit) else None
        found = ForeignRecords.open(paths, broken, linked=links is not None)
        if found is None:
            raise refusal(broken)
        self.records = found
        layout = Layout.of(
            split.graph,
            spec.hops,
            split.target.edge_types[0].src if isinstance(split, LinkSplit) else split.target.node_type,
            spec.disjoint,
            weighted=spec.own_weights,
            time=spec.time,
            links=links,
        )
        for rule, has, wanted in (
            ("edge_weight", found.weighted, layout.weighted),
            ("node_group", found.grouped, layout.disjoint),
        ):
            if has != wanted:
                what = (
                    f"{rule} is {'given' if has else 'missing'}; this way of sampling has {'' if wanted else 'no '}it"
                )
                broken.add(rule, f"{found.paths[0]}: {what}")
        if len(broken):
            raise refusal(broken)
        largest = self._largest()
        self.description = Description(
            layout,
            spec,
            "seed" if largest == 1 else "batch",
            largest,
            sum(segment.part == "train" for segment in found.segments),
            label_kind(split.part("train").label if isinstance(split, LinkSplit) else split.part("train")[1]),
            found.segments,
            features,
        )

    def produced(self) -> Iterator[Produced]:
        """All records in order, as they are written.

        Raises:
            DataError: after the last one, if rules are broken.
        """
        split, spec = self._split, self.description.spec
        if isinstance(split, LinkSplit):
            rules: Rules = LinkRules(split, spec, self._broken, self._negatives)
        else:
            rules = Rules(split.graph, spec, split.parts, self._broken)
        for run, batch in self.records.read(records_at_once(self.description.batch_size)):
            path = str(self.records.paths[run.file])
            try:
                block = self._block(run, batch, path)
            except ArtifactError as error:
                self._broken.add(error.message.removeprefix(path), f"{error.message} (record {run.first} or after)")
                continue
            rules.check(block, path)
            self._check_sizes(block, run, path)
            if not len(self._broken):
                yield produced(block)
        rules.finish()
        if len(self._broken):
            raise refusal(self._broken)

    def _block(self, run: Run, batch: "pa.RecordBatch", path: str) -> Block:
        d = self.description
        if isinstance(self._split, LinkSplit):
            return from_arrow(batch, d.layout, d.labels, self._split.view(run.part), path)
        self._check_seed_columns(batch, run, path)
        return block_of(batch, d, self._split, path)

    def _check_seed_columns(self, batch: "pa.RecordBatch", run: Run, path: str) -> None:
        column = batch.column("seeds")
        seeds, counts = column.flatten(), column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        starts = np.cumsum(counts) - counts
        group = np.arange(len(seeds)) - np.repeat(starts, counts)
        wrong = {
            "type": np.array(seeds.field("type").to_pylist(), object) != self.description.layout.node_type,
            "role": np.array(seeds.field("role").to_pylist(), object) != "node",
            "group": seeds.field("group").fill_null(-1).to_numpy() != group,
        }
        says = {"type": f"not {self.description.layout.node_type}", "role": "not node", "group": "not 0, 1, 2, ..."}
        for name, found in wrong.items():
            if np.any(found):
                self._broken.add(f"seeds.{name}", f"{path}: record {run.first} or after: seeds.{name} is {says[name]}")

    def _check_sizes(self, block: Block, run: Run, path: str) -> None:
        """All batches have as many seeds, but for the last of a part and epoch."""
        segment = self.description.segment(run.part, run.epoch, path)
        last = segment.first + segment.records - 1
        counts = block.columns.label_counts
        numbers = block.first + np.arange(len(block))
        wrong = np.flatnonzero((counts != self.description.batch_size) & (numbers != last))
        if len(wrong):
            what = f"has {counts[wrong[0]]} seeds, others {self.description.batch_size}"
            self._broken.add("batch size", f"{path}: record {numbers[wrong[0]]} {what}", len(wrong))

    def _largest(self) -> int:
        """Most seeds of a record among the first of each part and epoch."""
        largest = 1
        firsts = {segment.first for segment in self.records.segments}
        for run in self.records.runs:
            if run.first in firsts:
                _, batch = next(iter(replace(self.records, runs=[run], segments=()).read(1)))
                counted = batch.column("relation" if self.records.linked else "seeds")
                largest = max(largest, counted.value_lengths()[0].as_py() or 0)
        return largest


def block_of(batch: "pa.RecordBatch", description: Description, split: NodeSplit, path: str) -> Block:
    """Records of another engine; labels and times that it left out are those of the split and the graph.

    Raises:
        ArtifactError: they are damaged or of another graph.
    """
    d = description
    labelled = batch.column("labels").null_count < batch.num_rows
    block = from_arrow(batch, d.layout, d.labels if labelled else None, split.graph, path)
    columns = block.columns
    if columns.seed_times is not None and np.all(columns.seed_times == ALWAYS):
        time = split.graph.nodes[d.layout.node_type].time
        columns.seed_times = None if time is None else time[columns.seeds]
    if block.labels is None and d.labels is not None:
        rows, labels = split.part(block.part)
        if np.all(np.isin(columns.seeds, rows)):
            block.labels = labels_at(rows, labels, columns.seeds)
    return block


def refusal(broken: Broken) -> DataError:
    """The error that ends an adoption: the first broken rule, and how many there are."""
    line, _ = next(iter(broken))
    more = f" (and {len(broken) - 1} more rules are broken)" if len(broken) > 1 else ""
    return DataError(f"{line}{more}", fix="write the records as schemas/README.md says; nothing was adopted")

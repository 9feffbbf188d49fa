"""Records of another engine are taken in if they follow the rules, and each broken rule is named."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_records import changed, replaced
from test_store import Run

from gnnctl.errors import DataError
from gnnctl.sampling.adopt import Adopted
from gnnctl.sampling.broken import Broken
from gnnctl.sampling.store import SubgraphRecords


def batches_of(run):
    return [p.batch for p in run.producer.records(0, run.plan.records, 1)]


def adopt(run, batches, folder, form="parquet", files=1):
    """Write the batches to so many files, and read them as another's; answers (records produced, broken rules)."""
    folder.mkdir(exist_ok=True)
    paths = []
    for i, part in enumerate(np.array_split(np.arange(len(batches)), files)):
        table = pa.Table.from_batches([batches[j] for j in part])
        paths.append(folder / f"part-{files - i}.{form}")  # names do not tell the order
        if form == "parquet":
            pq.write_table(table, paths[-1], row_group_size=7)
        else:
            with pa.ipc.new_file(str(paths[-1]), table.schema) as writer:
                writer.write_table(table)
    said = []
    broken = Broken(said.append)
    found = []
    try:
        adopted = Adopted(paths[::-1], run.split, run.spec, broken)
        found = list(adopted.produced())
    except DataError:
        assert len(broken) == len(said) > 0
    else:
        assert not said
    return found, said


@pytest.mark.parametrize("unit", ["batch", "seed"])
@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize(("form", "files"), [("parquet", 3), ("arrow", 1)])
def test_what_follows_the_rules_is_taken_as_it_is(split_path, tmp_path, unit, disjoint, form, files):
    run = Run(split_path, unit=unit, disjoint=disjoint)
    found, said = adopt(run, batches_of(run), tmp_path / "in", form, files)
    assert not said
    digests = b"".join(p.digests for p in run.producer.records(0, run.plan.records, 1))
    assert b"".join(p.digests for p in found) == digests


def test_columns_may_stand_otherwise_and_be_of_wider_types(split_path, tmp_path):
    run = Run(split_path, epochs=1)
    table = pa.Table.from_batches(batches_of(run))
    turned = table.select(table.column_names[::-1]).drop_columns(["labels", "node_group"])
    wide = pa.list_(pa.field("element", pa.int64(), nullable=False))
    at = turned.schema.get_field_index("edge_row")
    turned = turned.set_column(at, "edge_row", turned["edge_row"].cast(wide))
    seeds = turned["seeds"].combine_chunks()
    flat = seeds.flatten()
    order = ["time", "group", "type", "role", "node"]
    struct = pa.StructArray.from_arrays([flat.field(name) for name in order], names=order)
    turned = turned.set_column(
        turned.schema.get_field_index("seeds"), "seeds", pa.ListArray.from_arrays(seeds.offsets, struct)
    )
    found, said = adopt(run, turned.to_batches(), tmp_path / "in")
    assert not said
    digests = b"".join(p.digests for p in run.producer.records(0, run.plan.records, 1))
    assert b"".join(p.digests for p in found) == digests  # labels are the split's


def first_of(name, change):
    """The batches with a column of the first one changed."""
    return lambda batches: [changed(batches[0], name, change), *batches[1:]]


def swapped(values):
    values[-1], values[-2] = values[-2], values[-1]
    return values


def seed_with(**changes):
    def change(seeds):
        return [{**seeds[0], **changes}, *seeds[1:]]

    return change


def renamed(batches, name, other):
    return [b.rename_columns([other if c == name else c for c in b.schema.names]) for b in batches]


def retyped(batches):
    at = batches[0].schema.get_field_index("nodes")
    return [b.set_column(at, "nodes", b.column("nodes").cast(pa.list_(pa.string()))) for b in batches]


def without_last_edge(batches):
    """One record draws an edge less than it must."""
    batch = batches[0]
    for name in ("edge_row", "edge_col", "edge_pos"):
        batch = changed(batch, name, lambda v: v[:-1])
    return [changed(batch, "edge_counts", lambda v: [*v[:-1], v[-1] - 1]), *batches[1:]]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda b: renamed(b, "nodes", "node"), "there is no column nodes"),
        (lambda b: renamed(b, "labels", "y"), "there is a column y"),
        (retyped, "column nodes is list of string"),
        (lambda b: [b[1], b[0], *b[2:]], "comes after"),
        (lambda b: b[1:], "sample_id 0 is missing"),
        (lambda b: [b[0], b[0].slice(0, 1), *b[1:]], "must ascend"),
        (first_of("split", lambda v: "dev"), "they must be of train 1"),
        (first_of("epoch", lambda v: 4), "they must be of train 1"),
        (first_of("seeds", seed_with(type="author")), "seeds.type is not paper"),
        (first_of("seeds", seed_with(role="dst")), "seeds.role is not node"),
        (first_of("seeds", seed_with(group=3)), "seeds.group is not 0, 1, 2"),
        (first_of("seeds", seed_with(time=5)), "a seed's time is not its node's"),
        (first_of("seeds", seed_with(node=5)), "a seed is not in the part train"),
        (first_of("labels", replaced(0, [17.0])), "a label is not the split's"),
        (first_of("nodes", replaced(-1, 10**6)), "outside the graph"),
        (first_of("nodes", swapped), "is not an edge between these two nodes"),
        (first_of("nodes", lambda v: [v[1], *v[1:]]), "its first nodes are not its seeds"),
        (first_of("nodes", lambda v: [*v[:5], v[4], *v[6:]]), "is there twice"),
        (first_of("edge_pos", replaced(0, -1)), "is -1, but all are of the graph"),
        (first_of("edge_pos", replaced(0, 10**7)), "position is outside the graph"),
        (without_last_edge, "drew fewer edges"),
        (lambda b: b[:-2], "there are no records of test"),
    ],
)  # fmt: skip
def test_every_broken_rule_is_one_line(split_path, tmp_path, change, rule):
    run = Run(split_path, unit="seed", epochs=1)
    # the seed of one of the cases above is in another part
    assert 5 not in run.split.parts["train"][0]
    batches = [b for part in batches_of(run) for b in (part.slice(0, 1), part.slice(1)) if b.num_rows]
    found, said = adopt(run, change(batches), tmp_path / "in")
    assert any(rule in line for line in said), said
    assert all("\n" not in line for line in said)
    assert len(found) < run.plan.records


def test_edges_beyond_the_fan_out_and_in_another_order_are_refused(split_path, tmp_path):
    wide = Run(split_path, fan_out=(6, 3), unit="seed", epochs=1)
    run = Run(split_path, fan_out=(4, 3), unit="seed", epochs=1)
    _, said = adopt(run, batches_of(wide), tmp_path / "wide")
    assert any("more edges" in line for line in said)

    def turned(batches):
        """The first record numbers two nodes of its last hop the other way round."""
        record = batches[0].slice(0, 1).to_pylist()[0]
        papers = sum(record["node_counts"][:3])
        a, b = papers - 2, papers - 1
        assert record["node_counts"][2] > 1
        record["nodes"][a], record["nodes"][b] = record["nodes"][b], record["nodes"][a]
        swap = {a: b, b: a}
        layout = run.producer.layout
        start = 0
        for t, counts in zip(layout.edge_types, np.reshape(record["edge_counts"], (-1, 2)), strict=True):
            for i in range(start, start + int(counts.sum())):
                if t.src == "paper":
                    record["edge_row"][i] = swap.get(record["edge_row"][i], record["edge_row"][i])
            start += int(counts.sum())
        first = pa.RecordBatch.from_pylist([record], batches[0].schema)
        return [first, batches[0].slice(1), *batches[1:]]

    _, said = adopt(run, turned(batches_of(run)), tmp_path / "turned")
    assert said == [line for line in said if "not in the order of an expansion" in line]
    assert len(said) == 1


def test_seeds_are_there_once_an_epoch(split_path, tmp_path):
    run = Run(split_path, unit="seed", epochs=1)
    batches = batches_of(run)
    first = batches[0].to_pylist()
    first[1] = {**first[0], "sample_id": 1}
    _, said = adopt(run, [pa.RecordBatch.from_pylist(first, batches[0].schema), *batches[1:]], tmp_path / "in")
    assert any("is in two records" in line for line in said)
    assert any("1 seeds of the split are in no record" in line for line in said)


def test_the_stage(cli, split_path, tmp_path):
    run = Run(split_path, epochs=2, batch_size=16)
    folder = tmp_path / "in"
    folder.mkdir()
    batches = batches_of(run)
    for i, batch in enumerate(batches):
        pq.write_table(pa.Table.from_batches([batch]), folder / f"part-{i}.parquet")
    common = ["--split", split_path, "--num-neighbors", "4,3", "--seed", "5"]
    code, out, err = cli("adopt", *sorted(folder.iterdir()), "-o", tmp_path / "out", *common, "--features", "packed")
    assert code == 0, err
    records = SubgraphRecords.open(tmp_path / "out")
    assert records.artifact.verify() == []
    assert records.packed
    whole = run.write(tmp_path / "whole")
    contents = [a.manifest.contents["records"] for a in (records.artifact, whole)]
    assert contents[0] == contents[1]
    assert str(whole.manifest.summary["records"]) in out
    code, _, err = cli("adopt", *sorted(folder.iterdir()), "-o", tmp_path / "out", *common, "--features", "packed")
    assert code == 0
    assert "up to date" in err
    code, _, err = cli(
        "train", tmp_path / "out", "-o", tmp_path / "model", "--hidden", "8", "--device", "cpu", "--epochs", "3"
    )
    assert code == 0, err
    (folder / "part-0.parquet").unlink()
    code, _, err = cli("adopt", *sorted(folder.iterdir()), "-o", tmp_path / "other", *common)
    assert code == 3
    assert "sample_id 0 is missing" in err.splitlines()[-1]
    assert not (tmp_path / "other").exists()
    code, _, err = cli("adopt", split_path, "-o", tmp_path / "other", *common)
    assert (code, "is no file" in err) == (3, True)

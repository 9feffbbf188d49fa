import gc
import io
import threading

import numpy as np
import pytest
import torch
from test_store import Run, stream_of

from gnnctl.errors import UsageError
from gnnctl.graph.batch import Batch
from gnnctl.graph.graph import EdgeStore, Graph
from gnnctl.sampling.loader import Loader
from gnnctl.sampling.record_files import RecordReader
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec
from gnnctl.sampling.store import SubgraphRecords
from gnnctl.sampling.stream import StreamRecords


def tensors(batch):
    yield "y", batch.y
    yield "degree", None if batch.degree is None else [v for d in batch.degree.values() for v in d]
    for name in ("x", "node_id", "edge_weight", "edge_attr"):
        for key, value in getattr(batch, name).items():
            yield f"{name} {key}", value
    for key, edges in batch.edge_index.items():
        yield f"colptr {key}", edges.colptr
        yield f"row {key}", edges.row


def assert_same(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other) > 1
    for a, b in zip(one, other, strict=True):
        assert (a.node_counts, a.edge_counts, a.num_seeds) == (b.node_counts, b.edge_counts, b.num_seeds)
        for (name, x), (_, y) in zip(tensors(a), tensors(b), strict=True):
            for left, right in zip(x if isinstance(x, list) else [x], y if isinstance(y, list) else [y], strict=True):
                assert (left is None) == (right is None), name
                assert left is None or (left.dtype == right.dtype and torch.equal(left, right)), name


def loader(run, source=None, part="train", epoch=1, **options):
    rows, labels = run.split.part(part)
    source = source or Sampler(run.split.graph, run.spec)
    shuffle = 5 if part == "train" else None
    chosen = {"batch_size": 32, "shuffle_seed": shuffle, "degrees": True, **options}
    return Loader(source, run.split.graph, "paper", rows, labels, part=part, epoch=epoch, **chosen)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(split_path, threads):
    run = Run(split_path)
    assert_same(loader(run, num_threads=0), loader(run, num_threads=threads))


@pytest.mark.parametrize("unit", ["batch", "seed"])
@pytest.mark.parametrize(("part", "epoch"), [("train", 1), ("train", 2), ("test", 0)])
def test_every_source_gives_the_same_batches(split_path, tmp_path, unit, part, epoch):
    run = Run(split_path, unit=unit)
    live = list(loader(run, None, part, epoch))
    records = SubgraphRecords.open(run.write(tmp_path / "samples"))
    stream = StreamRecords(io.BytesIO(stream_of(run)))
    assert_same(live, loader(run, records, part, epoch, num_threads=2))
    assert_same(live, loader(run, stream, part, epoch, num_threads=2))
    rows, _ = run.split.part(part)
    own = Loader(records, run.split.graph, "paper", rows, batch_size=32, part=part, epoch=epoch, degrees=True)
    assert_same(live, own)
    assert len(own) == len(live)


def test_positions_are_read_where_edges_have_values_alone(split_path, tmp_path, monkeypatch):
    run, read = Run(split_path), []
    records = SubgraphRecords.open(run.write(tmp_path / "samples"))
    own = RecordReader.read
    monkeypatch.setattr(
        RecordReader, "read", lambda self, group, columns=None: read.append(columns) or own(self, group, columns)
    )
    bare = Graph(run.split.graph.nodes, {t: EdgeStore(s.colptr, s.row) for t, s in run.split.graph.edges.items()})
    rows, labels = run.split.part("train")
    live = Loader(Sampler(bare, run.spec), bare, "paper", rows, labels, batch_size=32, shuffle_seed=5, epoch=1)
    assert_same(live, Loader(records, bare, "paper", rows, labels, batch_size=32, epoch=1))
    assert read
    assert all("edge_pos" not in columns and "edge_row" in columns for columns in read)
    read.clear()
    assert any(store.weight is not None for store in run.split.graph.edges.values())
    list(loader(run, records))
    assert set(read) == {None}


def test_batches_hold_what_the_graph_holds(split_path):
    run = Run(split_path)
    rows, labels = run.split.part("train")
    graph, seen = run.split.graph, []
    for batch in loader(run):
        node_id = batch.node_id["paper"].numpy()
        assert np.array_equal(batch.x["paper"].numpy(), graph.nodes["paper"].x[node_id])
        seeds = node_id[: batch.num_seeds]
        seen += seeds.tolist()
        assert np.array_equal(batch.y.numpy(), labels[np.searchsorted(rows, seeds)])
    assert sorted(seen) == rows.tolist()


def test_seeds_in_any_order_find_their_labels(split_path):
    run = Run(split_path)
    rows, labels = run.split.part("train")
    source = Sampler(run.split.graph, run.spec)
    chosen = {"batch_size": 32, "shuffle_seed": 5, "epoch": 1, "degrees": True}
    turned = Loader(source, run.split.graph, "paper", rows[::-1].copy(), labels[::-1], **chosen)
    assert_same(loader(run), turned)


def test_an_epoch_left_in_the_middle_ends_its_threads(split_path):
    before = threading.active_count()
    batches = iter(loader(Run(split_path), num_threads=3, batch_size=4))
    assert isinstance(next(batches), Batch)
    del batches
    gc.collect()
    assert threading.active_count() == before


def test_errors_of_the_threads_arrive(split_path):
    run = Run(split_path)
    source = Sampler(run.split.graph, run.spec)
    bad = Loader(source, run.split.graph, "paper", np.array([0, 10**6]), batch_size=1, num_threads=2)
    batches = iter(bad)
    assert next(batches).num_seeds == 1
    with pytest.raises(ValueError, match="seeds"):
        list(batches)

    def fail(batch):
        raise RuntimeError("prepare")

    with pytest.raises(RuntimeError, match="prepare"):
        list(loader(run, num_threads=2, prepare=fail))


def test_single_seeds_that_do_not_merge_are_refused(split_path, tmp_path):
    run = Run(split_path, fan_out=(2, 3), unit="seed")
    records = SubgraphRecords.open(run.write(tmp_path / "samples"))
    with pytest.raises(UsageError, match="would not merge"):
        loader(run, records)


def test_labels_are_optional(split_path):
    run = Run(split_path)
    rows, _ = run.split.part("val")
    spec = SampleSpec.uniform(run.split.graph.edge_types, (2,))
    [batch] = Loader(Sampler(run.split.graph, spec), run.split.graph, "paper", rows, batch_size=1000)
    assert batch.y is None
    assert batch.num_seeds == len(rows)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_arrive_on_the_gpu(split_path):
    run = Run(split_path)
    there = [batch.to("cpu") for batch in loader(run, num_threads=2, device="cuda")]
    assert_same(loader(run), there)

"""gnnctl train --model tgn: links in time, found by a model with a memory."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

SPLIT = (
    "--task",
    "link",
    "--by",
    "time",
    "--repeats",
    "keep",
    "--val",
    "0.15",
    "--test",
    "0.15",
    "--eval-negatives",
    "5",
)
TRAIN = ("--model", "tgn:recent=5", "--hidden", "16", "--heads", "2", "--dropout", "0", "--batch-size", "50")
FAST = (*TRAIN, "--negatives", "1", "--lr", "0.005", "--threads", "1")


def write_visits(folder, people=20, places=40, count=900):
    """People visit a place again and again, and move on to another now and then."""
    rng = np.random.default_rng(0)
    at, who, where = rng.integers(0, places, people), rng.integers(0, people, count), []
    for person in who:
        if rng.random() < 0.15:
            at[person] = rng.integers(0, places)
        where.append(int(at[person]))
    table = {
        "person": [f"p{i}" for i in who],
        "place": [f"q{i}" for i in where],
        "when": np.sort(rng.integers(0, 10**7, count)),
        "kind": rng.random(count),
    }
    pq.write_table(pa.table(table), folder / "visits.parquet")
    (folder / "graph.toml").write_text(
        '[edges."person visits place"]\ntable = "visits.parquet"\nsource = "person"\ntarget = "place"\ntime = "when"\n'
        '[edges."person visits place".features]\nkind = "raw"\n'
    )


@pytest.fixture
def visits(cli, tmp_path):
    write_visits(tmp_path)
    assert cli("ingest", tmp_path / "graph.toml", "-o", tmp_path / "graph")[0] == 0
    code, _, said = cli("split", tmp_path / "graph", "-o", tmp_path / "split", *SPLIT)
    assert code == 0, said
    return tmp_path


def test_a_memory_finds_who_comes_again(cli, visits):
    code, _, said = cli("train", visits / "split", "-o", visits / "model", *FAST, "--epochs", 12, "--batch-size", 20)
    assert code == 0, said
    metrics = json.loads((visits / "model" / "metrics.json").read_text())
    test = metrics["test"]
    assert test["average_precision"] > 0.75  # one in six would be found by chance
    assert test["auroc"] > 0.85
    assert 1 / 6 < test["baseline"]["average_precision"] < test["average_precision"] - 0.1
    assert metrics["train"]["auroc"] is None  # it has no fixed negatives
    assert "average_precision over time" in (visits / "model" / "report.html").read_text()
    assert cli("predict", visits / "model", "-o", visits / "predictions")[0] == 0
    again = json.loads((visits / "predictions" / "metrics.json").read_text())["test"]
    assert again == {name: value for name, value in test.items() if name != "baseline"}
    table = pq.read_table(visits / "predictions" / "predictions.parquet")
    assert table.num_rows == 900
    assert table.column_names == ["head", "relation", "tail", "time", "split", "score"]
    assert cli("predict", visits / "model", "-o", visits / "some", "--part", "test")[0] == 0
    assert pq.read_table(visits / "some" / "predictions.parquet").num_rows == test["seeds"]


def test_no_event_sees_itself_or_what_comes_later(visits):
    from gnnctl.nn.models import ModelOptions
    from gnnctl.splits.link import LinkSplit
    from gnnctl.training.event_job import Timeline, event_model

    timeline = Timeline(LinkSplit.open(visits / "split"))
    torch.manual_seed(0)
    model = event_model(timeline, ModelOptions(name="tgn", hidden=16, heads=2, dropout=0.0))
    batches = list(timeline.batches("train", 50, timeline.drawn("train", 2, 0, 1), first=True))
    whole = list(model.replay(batches))
    cut = list(model.replay(batches[:4]))
    for (a, b), (c, d) in zip(whole, cut, strict=False):
        assert torch.equal(a, c)
        assert torch.equal(b, d)
    # Of a batch each event is scored as if it were alone in it.
    list(model.replay(batches[:3]))
    import dataclasses

    names = ("source", "destination", "time", "message")
    fourth = batches[3]
    one = {name: getattr(fourth, name)[7:8] for name in names}
    alone = dataclasses.replace(fourth, **one, negative=fourth.negative[:, 7:8])
    ((score, _),) = model.replay([alone])
    torch.testing.assert_close(score[0], whole[3][0][7])


def test_recent_neighbours_are_the_last_ones():
    from gnnctl.nn.models.recent_neighbors import RecentNeighbors

    rng = np.random.default_rng(0)
    recent, wanted = RecentNeighbors(9, 3, 1), [[] for _ in range(9)]
    time = 0
    for size in (1, 7, 30, 2, 0, 11):
        source, destination = rng.integers(0, 9, (2, size))
        times = np.arange(time, time + size)
        time += size
        recent.insert(*(torch.from_numpy(v) for v in (source, destination, times)), torch.from_numpy(times[:, None]))
        for s, d, t in zip(source.tolist(), destination.tolist(), times.tolist(), strict=True):
            wanted[s].append((t, d))
            wanted[d].append((t, s))
        events, there = recent(torch.arange(9))
        for node in range(9):
            pairs = zip(events.time[node].tolist(), events.other[node].tolist(), strict=True)
            found = sorted(pair for pair, real in zip(pairs, there[node].tolist(), strict=True) if real)
            assert found == sorted(wanted[node][-3:])
            assert events.message[node, there[node], 0].tolist() == events.time[node, there[node]].tolist()


def test_a_pair_s_history_is_how_often_and_when_last():
    from gnnctl.nn.models.pair_history import PairHistory

    rng = np.random.default_rng(0)
    history, wanted, time = PairHistory(6), {}, 0
    everyone = torch.cartesian_prod(torch.arange(6), torch.arange(6)).T
    for size in (0, 1, 9, 40):
        source, destination = rng.integers(0, 6, (2, size))
        times = np.arange(time, time + size)
        time += size
        history.insert(*(torch.from_numpy(v) for v in (source, destination, times)))
        for s, d, t in zip(source.tolist(), destination.tolist(), times.tolist(), strict=True):
            pair = (min(s, d), max(s, d))
            wanted[pair] = (wanted.get(pair, (0, 0))[0] + 1, t)
        count, latest = history(*everyone)
        for s, d, *found in zip(*everyone.tolist(), count.tolist(), latest.tolist(), strict=True):
            assert tuple(found) == wanted.get((min(s, d), max(s, d)), (0, 0))
    history.reset_state()
    assert not history(*everyone)[0].any()


def test_negatives_of_events_are_none_at_the_time_and_may_be_at_others(visits):
    from gnnctl.splits.link import LinkSplit

    split = LinkSplit.open(visits / "split")
    parts = [split.part(name) for name in ("train", "val", "test")]
    events = {(s, d, t) for p in parts for s, d, t in zip(p.src.tolist(), p.dst.tolist(), p.time.tolist(), strict=True)}
    pairs = {event[:2] for event in events}
    before = 0
    for name in ("val", "test"):
        links, drawn = split.part(name), split.negatives[name]
        assert len(drawn.src) == 5 * len(links.src)
        assert drawn.src.tolist() == np.repeat(links.src, 5).tolist()
        times = np.repeat(links.time, 5).tolist()
        for s, d, t in zip(drawn.src.tolist(), drawn.dst.tolist(), times, strict=True):
            assert (s, d, t) not in events
            before += (s, d) in pairs
    assert before > 100  # a fifth of all pairs has met
    # Were there none that have, to have met before would tell nearly all by itself.
    from gnnctl.sampling.fixed_negatives import with_fixed_negatives
    from gnnctl.training.event_job import Timeline, event_metrics, seen_before

    told = [event_metrics(*seen_before(Timeline(s), "test")) for s in (with_fixed_negatives(split, 5), split)]
    assert told[0]["average_precision"] > 0.85 > 0.6 > told[1]["average_precision"]


def test_an_interrupted_run_ends_with_the_same_weights(cli, visits, monkeypatch):
    from gnnctl.training.loop import Trainer

    short = (*FAST, "--epochs", 3, "--save-seconds", 0)
    assert cli("train", visits / "split", "-o", visits / "whole", *short)[0] == 0
    run, calls = Trainer._run_epoch, []

    def stop(self, bar):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(self, bar)

    monkeypatch.setattr(Trainer, "_run_epoch", stop)
    assert cli("train", visits / "split", "-o", visits / "broken", *short)[0] == 130
    monkeypatch.setattr(Trainer, "_run_epoch", run)
    assert cli("train", visits / "split", "-o", visits / "broken", *short)[0] == 0
    whole, broken = ((visits / name / "weights.safetensors").read_bytes() for name in ("whole", "broken"))
    assert whole == broken


REFUSED = [
    (("--num-neighbors", "5"), "looks at the latest events"),
    (("--loss", "softmax"), "--loss does not go with --model tgn"),
    (("--decoder", "mlp"), "--decoder does not go with --model tgn"),
    (("--compile",), "--compile does not go with --model tgn"),
    (("--layers", "2"), "--layers: tgn has none"),
    (("--export",), "--export: tgn changes its memory with every event"),
    (("--folds", "3"), "--folds"),
    (("--aggr", "max"), "--aggr: tgn has no use for it"),
    (("--heads", "3"), "cannot be shared by 3 heads"),
]


def test_what_does_not_go_with_it_is_refused(cli, visits):
    for more, message in REFUSED:
        code, _, said = cli("train", visits / "split", "-o", visits / "m", *FAST, "--epochs", 1, *more)
        assert code == 2, more
        assert message in said
    anyhow = [word for word in SPLIT if word not in ("--repeats", "keep")]
    assert cli("split", visits / "graph", "-o", visits / "random", *anyhow, "--by", "random")[0] == 0
    code, _, said = cli("train", visits / "random", "-o", visits / "m", *FAST, "--epochs", 1)
    assert code == 2
    assert "split again with --by time" in said
    assert not (visits / "m").exists()

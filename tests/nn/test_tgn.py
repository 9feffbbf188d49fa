"""The memory of nodes over events: against the oracle, and against one event at a time written out."""

import pytest
import torch
import torch_geometric.nn as peer
from torch_geometric.nn.models import tgn as peer_tgn

from gnnctl.nn.models import IdentityMessage, LastMessage, MeanMessage, TGNMemory
from gnnctl.nn.models.event_store import Events, EventStore

USERS, ITEMS, MESSAGE, MEMORY, TIME = 12, 9, 3, 5, 4
N = USERS + ITEMS


def stream(batches, seed=0, *, bipartite, size=8):
    draw = torch.Generator().manual_seed(seed)
    for number in range(batches):
        low, high = (0, USERS) if bipartite else (0, N - 1)
        source = torch.randint(low, high, (size,), generator=draw)
        low, high = (USERS, N - 1) if bipartite else (0, N - 1)
        destination = torch.randint(low, high, (size,), generator=draw)
        time = 20 + torch.arange(number * size, (number + 1) * size) * 3
        yield source, destination, time, torch.randn(size, MESSAGE, generator=draw)


def model(aggregate):
    torch.manual_seed(1)
    return TGNMemory(N, MESSAGE, MEMORY, TIME, aggregate=aggregate)


def in_peer_words(ours, aggregator):
    theirs = peer.TGNMemory(N, MESSAGE, MEMORY, TIME, peer_tgn.IdentityMessage(MESSAGE, MEMORY, TIME), aggregator)
    state = {name.replace("time.lin", "time_enc.lin"): value for name, value in ours.state_dict().items()}
    theirs.load_state_dict(state | {"_assoc": theirs._assoc})
    return theirs


@pytest.mark.parametrize(
    ("ours", "theirs"), [(LastMessage(), peer_tgn.LastAggregator()), (MeanMessage(), peer_tgn.MeanAggregator())]
)
def test_memory_is_the_oracles(ours, theirs):
    """Where each node is always the same end, is in the first batch, and a memory without messages stays as it is.

    (The oracle repeats messages of nodes that change ends, and of no message makes another node's.)
    """
    memory = model(ours)
    with torch.no_grad():  # the oracle puts zeros for no message through the unit: without biases they change nothing
        memory.gru.bias_ih.zero_()
        memory.gru.bias_hh.zero_()
    oracle = in_peer_words(memory, theirs)
    users = torch.arange(USERS)
    everyone = users, USERS + users % ITEMS, users, torch.randn(USERS, MESSAGE)
    for number, events in enumerate([everyone, *stream(12, bipartite=True)]):
        nodes = torch.cat([events[0], events[1]]).unique()
        if number == 9:
            memory.eval()
            oracle.eval()
        (found, since), (wanted, before) = memory(nodes), oracle(nodes)
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(since, before)
        if memory.training:
            if number:
                gradients = [torch.autograd.grad(z.square().sum(), [m.gru.weight_ih, lin.weight]) for z, m, lin in (
                    (found, memory, memory.time.lin), (wanted, oracle, oracle.time_enc.lin))]  # fmt: skip
                torch.testing.assert_close(*gradients)
            oracle.update_state(*events)
            oracle.detach()
        else:
            oracle.update_state(*events)
        memory.update(*events)
        torch.testing.assert_close(memory.memory, oracle.memory)
        torch.testing.assert_close(memory.last_update, oracle.last_update)
    assert memory.memory.abs().sum() > 1


@pytest.mark.parametrize("aggregate", ["last", "mean"])
def test_memory_is_what_the_paper_says(aggregate):
    """Nodes at both ends of events, messages used once; all by dictionaries and loops."""
    memory = model(LastMessage() if aggregate == "last" else MeanMessage())
    state = {n: torch.zeros(MEMORY) for n in range(N)}
    since, waiting = dict.fromkeys(range(N), 0), {}

    def take_in(nodes):
        changed = {}
        for n in nodes:
            found = []
            for side, other, time, message in waiting.get(n, []):
                encoded = memory.time(torch.tensor([float(time - since[n])]))[0]
                found.append((time, side, torch.cat([state[n], state[other], message, encoded])))
            if found:
                latest = max(found, key=lambda one: one[:2])[2]
                m = latest if aggregate == "last" else torch.stack([one[2] for one in found]).mean(0)
                changed[n] = memory.gru(m[None], state[n][None])[0], max(one[0] for one in found)
        for n, (value, time) in changed.items():
            state[n], since[n] = value, time
        for n in nodes:
            waiting.pop(n, None)

    with torch.no_grad():
        for source, destination, time, message in stream(15, 3, bipartite=False):
            nodes = torch.cat([source, destination]).unique().tolist()
            memory.update(source, destination, time, message)
            take_in(nodes)
            for u, v, t, e in zip(source.tolist(), destination.tolist(), time.tolist(), message, strict=True):
                waiting.setdefault(u, []).append((0, v, t, e))
                waiting.setdefault(v, []).append((1, u, t, e))
            torch.testing.assert_close(memory.memory, torch.stack([state[n] for n in range(N)]))
        take_in(list(range(N)))
        memory.eval()
    torch.testing.assert_close(memory.memory, torch.stack([state[n] for n in range(N)]))
    assert memory.last_update.tolist() == [since[n] for n in range(N)]
    assert memory.memory[N - 1].abs().sum() == 0


def test_state_survives_saving_and_is_forgotten_when_told():
    memory = model(LastMessage())
    for events in stream(4, bipartite=False):
        memory.update(*events)
    memory.eval()
    other = TGNMemory(N, MESSAGE, MEMORY, TIME).eval()
    other.load_state_dict(memory.state_dict())
    for one in (memory, other):
        for events in stream(2, 9, bipartite=False):
            one.update(*events)
    assert torch.equal(memory.memory, other.memory)
    memory.train()
    memory.update(*next(stream(1, bipartite=False)))
    memory.reset_state()
    memory.eval()
    assert memory.memory.abs().sum() == memory.last_update.sum() == 0


def test_a_store_keeps_the_last_events_of_each_node():
    draw = torch.Generator().manual_seed(0)
    store, kept = EventStore(50, 2), {}
    for number in range(200):
        count = int(torch.randint(0, 40, (1,), generator=draw))
        node = torch.randint(0, 50, (count,), generator=draw)
        events = Events(node, node + 1, torch.arange(count) + number * 100, torch.randn(count, 2, generator=draw))
        store.put(events)
        for n in set(node.tolist()):
            kept[n] = events.time[node == n].tolist()
        gone = torch.randint(0, 50, (3,), generator=draw)
        store.drop(gone)
        for n in gone.tolist():
            kept.pop(n, None)
        asked = torch.randperm(50, generator=draw)[:10]
        found = store.of(asked)
        assert found.time.tolist() == [t for n in asked.tolist() for t in kept.get(n, [])]
        assert torch.equal(found.other, found.node + 1)
    assert store._buffer.node.shape[0] <= 2048


def test_no_messages_at_all():
    memory = model(MeanMessage())
    memory.update(*(torch.empty(0, dtype=torch.int64) for _ in range(3)), torch.empty(0, MESSAGE))
    found, since = memory(torch.tensor([3, 1]))
    assert found.abs().sum() == since.sum() == 0
    with pytest.raises(ValueError, match=r"message: expected \(M, 3\), got \(1, 2\)"):
        memory.update(*(torch.zeros(1, dtype=torch.int64) for _ in range(3)), torch.zeros(1, 2))
    assert IdentityMessage(MESSAGE, MEMORY, TIME).out_channels == memory.gru.input_size

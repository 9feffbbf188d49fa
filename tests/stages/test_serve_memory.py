"""What a server holds for its clients, and what ends it."""

import signal
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from servers import server_process, serving

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.errors import ResourceError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.remote import Connection, open_served
from gnnctl.remote.protocol import Request
from gnnctl.sampling.methods import open_method
from gnnctl.sampling.spec import SampleSpec


@pytest.fixture
def wide(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((40_000, 256), np.float32)  # 40 MB: more than a connection buffers
    graph = Graph.from_coo(40_000, rng.integers(0, 40_000, (2, 80_000)), x=x)
    with ArtifactWriter(tmp_path / "graph", Recipe("graph", "ingest", 1, {})) as writer:
        graph.write(writer)
    return tmp_path


def test_a_slow_client_holds_back_nobody_and_little_memory(wide):
    with serving(wide, threads=1, memory=8 << 20) as (server, address):
        # Clients of one process share a connection unless told not to.
        slow = flight.FlightClient(address, generic_options=[("grpc.use_local_subchannel_pool", 1)])
        ask = flight.Ticket(Request("array", {"name": "nodes/node/x", "start": 0, "stop": 40_000}).ticket())
        stuck = []
        try:
            with pytest.raises(pa.ArrowInvalid, match="that it holds"):
                for _ in range(20):  # begins to read each, and no more
                    stuck.append(slow.do_get(ask))
                    stuck[-1].read_chunk()
            assert 4 <= len(stuck) <= 8
            time.sleep(0.3)
            assert 0 < sum(server.held.values()) <= 8 << 20
            graph = open_served(address)
            method = open_method(graph, SampleSpec.uniform(graph.edge_types, (5, 5)), features=True)
            found = []
            other = threading.Thread(target=lambda: found.append(method.sample(np.arange(64), "node", 1)), daemon=True)
            other.start()
            other.join(20)
            assert found
            x = np.asarray(Graph.open(wide / "graph").nodes["node"].x)
            assert np.array_equal(graph.nodes["node"].features(), x)  # whole, while the others are stuck
        finally:
            for reader in stuck:
                reader.cancel()
            slow.close()
        deadline = time.monotonic() + 20
        while server.held and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.held == {}  # what a client that has gone had is let go of


def test_a_sample_that_is_too_large_is_refused(wide):
    with serving(wide, memory=2 << 20) as (_, address):
        graph = open_served(address)
        method = open_method(graph, SampleSpec.uniform(graph.edge_types, (-1, -1)))
        with pytest.raises(UsageError, match="over the 2,097,152 of a client"):
            method.sample(np.arange(40_000), "node", 1)
        assert method.sample(np.arange(10), "node", 1).num_nodes > 10


@pytest.mark.parametrize("fan_outs", [(2**31 - 1,), (1000, 1000)])
def test_draws_with_replacement_that_no_degree_bounds_are_refused_before_they_are_made(wide, fan_outs):
    with serving(wide, memory=16 << 20) as (_, address):
        graph = open_served(address)
        drawn = SampleSpec.uniform(graph.edge_types, fan_outs, replace=True, disjoint=True)
        with pytest.raises(UsageError, match=r"over the 16,777,216 of a client"):
            open_method(graph, drawn).sample(np.arange(5), "node", 1)
        bounded = open_method(graph, SampleSpec.uniform(graph.edge_types, fan_outs, disjoint=True))
        assert bounded.sample(np.arange(5), "node", 1).num_nodes >= 5


def test_a_signal_ends_the_server_even_while_a_client_does_not_read(wide):
    with server_process(wide) as (process, address):
        ask = Request("array", {"name": "nodes/node/x", "start": 0, "stop": 40_000}).ticket()
        reader = flight.FlightClient(address).do_get(flight.Ticket(ask))
        reader.read_chunk()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        with pytest.raises(ResourceError, match="is not reached"):
            Connection(address)

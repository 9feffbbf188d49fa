import pytest

from gnnctl.bench import Timing, interleave, machine_facts, machine_rates
from gnnctl.native import random_gather_rate, stream_bandwidth


def test_sides_take_turns_and_warm_up_is_thrown_away():
    calls = []

    def side(name):
        def run():
            calls.append(name)
            return {"s": float(len(calls))}

        return run

    found = interleave({"a": side("a"), "b": side("b")}, repeats=3, warmup=1)
    assert calls == ["a", "b"] * 4
    assert found["a"]["s"].values == (3.0, 5.0, 7.0)
    assert found["b"]["s"].median == 6.0


def test_a_timing_says_median_extremes_and_spread():
    timing = Timing((1.0, 2.0, 3.0, 4.0, 100.0))
    document = timing.scaled(1e3).to_json()
    assert (document["median"], document["min"], document["max"], document["repeats"]) == (3e3, 1e3, 100e3, 5)
    assert timing.spread == pytest.approx((4 - 2) / 2 / 3)
    assert Timing((5.0,)).spread == 0


def test_the_machine_is_described_and_measured():
    facts = machine_facts()
    assert facts["processor"]
    assert facts["cores"] >= 1
    assert facts["versions"]["torch"]
    rates = machine_rates(repeats=2, entries=1 << 12)
    assert len(rates["gather"].values) == len(rates["copy"].values) == 2
    assert min(*rates["gather"].values, *rates["copy"].values) > 0


@pytest.mark.parametrize("arguments", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (2**32, 1, 1)])
def test_the_gather_checks_its_arguments(arguments):
    with pytest.raises(ValueError, match="expected"):
        random_gather_rate(*arguments)


def test_the_copy_checks_its_arguments():
    with pytest.raises(ValueError, match="bytes: expected"):
        stream_bandwidth(0, 1)

"""Benchmarks that anyone can repeat: generated graphs, the machine's own limits, interleaved timings, reports."""

from gnnctl.bench.machine import machine_facts, machine_rates
from gnnctl.bench.rmat import rmat, typed_rmat, uniform
from gnnctl.bench.timing import Timing, interleave

__all__ = ["Timing", "interleave", "machine_facts", "machine_rates", "rmat", "typed_rmat", "uniform"]

"""One call for all types against one for each: per-type Linears, relations of a converted model, RGCN's three forms.

    OMP_NUM_THREADS=1 python tests/benchmarks/grouped.py [--quick]

Sides alternate and their medians are compared, so that what else the machine does meets both; a ratio above 1 says how
much faster the grouped side is. A step is a forward and a backward pass.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.graph.types import EdgeType
from gnnctl.nn.conv import RGCNConv, SAGEConv
from gnnctl.nn.hetero import group_types, to_hetero
from gnnctl.nn.hetero.grouped import GroupedLinear

WIDTH = 64


def medians(sides: dict[str, Callable[[], None]], budget: float) -> dict[str, float]:
    """Milliseconds of each side, taken in turn until the time is spent."""
    for run in sides.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in sides}
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(taken[next(iter(sides))]) < 5:
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(times) for name, times in taken.items()}


def show(what: str, found: dict[str, float], grouped: str = "grouped") -> None:
    """One line: milliseconds, and each other side's over the grouped one's."""
    times = "  ".join(f"{name} {value:8.2f} ms" for name, value in found.items())
    ratios = "  ".join(
        f"{name}/{grouped} {value / found[grouped]:5.2f}" for name, value in found.items() if name != grouped
    )
    print(f"{what:44s} {times}   {ratios}", flush=True)


def linears(types: int, rows: int, budget: float) -> None:
    """T Linears on ``rows`` rows each."""
    loop = [nn.Linear(WIDTH, WIDTH) for _ in range(types)]
    grouped = GroupedLinear(loop)
    xs = [torch.randn(rows, WIDTH, requires_grad=True) for _ in range(types)]
    grads = [torch.randn(rows, WIDTH) for _ in range(types)]
    sides = {
        "loop": lambda: torch.autograd.backward([linear(x) for linear, x in zip(loop, xs, strict=True)], grads),
        "grouped": lambda: torch.autograd.backward(grouped(xs), grads),
    }
    show(f"Linear, {types} types of {rows} rows", medians(sides, budget))


class Layer(nn.Module):
    """What is converted."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SAGEConv(WIDTH, WIDTH)

    def forward(self, x, edge_index):  # type: ignore[no-untyped-def]
        """(n, WIDTH)."""
        return self.conv(x, edge_index)


def converted(relations: int, nodes: int, edges: int, budget: float) -> None:
    """A converted SAGE layer over four node types, ``edges`` edges in all."""
    names = [f"t{i}" for i in range(4)]
    types = [EdgeType(names[i % 4], f"r{i}", names[i // 4 % 4]) for i in range(relations)]
    x = {name: torch.randn(nodes // 4, WIDTH, requires_grad=True) for name in names}
    index = {}
    for t in types:
        index[t], _ = EdgeIndex.from_coo(torch.randint(0, nodes // 4, (2, edges // relations)), nodes // 4)
        index[t].transposed()
    loop = to_hetero(Layer(), (names, types))
    sides = {
        name: stepped(model, x, index)
        for name, model in (("loop", loop), ("grouped", group_types(loop, least_relations=1)))
    }
    show(f"converted, {relations} relations, {nodes} nodes, {edges} edges", medians(sides, budget))


def stepped(model: nn.Module, x: dict[str, torch.Tensor], index: dict[EdgeType, EdgeIndex]) -> Callable[[], None]:
    """A training step of a typed model."""
    return lambda: sum(out.sum() for out in model(x, index).values()).backward()


def forms(relations: int, nodes: int, edges: int, budget: float) -> None:
    """RGCN's three forms over one node type."""
    coo, kinds = torch.randint(0, nodes, (2, edges)), torch.randint(0, relations, (edges,))
    index, _ = EdgeIndex.from_coo(coo, nodes)
    index.transposed()
    x = torch.randn(nodes, WIDTH, requires_grad=True)
    sides: dict[str, Callable[[], None]] = {}
    for form in ("loop", "stacked", "grouped"):
        if form == "stacked" and nodes * relations * WIDTH > 1 << 28:
            continue
        layer = RGCNConv(WIDTH, WIDTH, relations, form=form)  # type: ignore[arg-type]
        sides[form] = lambda layer=layer: layer(x, index, kinds).sum().backward()  # type: ignore[misc]
    show(f"RGCN, {relations} relations, {nodes} nodes, {edges} edges", medians(sides, budget))


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a second a line")
    budget = 0.5 if parser.parse_args().quick else 3.0
    torch.manual_seed(0)
    print(f"{torch.get_num_threads()} threads, width {WIDTH}")
    for types in (2, 4, 8, 64, 512):
        for rows in (8, 64, 512):
            if types * rows <= 1 << 16:
                linears(types, rows, budget)
    for relations in (2, 4, 8, 64, 512):
        for nodes, edges in ((2_000, 10_000), (20_000, 100_000)):
            converted(relations, nodes, edges, budget)
    for relations in (2, 8, 64, 512):
        forms(relations, 2_000, 20_000, budget)


if __name__ == "__main__":
    main()

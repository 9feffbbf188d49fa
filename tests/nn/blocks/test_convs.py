"""Every convolution, against the oracle with the same weights, and what must hold of any."""

import importlib
from pathlib import Path

import pytest
import torch
from conv_case import NODE_VALUES, WIDTH, given, tied

import gnnctl.nn.conv as conv
from gnnctl.graph.edge_index import EdgeIndex

FILES = sorted(p.stem for p in Path(__file__).parent.glob("conv_*.py") if p.stem != "conv_case")
CASES = [case for file in FILES for case in importlib.import_module(file).CASES]
NODES, EDGES = 30, 160


def first_of_each_class():
    """Compiling is slow: one case of each class, and those that ask for it."""
    seen = set()
    for case in CASES:
        kinds = {type(module).__name__ for module in case.ours().modules()} & set(conv.__all__)
        if case.compiles or not kinds <= seen:
            yield case
        seen |= kinds


every = pytest.mark.parametrize("case", CASES, ids=str)


def random_edges(num_src, num_dst, count, *, seed=0):
    """Edges with repetitions, though of loops only one a node; the last three destinations and sources have none."""
    draw = torch.Generator().manual_seed(seed)
    coo = torch.stack([torch.randint(0, n - 3, (count,), generator=draw) for n in (num_src, num_dst)])
    loop, seen = coo[0] == coo[1], torch.full((num_src,), count)
    place = torch.arange(count)
    first = seen.scatter_reduce(0, coo[0], torch.where(loop, place, count), "amin")
    return coo[:, ~loop | (first[coo[0]] == place)]


def leaves(values):
    return [v.requires_grad_() for v in values if v.is_floating_point()]


def sorted_values(values, order):
    return {n: v if n in NODE_VALUES else v[order] for n, v in values.items()}


def their_call(case, theirs, x, coo, values):
    if case.their_x is not None:
        x = case.their_x(x)
    return theirs(x, edge_index=coo, **{case.renames.get(n, n): v for n, v in values.items()})


def assert_near(mine, other, tolerance, least=1e-6):
    assert mine.shape == other.shape
    scale = float(other.detach().abs().max()) if other.numel() else 0.0
    difference = float((mine.detach() - other.detach()).abs().max()) if other.numel() else 0.0
    assert difference <= tolerance * max(scale, least), f"differs by {difference} of {scale}"


def joined(gradients):
    """Those of a group of parameters, one after the other."""
    known = [g.flatten() for g in gradients if g is not None]
    return torch.cat(known) if known else None


def assert_same(case, ours, theirs, inputs, pairs, tolerance):
    """Outputs, and the gradients of all inputs and parameters."""
    if not case.differentiable:
        assert torch.equal(ours, theirs)
        return
    assert_near(ours, theirs, tolerance)
    gradient = torch.randn(ours.shape, generator=torch.Generator().manual_seed(9))
    a = torch.autograd.grad(ours, [*inputs, *(p[0] for p in pairs)], gradient, allow_unused=True)
    groups = [(i,) for i in inputs] + [p[1] if isinstance(p[1], tuple) else (p[1],) for p in pairs]
    found = iter(torch.autograd.grad(theirs, [p for g in groups for p in g], gradient, allow_unused=True))
    b = [joined([next(found) for _ in group]) for group in groups]
    for place, (_, other, *arrange) in enumerate(pairs, start=len(inputs)):
        if arrange and b[place] is not None:
            b[place] = arrange[0](b[place].view_as(other)).flatten()
    # Some gradients are sums that cancel: rounding leaves something of the size of their terms.
    least = 1e-2 * max((float(g.abs().max()) for g in b if g is not None and g.numel()), default=0.0)
    for mine, other in zip(a, b, strict=True):
        if mine is None or other is None:
            assert all(g is None or not g.any() for g in (mine, other))
        else:
            assert_near(mine, other.view_as(mine), tolerance, least)


@every
def test_same_numbers_and_gradients_as_the_oracle(case):
    torch.manual_seed(1)
    ours = case.ours()
    theirs = None if case.theirs is None else case.theirs()
    assert (theirs is None) != (case.formula is None)
    for name, parameter in ours.named_parameters():  # whatever starts at zero or one would hide its part
        if name not in case.keeps:
            torch.nn.init.normal_(parameter, std=0.4)
    coo = random_edges(NODES, NODES, EDGES)
    edges, order = EdgeIndex.from_coo(coo, NODES)
    x, values = torch.randn(NODES, case.x_width), given(case.takes, NODES, coo.shape[1], torch.float32, seed=3)
    inputs = leaves([x, *values.values()])
    pairs = [(p, p) for p in ours.parameters()] if theirs is None else tied(case, ours, theirs)
    mine = ours(x, edges, **sorted_values(values, order))
    expected = case.formula(ours, x, coo, values) if theirs is None else their_call(case, theirs, x, coo, values)
    assert_same(case, mine, expected, inputs, pairs, case.tolerance)


@pytest.mark.parametrize("case", [c for c in CASES if c.pair is not None], ids=str)
def test_sources_and_destinations_of_different_kinds(case):
    torch.manual_seed(1)
    ours, theirs = case.pair[0](), case.pair[1]()
    x = torch.randn(20, WIDTH), torch.randn(25, case.pair_width)
    coo = random_edges(20, 25, 80)
    values = given(case.takes, 0, 80, torch.float32, seed=3)
    ends = [given(case.takes, nodes, 0, torch.float32, seed) for nodes, seed in ((20, 3), (25, 4))]
    values |= {n: (ends[0][n], ends[1][n]) for n in values if n in NODE_VALUES}
    edges, order = EdgeIndex.from_coo(coo, 20, 25)
    inputs = leaves([*x, *(t for v in values.values() for t in (v if isinstance(v, tuple) else (v,)))])
    pairs = tied(case, ours, theirs, pair=True)
    mine = ours(x, edges, **sorted_values(values, order))
    assert_same(case, mine, their_call(case, theirs, x, coo, values), inputs, pairs, case.tolerance)


@pytest.mark.parametrize("case", [c for c in CASES if c.equivariant], ids=str)
def test_renumbered_nodes_and_shuffled_edges_give_the_same_rows(case):
    torch.manual_seed(2)
    layer = case.ours().double().eval()
    coo = random_edges(NODES, NODES, EDGES)
    count = coo.shape[1]
    x, values = torch.randn(NODES, case.x_width, dtype=torch.float64), given(case.takes, NODES, count, torch.float64, 4)
    order, shuffle = torch.randperm(NODES), torch.randperm(count)
    if "batch" in values:  # graphs stay contiguous
        order = torch.cat([torch.randperm(NODES // 2), NODES // 2 + torch.randperm(NODES - NODES // 2)])
    before = layer(x, coo, **values)
    moved = {n: v[order] if n in NODE_VALUES else v[shuffle] for n, v in values.items()}
    after = layer(x[order], torch.argsort(order)[coo][:, shuffle], **moved)
    torch.testing.assert_close(after, before[order])


@every
@pytest.mark.parametrize("kind", ["none", "loops", "one node", "no nodes"])
def test_graphs_with_hardly_anything(case, kind):
    torch.manual_seed(2)
    layer = case.ours().eval()
    nodes = {"one node": 1, "no nodes": 0}.get(kind, 5)
    coo = torch.arange(nodes).expand(2, nodes) if kind == "loops" else torch.empty(2, 0, dtype=torch.int64)
    x = torch.randn(nodes, case.x_width, requires_grad=True)
    out = layer(x, coo, **given(case.takes, nodes, coo.shape[1], torch.float32, 4))
    assert out.shape[0] == nodes
    assert out.isfinite().all()
    if out.requires_grad:  # nothing may arrive anywhere, of nodes without edges
        out.sum().backward()
    assert x.grad is None or x.grad.isfinite().all()


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=str)
def test_gradients_by_finite_differences(case):
    torch.manual_seed(3)
    layer = case.ours().double().eval()
    coo = random_edges(7, 7, 15, seed=3)
    values = given(case.takes, 7, coo.shape[1], torch.float64, 5)
    x = torch.randn(7, case.x_width, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: layer(v, coo, **values), (x,), fast_mode=True)


@pytest.mark.parametrize("case", list(first_of_each_class()), ids=str)
def test_compiles_whole_and_once(case):
    torch._dynamo.reset()
    torch.manual_seed(3)
    layer = case.ours().eval()
    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    for nodes, count in ((12, 40), (17, 61)):
        coo = random_edges(nodes, nodes, count)
        edges, order = EdgeIndex.from_coo(coo, nodes)
        edges.transposed()
        values = sorted_values(given(case.takes, nodes, coo.shape[1], torch.float32, 5), order)
        x = torch.randn(nodes, case.x_width, requires_grad=True)
        out, plain = compiled(x, edges, **values), layer(x, edges, **values)
        torch.testing.assert_close(out, plain, rtol=1e-4, atol=1e-5)
        if case.differentiable:
            out.sum().backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@every
def test_weights_survive_a_round_trip(case, tmp_path):
    torch.manual_seed(4)
    first, second = case.ours().eval(), case.ours().eval()
    torch.save(first.state_dict(), tmp_path / "weights.pt")
    second.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    coo = random_edges(NODES, NODES, EDGES)
    values = given(case.takes, NODES, coo.shape[1], torch.float32, 5)
    x = torch.randn(NODES, case.x_width)
    torch.testing.assert_close(first(x, coo, **values), second(x, coo, **values))


@every
def test_autocast_gives_about_the_same(case):
    torch.manual_seed(0)
    layer = case.ours().eval()
    coo = random_edges(NODES, NODES, EDGES)
    values = given(case.takes, NODES, coo.shape[1], torch.float32, seed=3)
    x = torch.randn(NODES, case.x_width, requires_grad=True)
    exact = layer(x, coo, **values)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x, coo, **values)
    if case.differentiable:
        difference, scale = (float(t.detach().abs().max()) for t in (out.float() - exact, exact))
        assert difference < 0.05 * max(scale, 1.0)
        out.float().sum().backward()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize("case", [c for c in CASES if "edge_mask" in c.ours().inputs], ids=str)
def test_a_mask_of_ones_changes_nothing(case):
    torch.manual_seed(4)
    layer = case.ours().eval()
    coo = random_edges(NODES, NODES, EDGES)
    values = given(case.takes, NODES, coo.shape[1], torch.float32, 5)
    x, mask = torch.randn(NODES, case.x_width), torch.ones(coo.shape[1], requires_grad=True)
    out = layer(x, coo, edge_mask=mask, **values)
    torch.testing.assert_close(out, layer(x, coo, **values))
    out.square().sum().backward()
    assert mask.grad.abs().sum() > 0


def test_every_convolution_has_a_case():
    tested = {type(module).__name__ for case in CASES for module in case.ours().modules()}
    assert set(conv.__all__) <= tested, set(conv.__all__) - tested

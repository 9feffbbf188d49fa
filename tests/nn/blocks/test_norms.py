"""Every normalisation, against the oracle with the same weights, and what must hold of any."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import torch
import torch_geometric.nn as peer
from conv_case import tied
from torch import nn

import gnnctl.nn.norm as norms
from gnnctl.nn.models.encoder import RowNorm

WIDTH, SIZES = 4, (5, 0, 4, 1, 7)


@dataclass(frozen=True)
class NormCase:
    """A normalisation of ours and the peer's.

    Attributes:
        name: of the test.
        ours: makes ours.
        theirs: makes the peer's.
        names: our parameter or buffer -> the peer's, where they differ.
        graphs: whether it is told of the graphs of a batch.
        alone: the peer's numbers for one graph differ from those of a batch of one.
        second: takes a second (N, WIDTH) tensor.
    """

    name: str
    ours: Callable[[], nn.Module]
    theirs: Callable[[], nn.Module]
    names: Mapping[str, str] = field(default_factory=dict)
    graphs: bool = True
    alone: bool = False
    second: bool = False
    tie: None = None
    pair_names: None = None

    def __str__(self) -> str:
        return self.name


def both(name: str, kind: str, *args: object, **options: object) -> NormCase:
    """A case of two classes that take the same arguments."""
    graphs = kind not in ("BatchNorm", "DiffGroupNorm", "MessageNorm")
    return NormCase(
        name,
        lambda: getattr(norms, kind)(*args, **options),
        lambda: getattr(peer, kind)(*args, **options),
        graphs=graphs,
        alone=kind == "LayerNorm",
        second=kind == "MessageNorm",
    )


MODULE = {n: f"module.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
CASES = [
    replace(both("batch", "BatchNorm", WIDTH), names=MODULE),
    replace(both("batch-plain", "BatchNorm", WIDTH, affine=False), names=MODULE),
    both("instance", "InstanceNorm", WIDTH),
    replace(both("instance-affine", "InstanceNorm", WIDTH, affine=True, momentum=0.3)),
    NormCase(
        "instance-tracked",
        lambda: norms.InstanceNorm(WIDTH, affine=True, track_running_stats=True),
        lambda: _without_counter(peer.InstanceNorm(WIDTH, affine=True, track_running_stats=True)),
    ),
    both("layer-graph", "LayerNorm", WIDTH),
    both("layer-node", "LayerNorm", WIDTH, mode="node"),
    both("layer-plain", "LayerNorm", WIDTH, affine=False),
    both("graph", "GraphNorm", WIDTH),
    both("graph-size", "GraphSizeNorm"),
    both("pair", "PairNorm", 1.5),
    NormCase(
        "pair-individually",
        lambda: norms.PairNorm(individually=True),
        lambda: peer.PairNorm(scale_individually=True),
    ),
    both("mean-subtraction", "MeanSubtractionNorm"),
    both("message", "MessageNorm"),
    both("message-learned", "MessageNorm", learn_scale=True),
    NormCase(
        "diff-group",
        lambda: norms.DiffGroupNorm(WIDTH, 3, balance=0.5),
        lambda: peer.DiffGroupNorm(WIDTH, 3, lamda=0.5),
        graphs=False,
    ),
]
every = pytest.mark.parametrize("case", CASES, ids=str)


def _without_counter(module):
    module.num_batches_tracked = None
    return module


def made(case, seed=1):
    torch.manual_seed(seed)
    module = case.ours()
    for parameter in module.parameters():
        nn.init.normal_(parameter, mean=0.5, std=0.4)
    return module


def ptr_of(sizes):
    return torch.tensor([0, *sizes]).cumsum(0)


def inputs(case, count, dtype=torch.float32, seed=5):
    draw = torch.Generator().manual_seed(seed)
    found = [
        (2 * torch.randn(count, WIDTH, generator=draw, dtype=torch.float64) + 1).to(dtype).requires_grad_()
        for _ in range(1 + case.second)
    ]
    return found


def told(case, ptr):
    return {"ptr": ptr} if case.graphs else {}


@every
@pytest.mark.parametrize("batched", [True, False])
def test_same_numbers_and_gradients_as_the_oracle_in_training_and_after(case, batched):
    ours, theirs = made(case), case.theirs()
    pairs = [(p, q) for p, (q,) in tied(case, ours, theirs)]
    ptr = ptr_of(SIZES) if batched else ptr_of((17,))
    index = torch.repeat_interleave(torch.arange(len(ptr) - 1), ptr.diff())
    for step in range(3):
        ours.train(step < 2)
        theirs.train(step < 2)
        xs = inputs(case, 17, seed=step)
        mine = ours(*xs, **(told(case, ptr) if batched else {}))
        if not case.graphs:
            other = theirs(*xs)
        elif batched:
            other = theirs(*xs, index, len(ptr) - 1)
        else:
            other = theirs(*xs, index, 1) if case.alone else theirs(*xs)
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=2e-5)
        gradient = torch.randn(mine.shape)
        wanted = [p for p, _ in pairs if p.requires_grad], [q for _, q in pairs if q.requires_grad]
        a = torch.autograd.grad(mine, [*xs, *wanted[0]], gradient)
        b = torch.autograd.grad(other, [*xs, *wanted[1]], gradient)
        for own, its in zip(a, b, strict=True):
            torch.testing.assert_close(own, its.view_as(own), rtol=1e-5, atol=2e-5)
        state = dict(theirs.named_buffers())
        for name, buffer in ours.named_buffers():
            torch.testing.assert_close(buffer, state[case.names.get(name, name)])


@every
def test_the_order_of_nodes_within_graphs_does_not_matter(case):
    module, ptr = made(case).double(), ptr_of(SIZES)
    xs = inputs(case, 17, torch.float64)
    order = torch.cat([int(a) + torch.randperm(int(b - a)) for a, b in pairwise(ptr)])
    before = module(*xs, **told(case, ptr))
    torch.testing.assert_close(module(*(x[order] for x in xs), **told(case, ptr)), before[order])


@pytest.mark.parametrize("case", [c for c in CASES if c.graphs], ids=str)
def test_no_graphs_given_is_one_graph(case):
    module = made(case).double()
    (x,) = inputs(case, 6, torch.float64)
    torch.testing.assert_close(module(x), module(x, ptr_of((6,))))


@every
@pytest.mark.parametrize("sizes", [(0,), (0, 0), (1,), (1, 0)], ids=str)
def test_hardly_any_nodes(case, sizes):
    module = made(case)
    xs = inputs(case, sum(sizes))
    before = {n: b.clone() for n, b in module.named_buffers()}
    for given in (told(case, ptr_of(sizes)), {}):
        out = module(*xs, **given)
        assert out.shape == (sum(sizes), WIDTH)
        assert out.isfinite().all()
        out.sum().backward()
        assert all(x.grad.isfinite().all() for x in xs)
    assert all(b.isfinite().all() for b in module.buffers())
    if sum(sizes) == 0:
        assert all(torch.equal(b, before[n]) for n, b in module.named_buffers())


@every
def test_gradients_by_finite_differences(case):
    module = made(case).double()
    xs = tuple(inputs(case, 17, torch.float64))
    assert torch.autograd.gradcheck(lambda *v: module(*v, **told(case, ptr_of(SIZES))), xs, fast_mode=True)


@every
def test_compiles_whole_and_once(case):
    torch._dynamo.reset()
    module, plain = made(case), made(case)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    for sizes in (SIZES, (3, 0, 9, 1)):
        xs = inputs(case, sum(sizes))
        out, expected = compiled(*xs, **told(case, ptr_of(sizes))), plain(*xs, **told(case, ptr_of(sizes)))
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
        out.sum().backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    for mine, other in zip(module.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine, other)


@every
def test_weights_survive_a_round_trip_and_are_drawn_anew(case, tmp_path):
    first, second, fresh = made(case), case.ours(), case.ours()
    xs = inputs(case, 17)
    first(*xs)
    torch.save(first.state_dict(), tmp_path / "weights.pt")
    second.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    torch.testing.assert_close(second.eval()(*xs), first.eval()(*xs))
    if hasattr(first, "reset_parameters"):
        first.reset_parameters()
        for name, value in first.state_dict().items():
            if not name.startswith("lin"):
                assert torch.equal(value, fresh.state_dict()[name])


# -- typed norms ------------------------------------------------------------------------------------------------------

TYPES = torch.tensor([2, 0, 0, 2, 3, 0, 2, 0, 2])


def of_each_type(kind, typed):
    """Norms that are one type's each, with its weights."""
    made = []
    for t in range(typed.num_types):
        alone = norms.BatchNorm(WIDTH) if kind == "batch" else norms.LayerNorm(WIDTH, mode="node")
        with torch.no_grad():
            alone.weight.copy_(typed.weight[t])
            alone.bias.copy_(typed.bias[t])
        made.append(alone)
    return made


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_a_typed_norm_is_that_of_each_type_alone(kind):
    torch.manual_seed(0)
    typed = norms.TypedNorm(kind, WIDTH, 5)
    for parameter in typed.parameters():
        nn.init.normal_(parameter)
    alone = of_each_type(kind, typed)
    for step in range(3):
        for module in (typed, *alone):
            module.train(step < 2)
        x = torch.randn(len(TYPES), WIDTH, requires_grad=True)
        out, expected = typed(x, TYPES), torch.empty(len(TYPES), WIDTH)
        for t, module in enumerate(alone):
            there = TYPES.eq(t)
            if there.any():
                expected[there] = module(x[there])
        torch.testing.assert_close(out, expected)
        weight = torch.randn(out.shape)
        torch.testing.assert_close(*(torch.autograd.grad((o * weight).sum(), x)[0] for o in (out, expected)))
        if kind == "batch":
            torch.testing.assert_close(typed.running_mean, torch.stack([m.running_mean for m in alone]))
            torch.testing.assert_close(typed.running_var, torch.stack([m.running_var for m in alone]))


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_a_typed_norm_gives_the_oracle_s_numbers(kind):
    x = torch.randn(40, WIDTH)
    types = torch.arange(40) % 3
    typed = norms.TypedNorm(kind, WIDTH, 3, eps=1e-12)
    other = (peer.HeteroBatchNorm if kind == "batch" else peer.HeteroLayerNorm)(WIDTH, 3, eps=1e-12)
    for mine, its in ((typed.weight, other.weight), (typed.bias, other.bias)):
        nn.init.normal_(mine)
        its.data.copy_(mine.data)
    torch.testing.assert_close(typed(x, types), other(x, types))


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_a_typed_norm_neither_sees_the_order_of_nodes_nor_loses_its_weights(kind, tmp_path):
    torch.manual_seed(2)
    first, second = norms.TypedNorm(kind, WIDTH, 5), norms.TypedNorm(kind, WIDTH, 5)
    for parameter in first.parameters():
        nn.init.normal_(parameter)
    x, order = torch.randn(len(TYPES), WIDTH), torch.randperm(len(TYPES))
    torch.testing.assert_close(first(x[order], TYPES[order]), first(x, TYPES)[order])
    torch.save(first.state_dict(), tmp_path / "weights.pt")
    second.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    torch.testing.assert_close(second.eval()(x, TYPES), first.eval()(x, TYPES))


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_sorted_nodes_may_come_with_bounds(kind):
    typed = norms.TypedNorm(kind, WIDTH, 4, track_running_stats=False).double()
    nn.init.normal_(typed.weight)
    x = torch.randn(9, WIDTH, dtype=torch.float64, requires_grad=True)
    types, order = TYPES.sort(stable=True)
    bounds = torch.searchsorted(types, torch.arange(5))
    torch.testing.assert_close(typed(x, TYPES)[order], typed(x[order], ptr=bounds))
    assert torch.autograd.gradcheck(lambda v: typed(v, TYPES), (x,), fast_mode=True)
    assert typed(x[:0], TYPES[:0]).shape == (0, WIDTH)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_a_typed_norm_compiles_whole_and_once(kind):
    torch._dynamo.reset()
    module, plain = norms.TypedNorm(kind, WIDTH, 4), norms.TypedNorm(kind, WIDTH, 4)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    for count in (9, 14):
        x, types = torch.randn(count, WIDTH, requires_grad=True), torch.arange(count) % 4
        out = compiled(x, types)
        torch.testing.assert_close(out, plain(x, types))
        out.sum().backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    module.reset_parameters()
    fresh = norms.TypedNorm(kind, WIDTH, 4).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("nodes", [30, 1500])
def test_distances_between_classes_over_those_within(nodes):
    torch.manual_seed(3)
    y = torch.randint(0, 4, (nodes,))
    x = torch.randn(nodes, WIDTH) + 3 * y[:, None]
    found = norms.DiffGroupNorm.group_distance_ratio(x, y, eps=0.1)
    assert found == pytest.approx(peer.DiffGroupNorm.group_distance_ratio(x, y, eps=0.1), rel=1e-4)
    assert norms.DiffGroupNorm.group_distance_ratio(x, 7 * y - 3, eps=0.1) == pytest.approx(found)
    assert norms.DiffGroupNorm.group_distance_ratio(x - 3 * y[:, None], y) < 0.8 * found
    for wrong in (torch.zeros_like(y), y[1:]):
        with pytest.raises(ValueError, match="y "):
            norms.DiffGroupNorm.group_distance_ratio(x, wrong)


# -- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: norms.LayerNorm(3, mode="edge"), "mode must be graph or node"),
        (lambda: norms.TypedNorm("graph", 3, 2), "kind must be batch or layer"),
        (lambda: norms.TypedNorm("batch", 3, 2)(torch.ones(2, 3)), "give either node_type or ptr"),
    ],
)
def test_arguments_that_fit_nothing_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", ["batch", "layer", "diff-group"])
def test_norms_of_models_do_not_depend_on_the_batch_when_they_predict(kind):
    torch.manual_seed(1)
    norm, x = RowNorm(kind, WIDTH), torch.randn(20, WIDTH)
    norm(x)
    norm.eval()
    torch.testing.assert_close(norm(x)[3:5], norm(x[3:5]))
    assert not torch.equal(norm(x), x)
    norm.train()
    assert norm(x[:1]).isfinite().all()


def test_every_norm_has_a_case():
    assert set(norms.__all__) == {type(case.ours()).__name__ for case in CASES} | {"TypedNorm"}

"""Every aggregation, against the oracle with the same weights, and what must hold of any."""

import dataclasses
from itertools import pairwise

import pytest
import torch
import torch_geometric.nn as peer
from aggr_case import CASES, WIDTH
from conv_case import tied
from hypothesis import given, settings
from hypothesis import strategies as st

import gnnctl.nn.aggr as aggr
from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.aggr.base import Aggregation
from gnnctl.nn.aggr.buckets import WASTE, buckets_of, by_buckets
from gnnctl.nn.ops import gather_src

every = pytest.mark.parametrize("case", CASES, ids=str)


def ptr_of(sizes):
    return torch.tensor([0, *sizes]).cumsum(0)


def rows(case, count, dtype=torch.float32, seed=5):
    found = torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
    return (found.abs() + 0.1 if case.positive else found).requires_grad_()


def made(case, seed=1, **bound):
    """Ours, with weights that hide nothing by being zero or one."""
    torch.manual_seed(seed)
    module = case.ours(**bound)
    for name, parameter in module.named_parameters():
        if name not in ("t", "p"):
            torch.nn.init.normal_(parameter, std=0.4)
    if isinstance(module, aggr.DegreeScalerAggregation) and module.average.requires_grad:
        module.reset_parameters()
    return module.eval()


def assert_near(mine, other, tolerance=1e-5, least=1e-6):
    assert mine.shape == other.shape
    scale = max(float(other.detach().abs().max()), least) if other.numel() else 1
    difference = float((mine.detach() - other.detach()).abs().max()) if other.numel() else 0.0
    assert difference <= tolerance * scale, f"differs by {difference} of {scale}"


@every
def test_same_numbers_and_gradients_as_the_oracle(case):
    ours, theirs = made(case), case.theirs().eval()
    pairs = [(p, q) for p, (q,) in tied(dataclasses.replace(case, names=case.tied_names(ours)), ours, theirs)]
    ptr = ptr_of(case.sizes)
    x, index = rows(case, int(ptr[-1])), torch.repeat_interleave(torch.arange(len(case.sizes)), ptr.diff())
    mine = ours(x, ptr)
    if case.alone:
        there = ptr.diff() > 0
        assert not mine[~there].any()
        mine = mine[there]
        groups = [x[a:b] for a, b in pairwise(ptr) if b > a]
        other = torch.cat([theirs(g, torch.zeros(len(g), dtype=torch.int64), dim_size=1) for g in groups])
    else:
        other = theirs(x, index, dim_size=len(case.sizes))
        if case.name == "mul":
            assert (mine[ptr.diff() == 0] == 1).all()
    assert_near(mine, other)
    gradient = torch.randn(mine.shape)
    a = torch.autograd.grad(mine, [x, *(p for p, _ in pairs)], gradient, allow_unused=True)
    b = torch.autograd.grad(other, [x, *(q for _, q in pairs)], gradient, allow_unused=True)
    for own, its in zip(a, b, strict=True):
        if own is None or its is None:
            assert all(g is None or not g.any() for g in (own, its))
        else:
            assert_near(own, its.view_as(own), least=1e-2)


@pytest.mark.parametrize("case", [c for c in CASES if not c.ordered], ids=str)
def test_the_order_of_rows_within_groups_does_not_matter(case):
    module, ptr = made(case).double(), ptr_of(case.sizes)
    x = rows(case, int(ptr[-1]), torch.float64)
    shuffle = torch.cat([int(a) + torch.randperm(int(b - a)) for a, b in pairwise(ptr)])
    torch.testing.assert_close(module(x[shuffle], ptr), module(x, ptr))


@every
def test_a_group_does_not_depend_on_the_others(case):
    module, ptr = made(case).double(), ptr_of(case.sizes)
    x = rows(case, int(ptr[-1]), torch.float64)
    alone = [module(x[a:b], torch.tensor([0, int(b - a)])) for a, b in pairwise(ptr)]
    torch.testing.assert_close(module(x, ptr), torch.cat(alone))


@every
@pytest.mark.parametrize("sizes", [(), (0,), (0, 0, 0), (1,), (5,)], ids=str)
def test_hardly_any_groups_or_rows(case, sizes):
    module, ptr = made(case), ptr_of(sizes)
    x = rows(case, sum(sizes))
    out = module(x, ptr)
    assert out.shape == (len(sizes), module.channels(WIDTH))
    assert out.isfinite().all()
    if out.requires_grad:
        out.sum().backward()
        assert x.grad is None or x.grad.isfinite().all()


@every
def test_gradients_by_finite_differences(case):
    module, ptr = made(case).double(), ptr_of((3, 0, 2, 4, 1))
    x = rows(case, 10, torch.float64)
    assert torch.autograd.gradcheck(lambda v: module(v, ptr), (x,), fast_mode=True)


@every
@pytest.mark.parametrize("weighted", [False, True])
def test_along_edges_is_the_same_as_over_messages(case, weighted):
    module = made(case).double()
    coo = torch.randint(0, 12, (2, 40), generator=torch.Generator().manual_seed(3)) % torch.tensor([[12], [10]])
    edges, _ = EdgeIndex.from_coo(coo, 12, 11)
    x, weight = rows(case, 12, torch.float64), None
    messages = gather_src(edges, x)
    if weighted:
        weight = torch.rand(40, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) + 0.1
        messages = messages * weight[:, None]
    mine, other = module.along(edges, x, weight), module(messages, edges.colptr)
    torch.testing.assert_close(mine, other)
    gradient = torch.randn(mine.shape, dtype=torch.float64)
    wanted = [x, *module.parameters()]
    a = torch.autograd.grad(mine, wanted, gradient, allow_unused=True)
    b = torch.autograd.grad(other, wanted, gradient, allow_unused=True)
    for own, its in zip(a, b, strict=True):
        torch.testing.assert_close(own, its)


@pytest.mark.parametrize("case", [c for c in CASES if c.compiled], ids=str)
def test_compiles_whole_and_once(case):
    torch._dynamo.reset()
    module = made(case, **({"max_group": 4} if case.bounded else {}))
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    torch._dynamo.utils.counters.clear()
    for sizes in ((0, 3, 1, 0, 0, 4), (2, 4, 0, 1, 3, 2, 2, 0)):
        ptr = ptr_of(sizes)
        x = rows(case, sum(sizes))
        out, plain = compiled(x, ptr), module(x, ptr)
        torch.testing.assert_close(out, plain, rtol=1e-4, atol=1e-5)
        gradient = torch.randn(out.shape)
        own, its = torch.autograd.grad(out, x, gradient)[0], torch.autograd.grad(plain, x, gradient)[0]
        torch.testing.assert_close(own, its, rtol=1e-4, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@every
def test_weights_survive_a_round_trip(case, tmp_path):
    first, second = made(case), case.ours().eval()
    torch.save(first.state_dict(), tmp_path / "weights.pt")
    second.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    ptr = ptr_of(case.sizes)
    x = rows(case, int(ptr[-1]))
    torch.testing.assert_close(first(x, ptr), second(x, ptr))


@every
def test_weights_are_drawn_anew(case):
    module = made(case)
    before = [p.clone() for p in module.parameters()]
    torch.manual_seed(2)
    module.reset_parameters()
    after = list(module.parameters())
    assert all(p.isfinite().all() for p in after)
    if len(before) > 2:
        assert all(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


@every
def test_autocast_computes_in_half_precision_or_better(case):
    module, ptr = made(case), ptr_of(case.sizes)
    x = rows(case, int(ptr[-1]))
    with torch.autocast("cpu", torch.bfloat16):
        out = module(x, ptr)
    out.float().square().sum().backward()
    assert x.grad.isfinite().all()
    out, expected = out.detach(), module(x, ptr).detach()
    assert float((out.float() - expected).norm()) <= 0.05 * float(expected.norm())


def test_every_aggregation_has_a_case_that_is_compiled():
    kinds = [getattr(aggr, name) for name in aggr.__all__]
    classes = {k.__name__ for k in kinds if isinstance(k, type) and issubclass(k, Aggregation)} - {"Aggregation"}
    assert classes == {type(case.ours()).__name__ for case in CASES}
    assert classes == {type(case.ours()).__name__ for case in CASES if case.compiled}


def test_weights_of_a_softmax_may_count_as_constants():
    x, ptr = torch.randn(9, WIDTH, requires_grad=True), ptr_of((3, 0, 4, 2))
    index, factor = torch.repeat_interleave(torch.arange(4), ptr.diff()), torch.randn(4, WIDTH)
    mine = aggr.SoftmaxAggregation(t=0.7, semi_grad=True)(x, ptr)
    other = peer.aggr.SoftmaxAggregation(t=0.7, semi_grad=True)(x, index, dim_size=4)
    torch.testing.assert_close(mine, other)
    torch.testing.assert_close(*(torch.autograd.grad(v, x, factor)[0] for v in (mine, other)))


# -- buckets ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=60), st.sampled_from([0.0, WASTE, 1.0]))
def test_buckets_hold_every_group_with_rows_once_and_waste_little(sizes, waste):
    ptr = ptr_of(sizes)
    buckets = buckets_of(ptr, waste)
    groups = [int(g) for b in buckets for g in b.groups]
    assert sorted(groups) == [g for g, size in enumerate(sizes) if size]
    for bucket in buckets:
        inside = [sizes[int(g)] for g in bucket.groups]
        assert max(inside) == bucket.length
        assert bucket.length * len(inside) <= (1 + waste) * sum(inside) + 1e-9
    for one, following in pairwise(buckets):  # so there are few
        assert following.length * (1 + waste) < one.length


def test_buckets_keep_gradients_of_absent_rows_out():
    ptr, x = ptr_of((2, 0, 3)), torch.randn(5, 2, requires_grad=True)
    out = by_buckets(x, ptr, lambda v, there: (v + 1).sum(1), 2)
    out.sum().backward()
    assert (x.grad == 1).all()


@pytest.mark.parametrize("name", ["lstm", "lcm"])
def test_a_group_above_the_bound_is_refused(name):
    module = next(c for c in CASES if c.name == name).ours(max_group=3)
    x, ptr = torch.randn(6, WIDTH), ptr_of((2, 4))
    with pytest.raises(ValueError, match="max_group is 3, but there is a group of 4 rows"):
        module(x, ptr)
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="eager")
    with pytest.raises(RuntimeError, match="a group has more rows than max_group = 3"):
        compiled(x, ptr)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch looks at it where a graph is broken
@pytest.mark.parametrize("name", ["gru", "lcm"])
def test_without_a_bound_a_graph_is_broken_around_the_aggregation(name):
    torch._dynamo.reset()
    module = made(next(c for c in CASES if c.name == name))
    x, ptr = torch.randn(7, WIDTH), ptr_of((2, 4, 0, 1))
    compiled = torch.compile(torch.nn.Sequential(Grouped(module, ptr), torch.nn.ReLU()), backend="aot_eager")
    torch.testing.assert_close(compiled(x), module(x, ptr).relu())
    torch._dynamo.reset()
    whole = torch.compile(module, fullgraph=True, backend="aot_eager")
    with pytest.raises(torch._dynamo.exc.Unsupported, match="give max_group"):
        whole(x, ptr)


class Grouped(torch.nn.Module):
    """An aggregation of fixed groups."""

    def __init__(self, module, ptr):
        super().__init__()
        self.module, self.ptr = module, ptr

    def forward(self, x):
        return self.module(x, self.ptr)


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", aggr.AGGREGATIONS)
def test_every_name_makes_an_aggregation(name):
    module = aggr.aggregation(name, 6)
    out = module(torch.rand(5, 6), ptr_of((2, 0, 3)))
    assert out.shape == (3, module.channels(6))


def test_parameters_belong_to_the_name_before_them():
    module = aggr.aggregation("mean,softmax:t=0.5,learn=true, quantile:q=0.9,std", 4)
    kinds = [type(a).__name__ for a in module.aggrs]
    assert kinds == ["MeanAggregation", "SoftmaxAggregation", "QuantileAggregation", "StdAggregation"]
    assert (float(module.aggrs[1].t.detach()), module.aggrs[2].q) == (0.5, 0.9)
    assert module.channels(4) == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mean,maks", "aggr must be among sum, mean, min.*, got 'maks'"),
        ("", "got ''"),
        ("q=1", "got 'q=1'"),
        ("softmax:temperature=1", "aggregation 'softmax': no parameter 'temperature'; it has t, learn, channels"),
        ("softmax:t=warm", "t is no float: 'warm'"),
        ("mean:t=1", "no parameter 't'; it has none"),
        ("quantile:q=2", "q must be within"),
        ("lstm", "'lstm' needs the width of the rows"),
    ],
)
def test_text_that_names_nothing_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        aggr.aggregation(text)


def test_one_of_a_sequence_is_itself():
    mean = aggr.MeanAggregation()
    assert aggr.aggregation([mean]) is mean
    assert isinstance(aggr.aggregation(["max"]), aggr.MaxAggregation)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: aggr.MultiAggregation([]), "aggrs is empty"),
        (lambda: aggr.MultiAggregation(["sum"], "product"), "combine must be"),
        (lambda: aggr.MultiAggregation(["sum", "max"], "attention"), "in_channels is needed"),
        (lambda: aggr.SoftmaxAggregation(channels=3), "channels must be 1"),
        (lambda: aggr.SoftmaxAggregation(learn=True, semi_grad=True), "semi_grad leaves t"),
        (lambda: aggr.PowerMeanAggregation(0), "p must not be zero"),
        (lambda: aggr.PowerMeanAggregation(channels=3), "channels must be 1"),
        (lambda: aggr.PowerMeanAggregation(2, least=0), "least and most"),
        (lambda: aggr.SortAggregation(0), "k must be"),
        (lambda: aggr.MLPAggregation(3, 3, 0), "max_group must be"),
        (lambda: aggr.LCMAggregation(3, 4, project=False), "project must be true"),
        (lambda: aggr.PatchTransformerAggregation(3, 3, 2, 5), "hidden must be even"),
        (lambda: aggr.PatchTransformerAggregation(3, 3, 0, 4), "patch_size must be"),
        (lambda: aggr.PatchTransformerAggregation(3, 3, 2, 4, reduce=("mul",)), "reduce must be among"),
        (lambda: aggr.SetTransformerAggregation(5, heads=2), "multiple of heads"),
        (lambda: aggr.DegreeScalerAggregation("sum", ["twice"], torch.ones(3)), "scalers must be among"),
        (lambda: aggr.DegreeScalerAggregation("sum", ["linear"], torch.zeros(3)), "counts no destination"),
    ],
)
def test_arguments_that_fit_nothing_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

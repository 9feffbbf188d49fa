import numpy as np
import pytest
from hypothesis import given, settings
from sampling_cases import cases, random_graph

from gnnctl.errors import UsageError
from gnnctl.graph import Graph
from gnnctl.sampling.merge import merge
from gnnctl.sampling.sampler import Sampler
from gnnctl.sampling.spec import SampleSpec

few = settings(deadline=None, max_examples=150)


def assert_merge_is_the_batch(graph, spec, seeds, node_type, epoch):
    sampler = Sampler(graph, spec)
    single = [sampler.sample(seeds[i : i + 1], node_type, epoch) for i in range(len(seeds))]
    assert merge(single, graph, spec).same_as(sampler.sample(seeds, node_type, epoch))


@few
@given(cases(non_increasing=True))
def test_records_of_single_seeds_merge_into_the_batch(case):
    assert_merge_is_the_batch(*case)


@few
@given(cases(budget=True))
def test_they_do_with_a_budget(case):
    assert_merge_is_the_batch(*case)


def test_they_do_on_a_larger_graph():
    graph = random_graph(np.random.default_rng(5), 3, 6, 3000, 30_000)
    for disjoint in (False, True):
        spec = SampleSpec.uniform(graph.edge_types, (6, 4, 2), disjoint=disjoint, seed=2)
        t = graph.node_types[1]
        seeds = np.random.default_rng(6).permutation(graph.num_nodes(t))[:300].astype(np.int64)
        assert_merge_is_the_batch(graph, spec, seeds, t, 1)


def test_specs_that_do_not_merge_are_refused():
    graph = Graph.from_coo(10, np.array([[0, 1], [1, 2]]))
    [t] = graph.edge_types
    refused = [
        SampleSpec({t: (2, 3)}),
        SampleSpec({t: (2, -1)}),
        SampleSpec({t: (0, 1)}),
        SampleSpec({t: (3, 2)}, budget=(5, 5)),
        SampleSpec({t: (3, 3)}, budget=(5, 6)),
        SampleSpec({t: (3, 3)}, budget=(5, -1)),
    ]
    allowed = [
        SampleSpec({t: (3, 2)}),
        SampleSpec({t: (-1, 2)}),
        SampleSpec({t: (-1, 2, 2, 0)}),
        SampleSpec({t: (3, 3)}, budget=(5, 5)),
        SampleSpec({t: (3, 3)}, budget=(-1, 5)),
        SampleSpec({t: (2, 3)}, disjoint=True),
    ]
    assert not any(spec.merge_law_holds for spec in refused)
    assert all(spec.merge_law_holds for spec in allowed)
    for spec in refused:
        records = [Sampler(graph, spec).sample(np.array([0]), "node", 0)]
        with pytest.raises(UsageError, match="would not merge"):
            merge(records, graph, spec)

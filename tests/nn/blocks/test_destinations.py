"""Some destinations alone, as samplers give them: the rows that they have in the whole graph."""

import pytest
import torch
from conv_case import NODE_VALUES, given
from test_convs import CASES

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.conv.normalization import own_degrees

NODES = 24


def graph():
    draw = torch.Generator().manual_seed(0)
    coo = torch.randint(0, NODES - 2, (2, 90), generator=draw)
    coo = coo[:, coo[0] != coo[1]]
    return torch.cat([coo, torch.tensor([[1, 5, 9], [1, 5, 9]])], 1)


def into(coo, chosen, order):
    """The edges into ``chosen`` from sources in ``order``, and which they are."""
    place = torch.full((NODES,), -1)
    place[chosen] = torch.arange(len(chosen))
    kept = (place[coo[1]] >= 0).nonzero()[:, 0]
    return torch.stack([torch.argsort(order)[coo[0, kept]], place[coo[1, kept]]]), kept


def rounds(layer):
    return getattr(layer, "rounds", getattr(layer, "steps", 1))


@pytest.mark.parametrize(
    ("case", "way"), [(c, way) for c in CASES if rounds(c.ours()) == 1 for way in c.alone], ids=str
)
def test_destinations_alone_have_the_rows_that_they_have_in_the_graph(case, way):
    torch.manual_seed(0)
    layer = case.ours().double().eval()
    coo = graph()
    values = given(case.takes, NODES, coo.shape[1], torch.float64, seed=3)
    x = torch.randn(NODES, case.x_width, dtype=torch.float64)
    whole = layer(x, coo, **values)
    chosen = torch.tensor([9, 3, 20, 5, 23])
    others = torch.randperm(NODES)
    order = torch.cat([chosen, others[~torch.isin(others, chosen)]])
    part, kept = into(coo, chosen, order)
    edges, sorting = EdgeIndex.from_coo(part, NODES, len(chosen))
    some = {n: v[order] if n in NODE_VALUES else v[kept][sorting] for n, v in values.items()}
    if "degree" in layer.inputs:
        all_edges, placed = EdgeIndex.from_coo(coo, NODES)
        weight = values["edge_weight"][placed] if "edge_weight" in values else None
        degree = own_degrees(all_edges, weight, homogeneous=True, loops=True)
        some["degree"] = degree._replace(
            src=degree.src[order],
            dst=degree.dst[chosen],
            in_edges=degree.in_edges[chosen],
            src_loop=degree.src_loop[order],
            dst_loop=degree.dst_loop[chosen],
        )
    rows = (x[order], x[chosen]) if way == "pair" else x[order]
    torch.testing.assert_close(layer(rows, edges, **some), whole[chosen])


@pytest.mark.parametrize("case", [c for c in CASES if rounds(c.ours()) > 1], ids=str)
def test_several_rounds_need_the_same_nodes_at_both_ends(case):
    layer, coo = case.ours(), torch.tensor([[0, 3], [4, 1]])
    x = torch.randn(4, case.x_width), torch.randn(5, case.x_width)
    with pytest.raises(ValueError, match="sources and destinations"):
        layer(x, coo, **given(case.takes, 4, 2, torch.float32, seed=3))

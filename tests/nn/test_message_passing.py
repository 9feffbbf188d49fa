"""The base class: what a message may ask for, and when no message is made."""

import pytest
import torch

from gnnctl.graph.edge_index import EdgeIndex
from gnnctl.nn.message_passing import MessagePassing


class Difference(MessagePassing):
    """Sum of the differences between source and destination, per kind of edge."""

    def message(self, x_i, x_j, scale):
        return (x_j - x_i) * scale[:, None]

    def update(self, out, bonus):
        return out + bonus


@pytest.fixture
def edges():
    return EdgeIndex.from_coo(torch.tensor([[1, 2, 0], [0, 0, 1]]), 3)[0]


def test_names_say_which_end_a_value_is_of(edges):
    x = torch.tensor([[1.0], [10.0], [100.0]])
    out = Difference("sum").propagate(edges, x=x, scale=torch.tensor([1.0, 2.0, 3.0]), bonus=0.5)
    assert out.flatten().tolist() == [9 + 198 + 0.5, -27 + 0.5, 0.5]


def test_sources_and_destinations_may_be_other_nodes():
    edges, _ = EdgeIndex.from_coo(torch.tensor([[0, 1], [0, 0]]), 2, 1)
    x = (torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0]]))
    assert Difference("mean").propagate(edges, x=x, scale=torch.ones(2), bonus=0).item() == -8.5


def test_a_layer_without_its_own_message_is_fused(edges):
    class Doubled(MessagePassing):
        def message(self, x_j, edge_weight=None):
            return super().message(x_j, edge_weight)

    fused, plain = MessagePassing("max"), Doubled("max")
    assert fused.fused
    assert not plain.fused
    x, weight, mask = torch.randn(3, 4), torch.rand(3), torch.rand(3)
    torch.testing.assert_close(fused.propagate(edges, weight, mask, x=x), plain.propagate(edges, weight, mask, x=x))


def test_what_was_not_given_is_named(edges):
    with pytest.raises(ValueError, match="'scale'"):
        Difference("sum").propagate(edges, x=torch.ones(3, 1), bonus=0)
    with pytest.raises(ValueError, match="aggr must be"):
        MessagePassing("mode")


def test_plain_edges_are_sorted_together_with_what_they_carry():
    class Carried(MessagePassing):
        def forward(self, x, edge_index, edge_attr, factor, edge_mask=None):
            return self.propagate(edge_index, edge_mask=edge_mask, x=x, attr=edge_attr * factor)

        def message(self, x_j, attr):
            return x_j * attr

    coo = torch.randint(0, 5, (2, 40))
    x, attr, mask = torch.randn(5, 3), torch.randn(40, 3), torch.rand(40)
    edges, order = EdgeIndex.from_coo(coo, 5)
    layer = Carried("max")
    expected = layer(x, edges, attr[order], 2.0, edge_mask=mask[order])
    assert layer.inputs == {"edge_attr", "factor", "edge_mask"}
    torch.testing.assert_close(layer(x, coo, attr, 2.0, mask), expected)
    torch.testing.assert_close(layer(x, edge_index=coo, edge_attr=attr, factor=2.0, edge_mask=mask), expected)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, coo, attr, 2.0, mask), expected)


def test_plain_edges_out_of_range_are_refused():
    with pytest.raises(ValueError, match="edge_index: row: a source is outside"):
        GraphSum()(torch.ones(3, 1), torch.tensor([[3], [0]]))


class GraphSum(MessagePassing):
    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x)

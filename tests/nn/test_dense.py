"""Graphs of a batch side by side, and attention within each of them."""

import pytest
import torch
import torch_geometric.nn as peer
from torch_geometric.utils import to_dense_batch as peer_dense

from gnnctl.nn.conv import GPSConv, GraphConv
from gnnctl.nn.dense import from_dense_batch, to_dense_batch

SIZES = torch.tensor([3, 0, 5, 1])
PTR = torch.cat([torch.zeros(1, dtype=torch.int64), SIZES.cumsum(0)])
BATCH = torch.repeat_interleave(SIZES)


def test_padding_is_the_oracle_s_and_comes_off_again():
    x = torch.randn(9, 4)
    dense, mask = to_dense_batch(x, PTR)
    theirs, their_mask = peer_dense(x, BATCH)
    torch.testing.assert_close(dense, theirs)
    assert torch.equal(mask, their_mask)
    torch.testing.assert_close(from_dense_batch(dense, PTR, 9), x)
    wider, _ = to_dense_batch(x, PTR, 7)
    torch.testing.assert_close(from_dense_batch(wider, PTR, 9), x)
    assert to_dense_batch(torch.empty(0, 4), torch.zeros(3, dtype=torch.int64))[0].shape == (2, 0, 4)
    with pytest.raises(ValueError, match="max_nodes is 4, a graph has 5"):
        to_dense_batch(x, PTR, 4)


def test_nodes_attend_to_their_own_graph():
    torch.manual_seed(0)
    ours = GPSConv(6, GraphConv(6, 6), heads=2)
    theirs = peer.GPSConv(6, peer.GraphConv(6, 6), heads=2)
    renamed = {"lin.": "lin_rel.", "root.": "lin_root."}
    for name, value in ours.state_dict().items():
        for old, new in renamed.items():
            name = name.replace(f"conv.{old}", f"conv.{new}")
        for i in range(3):
            name = name.replace(f"norms.{i}.", f"norm{i + 1}.module.")
        theirs.state_dict()[name].copy_(value)
    x, coo = torch.randn(9, 6), torch.tensor([[0, 1, 3, 4, 7, 2], [1, 2, 4, 7, 3, 0]])
    expected = theirs(x, coo, BATCH)
    torch.testing.assert_close(ours(x, coo, PTR), expected, rtol=1e-4, atol=1e-5)
    compiled = torch.compile(ours.eval(), fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, coo, PTR, max_nodes=5), ours(x, coo, PTR), rtol=1e-4, atol=1e-5)

"""Layers over dense batches of small graphs: features (B, N, F), adjacency (B, N, N), mask (B, N).

``adj[b, i, j]`` is the weight of the edge j -> i. Rows of nodes that the mask leaves out are zero in the results.
"""

from gnnctl.nn.dense_conv.gat import DenseGATConv
from gnnctl.nn.dense_conv.gcn import DenseGCNConv
from gnnctl.nn.dense_conv.gin import DenseGINConv
from gnnctl.nn.dense_conv.graph import DenseGraphConv
from gnnctl.nn.dense_conv.sage import DenseSAGEConv

__all__ = ["DenseGATConv", "DenseGCNConv", "DenseGINConv", "DenseGraphConv", "DenseSAGEConv"]

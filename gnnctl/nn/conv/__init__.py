"""Layers; all take destination-sorted edges, bipartite or not, an edge mask, and run compiled without breaks."""

from gnnctl.nn.conv.gat import GATConv
from gnnctl.nn.conv.gcn import GCNConv
from gnnctl.nn.conv.gin import GINConv
from gnnctl.nn.conv.sage import SAGEConv

__all__ = ["GATConv", "GCNConv", "GINConv", "SAGEConv"]

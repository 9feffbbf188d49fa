"""Layers; all take destination-sorted edges, bipartite or not, an edge mask, and run compiled without breaks."""

from gnnctl.nn.conv.cf import CFConv
from gnnctl.nn.conv.dynamic_edge import DynamicEdgeConv
from gnnctl.nn.conv.gat import GATConv
from gnnctl.nn.conv.gate import GATEConv
from gnnctl.nn.conv.gcn import GCNConv
from gnnctl.nn.conv.gin import GINConv
from gnnctl.nn.conv.grav_net import GravNetConv
from gnnctl.nn.conv.point_gnn import PointGNNConv
from gnnctl.nn.conv.point_net import PointNetConv
from gnnctl.nn.conv.point_transformer import PointTransformerConv
from gnnctl.nn.conv.ppf import PPFConv
from gnnctl.nn.conv.sage import SAGEConv
from gnnctl.nn.conv.x_conv import XConv

__all__ = [
    "CFConv",
    "DynamicEdgeConv",
    "GATConv",
    "GATEConv",
    "GCNConv",
    "GINConv",
    "GravNetConv",
    "PPFConv",
    "PointGNNConv",
    "PointNetConv",
    "PointTransformerConv",
    "SAGEConv",
    "XConv",
]

"""Layers; all take destination-sorted edges, bipartite or not, an edge mask, and run compiled without breaks."""

from gnnctl.nn.conv.appnp import APPNP, PropagateConv
from gnnctl.nn.conv.arma import ARMAConv
from gnnctl.nn.conv.cheb import ChebConv
from gnnctl.nn.conv.gat import GATConv
from gnnctl.nn.conv.gated_graph import GatedGraphConv
from gnnctl.nn.conv.gcn import GCNConv
from gnnctl.nn.conv.gcn2 import GCN2Conv
from gnnctl.nn.conv.gin import GINConv
from gnnctl.nn.conv.graph_conv import GraphConv
from gnnctl.nn.conv.lg import LGConv
from gnnctl.nn.conv.mixhop import MixHopConv
from gnnctl.nn.conv.sage import SAGEConv
from gnnctl.nn.conv.sg import SGConv
from gnnctl.nn.conv.ssg import SSGConv
from gnnctl.nn.conv.tag import TAGConv

__all__ = [
    "APPNP",
    "ARMAConv",
    "ChebConv",
    "GATConv",
    "GCN2Conv",
    "GCNConv",
    "GINConv",
    "GatedGraphConv",
    "GraphConv",
    "LGConv",
    "MixHopConv",
    "PropagateConv",
    "SAGEConv",
    "SGConv",
    "SSGConv",
    "TAGConv",
]

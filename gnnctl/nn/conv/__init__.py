"""Layers; all take destination-sorted edges, bipartite or not, an edge mask, and run compiled without breaks."""

from gnnctl.nn.conv.agnn import AGNNConv
from gnnctl.nn.conv.antisymmetric import AntiSymmetricConv
from gnnctl.nn.conv.appnp import APPNP, PropagateConv
from gnnctl.nn.conv.arma import ARMAConv
from gnnctl.nn.conv.cf import CFConv
from gnnctl.nn.conv.cg import CGConv
from gnnctl.nn.conv.cheb import ChebConv
from gnnctl.nn.conv.cluster_gcn import ClusterGCNConv
from gnnctl.nn.conv.dir_gnn import DirGNNConv
from gnnctl.nn.conv.dna import DNAConv
from gnnctl.nn.conv.dynamic_edge import DynamicEdgeConv
from gnnctl.nn.conv.edge import EdgeConv
from gnnctl.nn.conv.eg import EGConv
from gnnctl.nn.conv.fa import FAConv
from gnnctl.nn.conv.feast import FeaStConv
from gnnctl.nn.conv.film import FiLMConv
from gnnctl.nn.conv.gat import GATConv
from gnnctl.nn.conv.gate import GATEConv
from gnnctl.nn.conv.gated_graph import GatedGraphConv
from gnnctl.nn.conv.gatv2 import GATv2Conv
from gnnctl.nn.conv.gcn import GCNConv
from gnnctl.nn.conv.gcn2 import GCN2Conv
from gnnctl.nn.conv.gen import GENConv
from gnnctl.nn.conv.general import GeneralConv
from gnnctl.nn.conv.gin import GINConv
from gnnctl.nn.conv.gmm import GMMConv
from gnnctl.nn.conv.gps import GPSConv
from gnnctl.nn.conv.graph_conv import GraphConv
from gnnctl.nn.conv.grav_net import GravNetConv
from gnnctl.nn.conv.han import HANConv
from gnnctl.nn.conv.heat import HEATConv
from gnnctl.nn.conv.hetero import HeteroConv
from gnnctl.nn.conv.hgt import HGTConv
from gnnctl.nn.conv.hypergraph import HypergraphConv
from gnnctl.nn.conv.le import LEConv
from gnnctl.nn.conv.lg import LGConv
from gnnctl.nn.conv.mf import MFConv
from gnnctl.nn.conv.mixhop import MixHopConv
from gnnctl.nn.conv.nn_conv import NNConv
from gnnctl.nn.conv.pan import PANConv
from gnnctl.nn.conv.pdn import PDNConv
from gnnctl.nn.conv.pna import PNAConv
from gnnctl.nn.conv.point_gnn import PointGNNConv
from gnnctl.nn.conv.point_net import PointNetConv
from gnnctl.nn.conv.point_transformer import PointTransformerConv
from gnnctl.nn.conv.ppf import PPFConv
from gnnctl.nn.conv.res_gated import ResGatedGraphConv
from gnnctl.nn.conv.rgat import RGATConv
from gnnctl.nn.conv.rgcn import RGCNConv
from gnnctl.nn.conv.sage import SAGEConv
from gnnctl.nn.conv.sg import SGConv
from gnnctl.nn.conv.signed import SignedConv
from gnnctl.nn.conv.simple import SimpleConv
from gnnctl.nn.conv.spline import SplineConv
from gnnctl.nn.conv.ssg import SSGConv
from gnnctl.nn.conv.supergat import SuperGATConv
from gnnctl.nn.conv.tag import TAGConv
from gnnctl.nn.conv.transformer import TransformerConv
from gnnctl.nn.conv.wl import WLConv
from gnnctl.nn.conv.wl_continuous import WLConvContinuous
from gnnctl.nn.conv.x_conv import XConv

__all__ = [
    "APPNP",
    "AGNNConv",
    "ARMAConv",
    "AntiSymmetricConv",
    "CFConv",
    "CGConv",
    "ChebConv",
    "ClusterGCNConv",
    "DNAConv",
    "DirGNNConv",
    "DynamicEdgeConv",
    "EGConv",
    "EdgeConv",
    "FAConv",
    "FeaStConv",
    "FiLMConv",
    "GATConv",
    "GATEConv",
    "GATv2Conv",
    "GCN2Conv",
    "GCNConv",
    "GENConv",
    "GINConv",
    "GMMConv",
    "GPSConv",
    "GatedGraphConv",
    "GeneralConv",
    "GraphConv",
    "GravNetConv",
    "HANConv",
    "HEATConv",
    "HGTConv",
    "HeteroConv",
    "HypergraphConv",
    "LEConv",
    "LGConv",
    "MFConv",
    "MixHopConv",
    "NNConv",
    "PANConv",
    "PDNConv",
    "PNAConv",
    "PPFConv",
    "PointGNNConv",
    "PointNetConv",
    "PointTransformerConv",
    "PropagateConv",
    "RGATConv",
    "RGCNConv",
    "ResGatedGraphConv",
    "SAGEConv",
    "SGConv",
    "SSGConv",
    "SignedConv",
    "SimpleConv",
    "SplineConv",
    "SuperGATConv",
    "TAGConv",
    "TransformerConv",
    "WLConv",
    "WLConvContinuous",
    "XConv",
]

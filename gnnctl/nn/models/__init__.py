"""Whole models over typed graphs, and how they are chosen."""

from gnnctl.nn.models.adversarial import ARGA, ARGVA
from gnnctl.nn.models.attentive_fp import AttentiveFP
from gnnctl.nn.models.autoencoder import GAE, VGAE, InnerProductDecoder
from gnnctl.nn.models.build import build_model
from gnnctl.nn.models.deep_graph_infomax import DeepGraphInfomax
from gnnctl.nn.models.dimenet import DimeNetPlusPlus
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.graph_unet import GraphUNet
from gnnctl.nn.models.label_propagation import CorrectAndSmooth, LabelPropagation
from gnnctl.nn.models.light_gcn import LightGCN
from gnnctl.nn.models.metapath2vec import MetaPath2Vec
from gnnctl.nn.models.mlp import MLP
from gnnctl.nn.models.node2vec import Node2Vec
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.schnet import SchNet
from gnnctl.nn.models.tgn import IdentityMessage, LastMessage, MeanMessage, TGNMemory

__all__ = [
    "ARGA",
    "ARGVA",
    "GAE",
    "GNN",
    "MLP",
    "VGAE",
    "AttentiveFP",
    "CorrectAndSmooth",
    "DeepGraphInfomax",
    "DimeNetPlusPlus",
    "GraphUNet",
    "IdentityMessage",
    "InnerProductDecoder",
    "LabelPropagation",
    "LastMessage",
    "LightGCN",
    "MeanMessage",
    "MetaPath2Vec",
    "ModelOptions",
    "Node2Vec",
    "SchNet",
    "TGNMemory",
    "build_model",
]

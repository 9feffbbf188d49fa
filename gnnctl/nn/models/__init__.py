"""Whole models over typed graphs, and how they are chosen."""

from gnnctl.nn.models.attentive_fp import AttentiveFP
from gnnctl.nn.models.build import build_model
from gnnctl.nn.models.dimenet import DimeNetPlusPlus
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.mlp import MLP
from gnnctl.nn.models.options import ModelOptions
from gnnctl.nn.models.schnet import SchNet

__all__ = ["GNN", "MLP", "AttentiveFP", "DimeNetPlusPlus", "ModelOptions", "SchNet", "build_model"]

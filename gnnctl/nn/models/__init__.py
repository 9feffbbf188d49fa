"""Whole models over typed graphs, and how they are chosen."""

from gnnctl.nn.models.build import build_model
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.mlp import MLP
from gnnctl.nn.models.options import ModelOptions

__all__ = ["GNN", "MLP", "ModelOptions", "build_model"]

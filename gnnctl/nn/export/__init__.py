"""Trained models as packages of compiled code that run without gnnctl."""

from gnnctl.nn.export.deployed import Deployed, DeployedGraphs, DeployedLinks, DeployedNodes
from gnnctl.nn.export.program import compiled, traced

__all__ = ["Deployed", "DeployedGraphs", "DeployedLinks", "DeployedNodes", "compiled", "traced"]

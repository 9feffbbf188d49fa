"""Which nodes a model learns from, is chosen by, and is judged on: the parts train, val and test, and their labels."""

from gnnctl.splits.by import By, Fractions, parse_map
from gnnctl.splits.node import PARTS, NodeSplit, split_nodes
from gnnctl.splits.target import Problem, Target, find_target

__all__ = ["PARTS", "By", "Fractions", "NodeSplit", "Problem", "Target", "find_target", "parse_map", "split_nodes"]

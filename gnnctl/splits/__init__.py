"""What a model learns from, is chosen by, and is judged on: nodes, graphs or links in the parts train, val and test."""

from gnnctl.splits.by import By, Fractions, parse_map
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.splits.link_target import LinkTarget
from gnnctl.splits.node import PARTS, NodeSplit, split_nodes
from gnnctl.splits.opening import open_split
from gnnctl.splits.target import Problem, Target, find_target

__all__ = [
    "PARTS",
    "By",
    "Fractions",
    "LinkSplit",
    "LinkTarget",
    "Links",
    "NodeSplit",
    "Problem",
    "Target",
    "find_target",
    "open_split",
    "parse_map",
    "split_nodes",
]

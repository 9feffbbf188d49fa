"""What a model learns from, is chosen by, and is judged on: nodes, graphs or links in the parts train, val and test."""

from gnnctl.splits.by import By, Fractions, parse_map
from gnnctl.splits.link import Links, LinkSplit
from gnnctl.splits.link_split import LinkOptions, split_links
from gnnctl.splits.link_target import LinkTarget, find_edge_target, find_link_target
from gnnctl.splits.node import PARTS, NodeSplit, split_nodes
from gnnctl.splits.opening import open_split
from gnnctl.splits.request import SplitRequest
from gnnctl.splits.target import Problem, Target, find_target
from gnnctl.splits.times import Moving, parse_gap

__all__ = [
    "PARTS",
    "By",
    "Fractions",
    "LinkOptions",
    "LinkSplit",
    "LinkTarget",
    "Links",
    "Moving",
    "NodeSplit",
    "Problem",
    "SplitRequest",
    "Target",
    "find_edge_target",
    "find_link_target",
    "find_target",
    "open_split",
    "parse_gap",
    "parse_map",
    "split_links",
    "split_nodes",
]

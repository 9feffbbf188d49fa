"""Layers that modulate messages, of spline kernels, and beside attention over whole graphs."""

import itertools

import torch
import torch_geometric.nn as peer
from conv_case import EDGE_WIDTH, RELATIONS, WIDTH, ConvCase
from torch import nn

from gnnctl.nn.conv import FiLMConv, GPSConv, GraphConv, SplineConv, SuperGATConv

PAIR = WIDTH, WIDTH - 2


def _film_names(relations):
    many = range(relations)
    return {
        "lin.weight": tuple(f"lins.{r}.weight" for r in many),
        "film.weight": tuple(f"films.{r}.weight" for r in many),
        "film.bias": tuple(f"films.{r}.bias" for r in many),
        "root.weight": "lin_skip.weight",
        "film_root.weight": "film_skip.weight",
    }


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
GPS_NAMES = {f"norms.{i}.{p}": f"norm{i + 1}.module.{p}" for i in range(3) for p in NORM}
GPS_NAMES |= {"conv.lin.weight": "conv.lin_rel.weight", "conv.lin.bias": "conv.lin_rel.bias"}
GPS_NAMES |= {"conv.root.weight": "conv.lin_root.weight"}


def bspline(degree, t):
    """Cox-de Boor's recursion for the uniform B-spline on [0, degree + 1]."""
    if degree == 0:
        return ((t >= 0) & (t < 1)).to(t.dtype)
    return (t * bspline(degree - 1, t) + (degree + 1 - t) * bspline(degree - 1, t - 1)) / degree


def spline_formula(layer, x, coo, values):
    u, size, degree = values["edge_attr"], layer.kernel_size, layer.degree
    place = u * (size if layer.closed else size - degree)
    total = torch.zeros(x.shape[0], layer.out_channels)
    for at in itertools.product(range(size), repeat=layer.dimensions):
        factor = torch.ones(u.shape[0])
        for d, p in enumerate(at):
            # Control point p is met by the piece o of the interval p - o; around the circle where the spline is closed.
            turns = (-size, 0, size) if layer.closed else (0,)
            factor = factor * sum(bspline(degree, place[:, d] - (p + turn) + degree) for turn in turns)
        weight = layer.weight[sum(p * size**d for d, p in enumerate(at))]
        total = total.index_add(0, coo[1], factor[:, None] * (x @ weight)[coo[0]])
    count = torch.bincount(coo[1], minlength=x.shape[0]).clamp(min=1)
    return total / count[:, None] + layer.root(x) + layer.bias


def _spline(**options):
    return lambda: SplineConv(WIDTH, 4, dimensions=EDGE_WIDTH, **options)


CASES = [
    ConvCase(
        "film",
        lambda: FiLMConv(WIDTH, 5),
        lambda: peer.FiLMConv(WIDTH, 5),
        names=_film_names(1),
        pair=(lambda: FiLMConv(PAIR, 5), lambda: peer.FiLMConv(PAIR, 5)),
    ),
    ConvCase(
        "film-relations",
        lambda: FiLMConv(WIDTH, 5, num_relations=RELATIONS),
        lambda: peer.FiLMConv(WIDTH, 5, num_relations=RELATIONS),
        takes=("edge_type",),
        names=_film_names(RELATIONS),
    ),
    ConvCase("spline", _spline(kernel_size=3), takes=("edge_attr",), formula=spline_formula),
    ConvCase("spline-2", _spline(kernel_size=4, degree=2), takes=("edge_attr",), formula=spline_formula),
    ConvCase(
        "spline-3-closed", _spline(kernel_size=4, degree=3, closed=True), takes=("edge_attr",), formula=spline_formula
    ),
    ConvCase(
        "supergat",
        lambda: SuperGATConv(WIDTH, 4, heads=2),
        lambda: peer.SuperGATConv(WIDTH, 4, heads=2),
        names={"att_src": "att_l", "att_dst": "att_r"},
    ),
    ConvCase(
        "supergat-dot-mean",
        lambda: SuperGATConv(WIDTH, 4, heads=3, attention="SD", concat=False, self_loops=False),
        lambda: peer.SuperGATConv(WIDTH, 4, heads=3, attention_type="SD", concat=False, add_self_loops=False),
    ),
    ConvCase(
        "gps",
        lambda: GPSConv(WIDTH, GraphConv(WIDTH, WIDTH), heads=2),
        lambda: peer.GPSConv(WIDTH, peer.GraphConv(WIDTH, WIDTH), heads=2),
        names=GPS_NAMES,
        alone=(),  # every node attends to all of its graph
    ),
    ConvCase(
        "gps-attention-alone",
        lambda: GPSConv(WIDTH, None, heads=3, norm=False, activation=nn.Tanh(), attention_dropout=0.3).eval(),
        lambda: peer.GPSConv(WIDTH, None, heads=3, norm=None, act="tanh", attn_kwargs={"dropout": 0.3}).eval(),
        alone=(),
    ),
]

"""Every aggregation, and what the suite must know of it to hold it against the oracle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch_geometric.nn as peer
from torch import nn
from torch_geometric.nn import aggr as theirs

from gnnctl.nn import aggr as ours

WIDTH = 6  # features of the rows
HISTOGRAM = torch.tensor([1, 4, 6, 3, 2, 0, 1])


@dataclass(frozen=True)
class AggrCase:
    """An aggregation of ours and the peer's.

    Attributes:
        name: of the test.
        ours: makes ours for rows of WIDTH, given what is needed to compile without a break (``max_group=...``).
        theirs: makes the peer's.
        names: (old, new) replacements that make the peer's parameter names of ours.
        alone: the peer's result of a group depends on the others, or it has none for a group without rows; it is
            given one group at a time, and ours must give zeros for those without rows.
        ordered: the result depends on the order of rows.
        bounded: whether ``max_group`` is needed to compile without a break.
        sizes: of the groups that are compared; the default has several empty ones.
        positive: rows are made positive.
        compiled: whether this one is compiled; False where another case of the class is, and compiling is slow.
    """

    name: str
    ours: Callable[..., ours.Aggregation]
    theirs: Callable[[], nn.Module]
    names: tuple[tuple[str, str], ...] = ()
    alone: bool = False
    ordered: bool = False
    bounded: bool = False
    sizes: tuple[int, ...] = (3, 0, 1, 0, 0, 9, 4, 4, 2, 6, 0)
    positive: bool = False
    compiled: bool = True
    tie: None = None
    pair_names: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def tied_names(self, module: nn.Module) -> dict[str, str]:
        """The peer's name of each parameter and buffer."""
        found = {}
        for name in [*dict(module.named_parameters()), *dict(module.named_buffers())]:
            new = name
            for old, other in self.names:
                new = new.replace(old, other)
            found[name] = new
        return found


def simple(name: str, mine: str, other: str, *args: object, **options: object) -> AggrCase:
    """A case of two classes that take the same arguments."""
    return AggrCase(
        name,
        lambda **_: getattr(ours, mine)(*args, **options),
        lambda: getattr(theirs, other)(*args, **options),
    )


def bounded(name: str, mine: Callable, other: Callable, *names: tuple[str, str], **options: object) -> AggrCase:
    """A case whose compiled form needs a bound, and that the peer pads."""
    return AggrCase(name, mine, other, names, alone=True, bounded=True, **options)


def _linear(width: int = WIDTH) -> nn.Module:
    return nn.Linear(WIDTH, width)


BLOCKS = (
    ("attention.in_proj.", "attn.in_proj_"),
    ("attention.out_proj", "attn.out_proj"),
    ("norm", "layer_norm"),
    ("encoders.0", "encoders.0.mab"),
    ("decoders.0", "decoders.0.mab"),
)
SEVERAL = ["mean", "max", "std"]
REDUCES = ("Sum", "Mean", "Min", "Max", "Var", "Std", "Mul", "Median")

CASES = [
    *(simple(name.lower(), f"{name}Aggregation", f"{name}Aggregation") for name in REDUCES),
    *(
        simple(f"quantile-{how}", "QuantileAggregation", "QuantileAggregation", 0.35, how)
        for how in ("linear", "lower", "higher", "nearest", "midpoint")
    ),
    simple("softmax", "SoftmaxAggregation", "SoftmaxAggregation", t=0.7),
    simple("softmax-learned", "SoftmaxAggregation", "SoftmaxAggregation", t=0.5, learn=True),
    simple("softmax-channels", "SoftmaxAggregation", "SoftmaxAggregation", t=0.5, learn=True, channels=WIDTH),
    simple("power-mean", "PowerMeanAggregation", "PowerMeanAggregation"),
    AggrCase(
        "power-mean-3",
        lambda **_: ours.PowerMeanAggregation(3.0),
        lambda: theirs.PowerMeanAggregation(3.0),
        positive=True,
    ),
    AggrCase(
        "power-mean-channels",
        lambda **_: ours.PowerMeanAggregation(2.0, learn=True, channels=WIDTH),
        lambda: theirs.PowerMeanAggregation(2.0, learn=True, channels=WIDTH),
        positive=True,
    ),
    simple("variance-preserving", "VariancePreservingAggregation", "VariancePreservingAggregation"),
    simple("sort", "SortAggregation", "SortAggregation", 3),
    simple("sort-all", "SortAggregation", "SortAggregation", 12),
    AggrCase(
        "set2set",
        lambda **_: ours.Set2Set(WIDTH, 3),
        lambda: theirs.Set2Set(WIDTH, 3),
        (("cell", "lstm"), ("_ih", "_ih_l0"), ("_hh", "_hh_l0")),
    ),
    AggrCase(
        "attentional",
        lambda **_: ours.AttentionalAggregation(_linear(1), _linear(4), 4),
        lambda: theirs.AttentionalAggregation(_linear(1), _linear(4)),
        (("gate", "gate_nn"), ("value", "nn")),
    ),
    AggrCase(
        "attentional-features",
        lambda **_: ours.AttentionalAggregation(_linear()),
        lambda: theirs.AttentionalAggregation(_linear()),
        (("gate", "gate_nn"),),
    ),
    AggrCase(
        "deep-sets",
        lambda **_: ours.DeepSetsAggregation(_linear(), _linear(4), 4),
        lambda: theirs.DeepSetsAggregation(_linear(), _linear(4)),
        (("phi", "local_nn"), ("rho", "global_nn")),
    ),
    simple("deep-sets-bare", "DeepSetsAggregation", "DeepSetsAggregation"),
    AggrCase(
        "degree-scaler",
        lambda **_: ours.DegreeScalerAggregation(
            SEVERAL, ["identity", "amplification", "attenuation", "linear", "inverse_linear"], HISTOGRAM
        ),
        lambda: theirs.DegreeScalerAggregation(
            SEVERAL, ["identity", "amplification", "attenuation", "linear", "inverse_linear"], HISTOGRAM
        ),
        (("average_log", "avg_deg_log"), ("average", "avg_deg_lin")),
    ),
    AggrCase(
        "degree-scaler-learned",
        lambda **_: ours.DegreeScalerAggregation("softmax:t=0.5", ["amplification", "linear"], HISTOGRAM, learn=True),
        lambda: theirs.DegreeScalerAggregation(
            [theirs.SoftmaxAggregation(0.5)], ["amplification", "linear"], HISTOGRAM, True
        ),
        (("average_log", "avg_deg_log"), ("average", "avg_deg_lin")),
    ),
    AggrCase(
        "mlp",
        lambda **_: ours.MLPAggregation(WIDTH, 4, 5, [8]),
        lambda: theirs.MLPAggregation(WIDTH, 4, 5, hidden_channels=8, num_layers=2, norm=None),
        (("layers", "mlp.lins"),),
        ordered=True,
    ),
    AggrCase(
        "equilibrium",
        lambda **_: ours.EquilibriumAggregation(WIDTH, 4, [5], steps=2),
        lambda: theirs.EquilibriumAggregation(WIDTH, 4, [5], grad_iter=2),
        (
            ("layers.0", "layers.0.0"),
            ("norms.0", "layers.0.1"),
            ("out.", "layers.1."),
            ("skips", "res_trans"),
            ("skip.", "res_trans.1."),
            ("regularisation", "lamb"),
            ("rate", "optimizer._lr"),
            ("momentum", "optimizer._mom"),
        ),
        alone=True,
    ),
    bounded(
        "lstm",
        lambda **bound: ours.LSTMAggregation(WIDTH, 4, **bound),
        lambda: theirs.LSTMAggregation(WIDTH, 4),
        ("cell", "lstm"),
        ("_ih", "_ih_l0"),
        ("_hh", "_hh_l0"),
        ordered=True,
    ),
    bounded(
        "gru",
        lambda **bound: ours.GRUAggregation(WIDTH, 4, **bound),
        lambda: theirs.GRUAggregation(WIDTH, 4),
        ("cell", "gru"),
        ("_ih", "_ih_l0"),
        ("_hh", "_hh_l0"),
        ordered=True,
    ),
    bounded(
        "lcm",
        lambda **bound: ours.LCMAggregation(WIDTH, 4, **bound),
        lambda: theirs.LCMAggregation(WIDTH, 4),
        ("cell", "gru_cell"),
        ordered=True,
    ),
    bounded(
        "lcm-bare",
        lambda **bound: ours.LCMAggregation(WIDTH, WIDTH, project=False, **bound),
        lambda: theirs.LCMAggregation(WIDTH, WIDTH, project=False),
        ("cell", "gru_cell"),
        compiled=False,
        ordered=True,
    ),
    bounded(
        "set-transformer",
        lambda **bound: ours.SetTransformerAggregation(WIDTH, 2, heads=2, layer_norm=True, **bound),
        lambda: theirs.SetTransformerAggregation(WIDTH, 2, heads=2, layer_norm=True),
        *BLOCKS,
        ("pool.block", "pma.mab"),
        ("pool", "pma"),
        compiled=False,
    ),
    bounded(
        "set-transformer-mean",
        lambda **bound: ours.SetTransformerAggregation(WIDTH, 3, 1, 0, concat=False, **bound),
        lambda: theirs.SetTransformerAggregation(WIDTH, 3, 1, 0, concat=False),
        *BLOCKS,
        ("pool.block", "pma.mab"),
        ("pool", "pma"),
    ),
    bounded(
        "gmt",
        lambda **bound: ours.GraphMultisetTransformer(WIDTH, 3, heads=3, layer_norm=True, **bound),
        lambda: theirs.GraphMultisetTransformer(WIDTH, 3, heads=3, layer_norm=True),
        *BLOCKS,
        ("gather.block", "pma1.mab"),
        ("gather", "pma1"),
        ("pool.block", "pma2.mab"),
        ("pool", "pma2"),
        compiled=False,
    ),
    bounded(
        "gmt-plain",
        lambda **bound: ours.GraphMultisetTransformer(WIDTH, 2, 0, **bound),
        lambda: theirs.GraphMultisetTransformer(WIDTH, 2, 0),
        *BLOCKS,
        ("gather.block", "pma1.mab"),
        ("gather", "pma1"),
        ("pool.block", "pma2.mab"),
        ("pool", "pma2"),
    ),
    bounded(
        "patch-transformer",
        lambda **bound: ours.PatchTransformerAggregation(WIDTH, 5, 3, 8, heads=2, reduce=("mean", "max"), **bound),
        lambda: theirs.PatchTransformerAggregation(WIDTH, 5, 3, 8, heads=2, aggr=["mean", "max"]),
        *BLOCKS,
        ("patch", "pad_projector"),
        ("out.", "fc."),
        ("attn.out_proj", "attn.out_proj"),
        ("frequency", "pe.frequency"),
        ordered=True,
        sizes=(3, 0, 6, 9, 2, 5, 8),  # others lose rows in the peer
    ),
    *(
        AggrCase(
            f"multi-{mode}",
            lambda mode=mode: ours.MultiAggregation([*SEVERAL, "softmax"], mode),
            lambda mode=mode: theirs.MultiAggregation([*SEVERAL, "softmax"], mode=mode),
            compiled=mode in ("cat", "std"),
        )
        for mode in ("cat", "sum", "mean", "max", "min", "logsumexp", "var", "std")
    ),
    AggrCase(
        "multi-project",
        lambda **_: ours.MultiAggregation(SEVERAL, "project", in_channels=WIDTH, out_channels=4),
        lambda: theirs.MultiAggregation(SEVERAL, mode="proj", mode_kwargs={"in_channels": WIDTH, "out_channels": 4}),
        (("projections.0", "lin"),),
    ),
    AggrCase(
        "multi-attention",
        lambda **_: ours.MultiAggregation(SEVERAL, "attention", in_channels=WIDTH, out_channels=4, heads=2),
        lambda: theirs.MultiAggregation(
            SEVERAL, mode="attn", mode_kwargs={"in_channels": WIDTH, "out_channels": 4, "num_heads": 2}
        ),
        (
            ("attention.in_proj.", "multihead_attn.in_proj_"),
            ("attention", "multihead_attn"),
            ("projections", "lin_heads.lins"),
        ),
    ),
]
assert peer.aggr is theirs

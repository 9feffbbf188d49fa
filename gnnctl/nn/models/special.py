"""The models that are something else than layers of one convolution."""

from gnnctl.nn.models.spec import Model, Preset

_MOLECULE = {"positions": "x+y+z", "atomic_number": "atomic_number"}  # kept columns of the node type
_NEAR = "looks for atoms that are near to each other, which is done outside of compiled code"

PRESETS = {
    "deepgcn": Preset(
        "many layers with pre-activation and residuals; --model gen --order pre --residual --norm batch",
        "gen",
        {"order": "pre", "residual": True, "norm": "batch", "layers": 14},
    ),
    "jumping-knowledge": Preset(
        "outputs from all layers; --model gcn --jump cat, as --jump does for any model of layers",
        "gcn",
        {"jump": "cat", "layers": 4},
    ),
}

# What is known as a model elsewhere and is an option here.
ELSEWHERE = {
    "correct-and-smooth": "--smooth to gnnctl predict, after any classifier of nodes",
    "node2vec": "--objective node2vec",
    "metapath2vec": "--objective metapath2vec",
    "dgi": "--objective dgi",
    "gae": "--objective gae",
    "vgae": "--objective vgae",
}

SPECIAL = {
    "embedding": Model(
        "links alone: a vector for every node, no features, no messages; knowledge graphs",
        "gnnctl.nn.models.shallow:Embedding",
        {"std": 0.0},
        layers=1,
        layered=False,
        tasks=("link", "edge"),
        uses=("hidden",),
    ),
    "lightgcn": Model(
        "recommendation: a vector for every node, averaged over the graph; no features",
        "gnnctl.nn.models.light_gcn_model:LightGCNModel",
        layers=3,
        edge_weight=True,
        tasks=("link", "edge"),
        whole=True,
        uses=("hidden",),
    ),
    "linkx": Model(
        "an MLP of features and of who the neighbours are; where neighbours are unlike (heterophily)",
        "gnnctl.nn.models.linkx:LINKX",
        layers=1,
        graphs="one type",
        edge_weight=True,
        tasks=("node", "link", "edge"),
        uses=("hidden", "dropout", "norm", "activation"),
    ),
    "gps": Model(
        "message passing beside attention of all nodes of a graph to all; time grows with their square",
        "gnnctl.nn.models.gps:GPS",
        {"local": "gin", "batch_norm": True},
        layers=3,
        graphs="one type",
        edge_weight=True,
        edge_attr=True,
        whole=True,
        uses=("hidden", "heads", "dropout", "activation", "embedding"),
    ),
    "graph-unet": Model(
        "the best nodes kept, level by level, and put back; segmentation of graphs and meshes",
        "gnnctl.nn.models.graph_unet_model:GraphUNetModel",
        {"ratio": 0.5, "join": "sum"},
        layers=3,
        graphs="one type",
        edge_weight=True,
        whole=True,
        no_package="keeps nodes, and makes edges, whose number the data decide",
        uses=("hidden", "dropout", "input_dropout", "activation", "embedding"),
    ),
    "attentive-fp": Model(
        "molecules by their bonds: attention between atoms, then of the molecule to its atoms",
        "gnnctl.nn.models.molecules:AttentiveFPModel",
        {"timesteps": 2},
        graphs="one type",
        edge_attr=True,
        needs_edge_attr=True,
        tasks=("graph",),
        whole=True,
        uses=("hidden", "dropout"),
    ),
    "schnet": Model(
        "molecules by kinds and places of their atoms, both kept columns: filters of distances",
        "gnnctl.nn.models.molecules:SchNetModel",
        {**_MOLECULE, "num_filters": 128, "num_gaussians": 50, "cutoff": 10.0, "max_neighbors": 32},
        layers=6,
        graphs="one type",
        tasks=("graph",),
        whole=True,
        no_package=_NEAR,
        uses=("hidden", "readout"),
    ),
    "dimenet++": Model(
        "as schnet, by distances and angles: finer and slower",
        "gnnctl.nn.models.molecules:DimeNetModel",
        {
            **_MOLECULE,
            "interaction_channels": 64,
            "basis_channels": 8,
            "output_channels": 256,
            "num_spherical": 7,
            "num_radial": 6,
            "cutoff": 5.0,
            "max_neighbors": 32,
            "envelope_exponent": 5,
            "num_before_skip": 1,
            "num_after_skip": 2,
            "num_output_layers": 3,
            "output_init": "zeros",
        },
        layers=4,
        graphs="one type",
        tasks=("graph",),
        whole=True,
        no_package=_NEAR,
        uses=("hidden",),
    ),
    "label-propagation": Model(
        "the other baseline: labels of the training part spread along the edges; nothing is trained",
        "gnnctl.nn.models.label_model:LabelPropagationModel",
        {"alpha": 0.9},
        layers=50,
        edge_weight=True,
        tasks=("node",),
        problems=("multiclass",),
        whole=True,
        learns=False,
        no_package="has nothing to train: it spreads the labels of the training part",
        uses=(),
    ),
    "mlp": Model(
        "the baseline: a node's own features, no edges",
        "gnnctl.nn.models.mlp:MLP",
        uses=("hidden", "dropout", "input_dropout", "norm", "activation"),
    ),
}

"""Starting from another model's weights."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from gnnctl.artifacts import Artifact
from gnnctl.errors import ArtifactError, UsageError
from gnnctl.training.checkpoint import read_weights
from gnnctl.training.trained import WEIGHTS

_INNER = "nodes."  # of a model on top of a model of nodes


def open_initial(path: Path) -> Artifact:
    """The model artifact that ``--init`` names.

    Raises:
        ArtifactError: missing, damaged, or no model.
    """
    artifact = Artifact.open(path)
    if artifact.kind != "model":
        raise ArtifactError(f"--init {path}: a {artifact.kind}, no model", fix="name what gnnctl train wrote")
    return artifact


@torch.no_grad()
def take_weights(
    model: nn.Module, artifact: Artifact, *, freeze: bool = False, log: Callable[[str], None] = lambda text: None
) -> list[str]:
    """Give a model all weights of another one whose names and shapes fit; returns the names of those it took.

    A model inside another counts as itself: the encoder of an objective without labels, the node model of one of
    links or graphs.

    Args:
        model: whose parameters and buffers are set.
        artifact: of the other model.
        freeze: whether what was taken is not trained.
        log: hears what was taken and what was not.

    Raises:
        UsageError: nothing fits.
    """
    given = {_bare(name): value for name, value in read_weights(artifact.path / WEIGHTS).items()}
    trained = dict(model.named_parameters())
    own = {**trained, **dict(model.named_buffers())}
    taken = [name for name, p in own.items() if _bare(name) in given and given[_bare(name)].shape == p.shape]
    if not taken:
        problem = f"--init {artifact.path}: none of its weights fits this model"
        raise UsageError(problem, fix="train with the same --model, --hidden and --layers, on the same graph")
    for name in taken:
        own[name].copy_(given[_bare(name)])
        if freeze and name in trained:
            trained[name].requires_grad_(False)
    left = [name for name in own if name not in taken]
    log(f"{len(taken)} of {len(own)} weights from {artifact.path}" + (f"; new: {', '.join(left)}" if left else ""))
    return taken


def _bare(name: str) -> str:
    return name.removeprefix(_INNER)

"""The models by name, and what each is for."""

from gnnctl.errors import UsageError
from gnnctl.nn.models.convolutions import CONVS
from gnnctl.nn.models.gnn import GNN
from gnnctl.nn.models.rounds import KINDS, ROUNDS_USE, RoundsModel
from gnnctl.nn.models.spec import TASKS, Model, Preset
from gnnctl.nn.models.special import ELSEWHERE, PRESETS, SPECIAL
from gnnctl.parameters import Value, defaults_of, read_parameters, split_name

__all__ = ["ELSEWHERE", "PRESETS", "TASKS", "Model", "models", "parse_model", "preset_of"]


def models() -> dict[str, Model]:
    """All models by name: layers of each convolution that a layer can be made of, then the others."""
    layered = {
        name: Model(
            kind.summary,
            f"{GNN.__module__}:{GNN.__qualname__}",
            kind.parameters(),
            graphs="any" if kind.typed else "one type",
            edge_weight="edge_weight" in kind.takes,
            edge_attr="edge_attr" in kind.takes,
            needs_edge_attr=kind.needs_features,
            uses=kind.uses,
        )
        for name, kind in CONVS.items()
    }
    several = {
        name: Model(
            kind.summary,
            f"{RoundsModel.__module__}:{RoundsModel.__qualname__}",
            dict(kind.parameters),
            layers=kind.layers,
            graphs="one type",
            edge_weight=True,
            uses=ROUNDS_USE,
        )
        for name, kind in KINDS.items()
    }
    return {**layered, **several, **SPECIAL}


def parse_model(text: str) -> tuple[str, dict[str, Value]]:
    """Name and resolved parameters of ``NAME[:parameter=value,...]`` or ``package.module:Class[:...]``.

    Of a preset the name of the model that it stands for.

    Raises:
        UsageError: an unknown name or parameter, or a value of the wrong type.
    """
    from gnnctl.nn.models.build import imported_model

    found = models()
    name, rest = split_name(text, (*found, *PRESETS))
    name = PRESETS[name].model if name in PRESETS else name
    if name not in found and name in ELSEWHERE:
        raise UsageError(f"--model {name} is no model of its own", fix=f"pass {ELSEWHERE[name]}")
    defaults = found[name].parameters if name in found else defaults_of(imported_model(name).__init__, _NOT_PARAMETERS)
    given = read_parameters(f"--model '{text}'", rest, defaults)
    return name, {key: value for key, value in defaults.items() if value is not None} | given


def preset_of(text: str) -> Preset | None:
    """The preset that ``NAME[:parameter=value,...]`` names, if it is one."""
    return PRESETS.get(text.partition(":")[0])


_NOT_PARAMETERS = ("self", "schema", "node_type", "out_channels", "options")

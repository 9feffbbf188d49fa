"""From a model over plain tensors to a program of aten operations, and to a package of compiled code."""

import warnings
from pathlib import Path
from typing import Any

import torch
import torch.fx.experimental._config as symbolic_shapes

from gnnctl.nn.export.deployed import Deployed
from gnnctl.nn.ops.plain import plain_operators


def traced(deployed: Deployed) -> torch.export.ExportedProgram:
    """The model as a graph of aten operations; the numbers of nodes, edges, seeds, graphs and pairs are free, 0 and 1
    included.

    Args:
        deployed: the model, on the CPU.
    """
    inputs = deployed.example()
    free = {name: {0: size} for name, size in deployed.sizes(inputs).items()}
    sizes: Any = symbolic_shapes  # its patch() is made at run time
    with warnings.catch_warnings(), torch.no_grad(), sizes.patch(backed_size_oblivious=True):
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, about its tree specifications
        program = torch.export.export(deployed.eval(), (inputs,), dynamic_shapes=(free,), strict=False)
        plain: torch.export.ExportedProgram = program.run_decompositions(plain_operators())
    return plain


def compiled(program: torch.export.ExportedProgram, path: Path) -> None:
    """Compile a program into a package that ``torch._inductor.aoti_load_package`` loads, without gnnctl.

    Args:
        program: from :func:`traced`.
        path: of the package, ending in ``.pt2``.

    Raises:
        RuntimeError: there is no C++ compiler.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))

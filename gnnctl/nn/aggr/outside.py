"""Calls that a compiled graph makes outside of itself. Importing this loads torch's compiler: do so while compiling."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor


def _call(function: Callable[..., Tensor], *arguments: object) -> Tensor:
    return function(*arguments)


# torch.compiler.disable has no types.
outside: Callable[..., Tensor] = cast(Any, torch.compiler.disable)(
    _call, reason="the work depends on the sizes of groups: give max_group to compile without a break"
)

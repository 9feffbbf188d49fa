from typing import Any

from gnnctl.ingest.engine import Engine
from gnnctl.ingest.flags import Flags


def guess_document(
    engine: Engine, nodes: list[tuple[str, str]], edges: list[tuple[str, str]], flags: Flags
) -> dict[str, Any]:
    raise NotImplementedError


def guess_toml(engine: Engine, files: list[str]) -> str:
    raise NotImplementedError

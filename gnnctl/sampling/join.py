"""Making the shards that a job array wrote one artifact."""

from pathlib import Path
from typing import Any

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe
from gnnctl.errors import ArtifactError, UsageError
from gnnctl.sampling.description import Description
from gnnctl.sampling.store import RecordsWriter


def joined_recipe(paths: list[Path], split: Path | None = None) -> tuple[Recipe, list[Artifact]]:
    """The recipe of the whole, and its shards in order.

    Args:
        paths: the shards, in any order.
        split: where the split lies, if not where it was.

    Raises:
        UsageError: fewer than one.
        ArtifactError: not shards, of different recipes, one missing or given twice.
    """
    if not paths:
        raise UsageError("--join names no shards", fix="name every shard")
    shards = [Artifact.open(path, "subgraphs") for path in paths]
    for artifact in shards:
        if not artifact.manifest.options.get("shard"):
            raise ArtifactError(f"{artifact.path} is no shard", fix="name what gnnctl sample --shard wrote")
    for artifact in shards[1:]:
        if differences := _differences(shards[0], artifact):
            raise ArtifactError(
                f"{artifact.path} does not belong to {shards[0].path}: {'; '.join(differences)}",
                fix="make all shards with the same options",
            )
    shards.sort(key=lambda a: int(a.manifest.options["shard"]["index"]))
    indices = [a.manifest.options["shard"]["index"] for a in shards]
    count = shards[0].manifest.options["shard"]["count"]
    missing = sorted(set(range(1, count + 1)) - set(indices))
    if missing or len(indices) != count:
        what = f"shard {missing[0]} of {count} is missing" if missing else "a shard is named twice"
        raise ArtifactError(what, fix="name every shard once")
    m = shards[0].manifest
    parent = Parent("split", shards[0].parent("split", split))
    return Recipe(m.kind, m.stage, m.algorithm, {**m.options, "shard": None}, [parent]), shards


def join(writer: ArtifactWriter, shards: list[Artifact]) -> None:
    """Write the whole from its shards, in order."""
    description = Description.from_json(shards[0].json("subgraphs"))
    records = RecordsWriter(writer, description, shards[0].manifest.options["format"])
    for artifact in shards:
        for shard in artifact.manifest.summary["shards"]:
            records.adopt(artifact.path, shard)
    records.close()


def _differences(one: Artifact, other: Artifact) -> list[str]:
    def parts(artifact: Artifact) -> dict[str, Any]:
        m = artifact.manifest
        shards = m.options["shard"]["count"]
        split = m.parents[0]["fingerprint"][:8]
        return {**m.options, "shard": None, "number of shards": shards, "split": split, "version": m.algorithm}

    a, b = parts(one), parts(other)
    return [f"{key} is {b.get(key)}, not {a.get(key)}" for key in sorted({*a, *b}) if a.get(key) != b.get(key)]

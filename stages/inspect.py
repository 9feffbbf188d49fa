"""Say what an artifact is and where it came from: gnnctl inspect run/model [--verify] [--resample 1%] [--schema]"""

from pathlib import Path
from typing import Annotated

import typer

from gnnctl import options
from gnnctl.console import Console
from gnnctl.errors import ArtifactError, UsageError


def inspect(
    artifact: Annotated[Path, typer.Argument(help="Artifact of any kind.")],
    verify: Annotated[bool, typer.Option("--verify", help="Hash every byte again.")] = False,
    resample: Annotated[
        str | None,
        typer.Option(help="Of subgraphs: derive such a share again, as 1%, and compare.", show_default=False),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schemas of its kind.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Summarise an artifact: counts, options, ancestry, size; verify its bytes."""
    from json import dumps

    from gnnctl.artifacts import Artifact
    from gnnctl.inspection import describe, schemas_of, summary_text

    console = Console("inspect", json=json, quiet=quiet)
    opened = Artifact.open(artifact)
    if schema:
        found = schemas_of(opened.kind)
        console.result({"kind": opened.kind, "schemas": found}, dumps(found, indent=2))
        return
    document, text = describe(opened), summary_text(opened)
    if verify:
        problems = opened.verify()
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise ArtifactError(f"{problems[0]}{more}", fix="make the artifact again, or copy it whole")
        document["verified"] = True
        text += "\n\nEvery byte is as it was written."
    if resample is not None:
        from gnnctl.sampling.resample import parse_share
        from gnnctl.sampling.resample import resample as derive_again

        share = parse_share(resample)
        if opened.kind != "subgraphs":
            raise UsageError(f"--resample: {artifact} is no set of subgraphs", fix="leave it out")
        derived = derive_again(opened, share, console.progress)
        for problem in derived.problems[1:]:
            console.log(problem)
        if derived.problems:
            more = f" (and {len(derived.problems) - 1} more)" if len(derived.problems) > 1 else ""
            raise ArtifactError(f"{derived.problems[0]}{more}", fix="make the artifact again")
        document["resampled"] = derived.records
        text += f"\n\n{derived.records:,} records were sampled again: they are the same."
    console.result(document, text)

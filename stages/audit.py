"""Look for leakage in a split: gnnctl audit run/split [-o run/audit] [--allow RULE]"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gnnctl import options
from gnnctl.console import Console, table
from gnnctl.errors import FINDINGS


def _list_rules(wanted: bool) -> None:
    if wanted:
        from gnnctl.splits.audit import RULES

        rows = [[name, "split" if rule.cheap else "audit", rule.title] for name, rule in RULES.items()]
        print(table(["rule", "first run by", "what it looks for"], rows))
        raise typer.Exit


def audit(
    split: Annotated[Path, typer.Argument(help="Split artifact.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Report artifact to write.", show_default="none")
    ] = None,
    rules: Annotated[
        str | None, typer.Option(help="Only these, as reachable,groups.", show_default="all of --list-rules")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Accept what this rule finds; repeatable.", show_default=False),
    ] = None,
    list_rules: Annotated[
        bool,
        typer.Option(
            "--list-rules", help="Show the rules, and what each looks for.", is_eager=True, callback=_list_rules
        ),
    ] = False,
    group: Annotated[
        list[str] | None,
        typer.Option(help="Kept column whose equal values belong in one part; repeatable.", show_default=False),
    ] = None,
    time: Annotated[
        Literal["before", "until"] | None,
        typer.Option(
            help="Models of nodes will be trained with this --time, and see nothing later.", show_default="no"
        ),
    ] = None,
    graph: Annotated[Path | None, typer.Option(help="The split's graph, if it moved.", show_default=False)] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Look for leakage; exit with code 6 where results would look better than they are."""
    from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe, finished
    from gnnctl.splits import open_split
    from gnnctl.splits.audit import Subject, audit_text, check_rules, write_report
    from gnnctl.splits.audit import audit as audit_split

    console = Console("audit", json=json, quiet=quiet)
    chosen = check_rules("--rules", None if rules is None else rules.split(","))
    allowed = check_rules("--allow", allow or [])
    artifact = Artifact.open(split, "split")
    settings = {"rules": chosen, "allow": sorted(allowed), "group": sorted(group or []), "time": time}
    recipe = Recipe("report", "audit", 1, settings, [Parent("split", artifact)])

    def answer(status: str, document: dict[str, Any], text: str) -> None:
        written = {} if output is None else {"output": str(output)}
        console.result({"status": status, **written, **document}, text)
        if document.get("leaks"):
            raise typer.Exit(FINDINGS)

    if output is not None and (done := finished(output, recipe, force)):
        console.log(f"{output} is up to date: same split, same options; nothing to do")
        document = done.json("results")
        answer("up to date", document, audit_text(document))
        return
    if dry_run:
        text = f"would look at {split} by {', '.join(chosen)}" + ("" if output is None else f" and write {output}")
        answer("dry run", {"options": settings}, text)
        return
    subject = Subject(
        open_split(artifact, graph),
        artifact.manifest.options,
        groups=tuple(group or ()),
        heeded=time,
        progress=console.progress,
    )
    found = audit_split(subject, chosen, allowed)
    if output is not None:
        with ArtifactWriter(output, recipe, force=force) as writer:
            write_report(writer, found)
        console.log(f"wrote {output}")
    document = found.to_json()
    answer("done", document, audit_text(document))

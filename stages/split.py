"""Choose what to learn from and what to be judged on.

gnnctl split run/graph -o run/split --target package.section
gnnctl split run/graph -o run/links --task link --edge-type "user bought item" --by time
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gnnctl import options
from gnnctl.console import Console
from gnnctl.errors import UsageError

_TIME = "Splits by time"
_LINKS = "Splits of links and edges"


def split(
    graph: Annotated[Path, typer.Argument(help="Graph artifact.")],
    output: options.Output,
    target: Annotated[
        str | None,
        typer.Option(
            help='What to predict, TYPE.COLUMN; of graphs COLUMN, of edges "SOURCE RELATION TARGET.COLUMN".  '
            "[default: the label of the spec]",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        Literal["node", "graph", "link", "edge"],
        typer.Option(help="What is predicted: a column of nodes, of whole graphs or of edges, or links themselves."),
    ] = "node",
    by: Annotated[
        str,
        typer.Option(
            help="random, stratified, group:COLUMN, time, time:COLUMN or column:COLUMN (a given split); links: random, "
            "time, time:COLUMN, column:COLUMN, inductive or inductive:NODE_TYPE."
        ),
    ] = "random",
    val: Annotated[float, typer.Option(help="Share of the validation part.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the test part.")] = 0.2,
    problem: Annotated[
        str, typer.Option(help="auto, multiclass, multilabel or regression; auto goes by the column's type.")
    ] = "auto",
    delimiter: Annotated[
        str | None, typer.Option(help="Cuts a text column into sets of labels.", show_default=False)
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option("--map", help="For column:COLUMN, PART=VALUE,VALUE; once per part.", show_default=False),
    ] = None,
    gap: Annotated[
        str, typer.Option(help="Leave out this long before val and test, as 7d or 1000.", rich_help_panel=_TIME)
    ] = "0",
    windows: Annotated[
        int, typer.Option(help="Test parts that lie side by side at the end of time.", rich_help_panel=_TIME)
    ] = 1,
    window: Annotated[int, typer.Option(help="Which of them to write, from 1.", rich_help_panel=_TIME)] = 1,
    edge_type: Annotated[
        list[str] | None,
        typer.Option(
            help='Links to predict, "SOURCE RELATION TARGET", repeatable; or all.',
            show_default="the only one",
            rich_help_panel=_LINKS,
        ),
    ] = None,
    disjoint: Annotated[
        float,
        typer.Option(
            help="Share of the training links that is learnt from and no message.",
            rich_help_panel=_LINKS,
        ),
    ] = 0.0,
    eval_negatives: Annotated[
        int,
        typer.Option(
            help="Fixed negatives of each link of val and test; where repeats are kept, none at its time.",
            rich_help_panel=_LINKS,
        ),
    ] = 0,
    eval_corrupt: Annotated[
        Literal["dst", "src", "either", "both"],
        typer.Option(help="End that negatives draw anew; either: half of them each.", rich_help_panel=_LINKS),
    ] = "dst",
    reverse_of: Annotated[
        list[str] | None,
        typer.Option(
            help='"TYPE=TYPE": edges of the first are links of the second the other way round; repeatable.',
            show_default=False,
            rich_help_panel=_LINKS,
        ),
    ] = None,
    test_sees: Annotated[
        Literal["val", "train"],
        typer.Option(help="Whether links of val are messages of test, or of train alone.", rich_help_panel=_LINKS),
    ] = "val",
    repeats: Annotated[
        Literal["drop", "keep"],
        typer.Option(help="By time: a link that comes again counts once, or each time.", rich_help_panel=_LINKS),
    ] = "drop",
    support: Annotated[
        float,
        typer.Option(
            help="Inductive: share of the links of unseen nodes that their part sees.", rich_help_panel=_LINKS
        ),
    ] = 0.0,
    partitions: Annotated[
        int | None,
        typer.Option(
            help="Also write the graph in this many parts with few edges between them, for torchrun -m gnnctl train.",
            min=2,
            show_default=False,
        ),
    ] = None,
    audit: Annotated[
        bool, typer.Option(help="Look for leakage, as gnnctl audit does, by the rules that are quick.")
    ] = True,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Deal labelled nodes or graphs, or links, out to the parts train, val and test."""
    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe, finished
    from gnnctl.graph.graph import Graph
    from gnnctl.graph.partition_files import write_partitions
    from gnnctl.sampling.assign import assign, method_for
    from gnnctl.splits import By, Fractions, LinkSplit, Moving, SplitRequest, open_split, parse_gap, parse_map
    from gnnctl.splits.audit import Subject, read_beside, write_beside
    from gnnctl.splits.audit import audit as audit_split
    from gnnctl.splits.report import split_text

    console = Console("split", json=json, quiet=quiet)
    request = SplitRequest(
        task=task,
        target=target,
        by=By.parse(by),
        fractions=Fractions(val, test),
        seed=seed,
        names=parse_map(map or []),
        moving=Moving(parse_gap(gap), windows, window),
        problem=problem,
        delimiter=delimiter,
        edge_types=tuple(edge_type or ()),
        reverse_of=tuple(reverse_of or ()),
        disjoint=disjoint,
        support=support,
        test_sees=test_sees,
        repeats=repeats,
        eval_negatives=eval_negatives,
        eval_corrupt=eval_corrupt,
    )
    opened = Graph.open(graph)
    found = request.find(opened)
    assert opened.artifact is not None
    if partitions is not None and opened.graphs is not None:
        raise UsageError("--partitions: graphs are trained on whole", fix="leave it out")
    method = method_for(opened)
    dealt = {} if partitions is None else {"partitions": partitions, "partition_method": method}
    recipe = Recipe("split", "split", 2, request.options(found) | dealt, [Parent("graph", opened.artifact)])
    if done := finished(output, recipe, force):
        made = open_split(done, opened)
        console.log(f"{output} is up to date: same graph, same options; nothing to do")
        before = read_beside(done)
        known = done.manifest.summary
        told: dict[str, Any] = {"partitions": known["partitions"]} if "partitions" in known else {}
        told |= {} if before is None else {"audit": before}
        console.result({"output": str(output), "done": False, **made.summary(), **told}, split_text(made))
        return
    made = request.make(opened, found)
    if isinstance(made, LinkSplit) and eval_negatives:
        from gnnctl.sampling.fixed_negatives import with_fixed_negatives

        made = with_fixed_negatives(made, eval_negatives, eval_corrupt, seed, at_the_time=repeats == "keep")
    for warning in made.warnings:
        console.warn(warning)
    told, assigned = {}, None
    if partitions is not None:
        assigned = assign(made, partitions, seed=seed, method=method)
        told["partitions"] = assigned.to_json()
        console.log(assigned.describe())
    if audit:
        audited = audit_split(Subject(made, recipe.options, progress=console.progress), cheap=True)
        told["audit"] = audited.to_json()
    if dry_run:
        console.log(f"{output} would be written")
    else:
        with ArtifactWriter(output, recipe, force=force) as writer:
            made.write(writer)
            if assigned is not None:
                codes = made.codes if isinstance(made, LinkSplit) else None
                write_partitions(writer, opened, assigned.owner, len(assigned.nodes), codes, {"method": method})
                writer.summary["partitions"] = assigned.to_json()
            if audit:
                write_beside(writer, audited)
        console.log(f"wrote {output}")
    if audit:
        for outcome, finding in audited.leaks:
            console.warn(f"audit: {outcome.rule}: {finding}")
        if audited.notes:
            console.log(f"audit: {len(audited.notes)} to note; gnnctl audit {output} tells more")
    console.result({"output": str(output), "done": not dry_run, **made.summary(), **told}, split_text(made))

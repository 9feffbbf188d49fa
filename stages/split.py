"""Choose what to learn from and what to be judged on: gnnctl split run/graph -o run/split --target package.section"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gnnctl import options
from gnnctl.console import Console, table
from gnnctl.errors import UsageError

if TYPE_CHECKING:
    from gnnctl.splits import NodeSplit

_CLASSES_SHOWN = 12


def split(
    graph: Annotated[Path, typer.Argument(help="Graph artifact.")],
    output: options.Output,
    target: Annotated[
        str | None,
        typer.Option(
            help="What to predict, TYPE.COLUMN (of graphs COLUMN).  [default: the label of the spec]",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        Literal["node", "graph"], typer.Option(help="What is predicted of: nodes, or whole graphs.")
    ] = "node",
    by: Annotated[
        str, typer.Option(help="random, stratified, group:COLUMN, time:COLUMN or column:COLUMN (a given split).")
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
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    config: options.Config = None,
    traceback: options.Traceback = False,
) -> None:
    """Deal labelled nodes or graphs out to the parts train, val and test."""
    from gnnctl.artifacts import ArtifactWriter, Parent, Recipe, finished
    from gnnctl.graph.graph import Graph
    from gnnctl.splits import By, Fractions, NodeSplit, find_target, parse_map, split_nodes

    console = Console("split", json=json, quiet=quiet)
    if delimiter == "":
        raise UsageError("--delimiter is empty", fix="pass what stands between two labels, as ','")
    way, fractions, names = By.parse(by), Fractions(val, test), parse_map(map or [])
    opened = Graph.open(graph)
    found = find_target(opened, target, problem, delimiter, task)
    resolved: dict[str, Any] = {
        **({} if task == "node" else {"task": task}),
        "target": f"{found.node_type}.{found.column}",
        "problem": found.problem,
        "delimiter": found.delimiter,
        "by": str(way),
    }
    # Only what decides the result belongs to the recipe.
    if way.way == "column":
        resolved |= {"map": dict(sorted(names.items()))}
    else:
        resolved |= {"val": val, "test": test}
    if way.way not in ("column", "time"):
        resolved |= {"seed": seed}
    assert opened.artifact is not None
    recipe = Recipe("split", "split", 1, resolved, [Parent("graph", opened.artifact)])
    if done := finished(output, recipe, force):
        made = NodeSplit.open(done, opened)
        console.log(f"{output} is up to date: same graph, same options; nothing to do")
        console.result({"output": str(output), "done": False, **made.summary()}, _text(made))
        return
    made = split_nodes(opened, found, way, fractions, seed, names)
    for warning in made.warnings:
        console.warn(warning)
    if dry_run:
        console.log(f"{output} would be written")
    else:
        with ArtifactWriter(output, recipe, force=force) as writer:
            made.write(writer)
        console.log(f"wrote {output}")
    console.result({"output": str(output), "done": not dry_run, **made.summary()}, _text(made))


def _text(made: "NodeSplit") -> str:
    """The parts and their sizes; then the classes, the most frequent first."""
    summary = made.summary()
    seeds = summary["seeds"]
    total = sum(seeds.values())
    lines = [f"{summary['target']} ({summary['problem']}, {made.target.num_outputs} outputs)", ""]
    lines.append(table(["part", "seeds", "share"], [[name, n, f"{n / total:.1%}"] for name, n in seeds.items()]))
    for reason, count in summary["left_out"].items():
        if count:
            lines.append(f"{count:,} {made.target.task}s {reason.replace('_', ' ')} are in no part")
    if "classes" in summary:
        counts = summary["classes"]
        ordered = sorted(counts["train"], key=lambda name: (-sum(c[name] for c in counts.values()), name))
        rows = [[name, *(c[name] for c in counts.values())] for name in ordered[:_CLASSES_SHOWN]]
        lines += ["", table(["class", *counts], rows)]
        if len(ordered) > _CLASSES_SHOWN:
            lines.append(f"and {len(ordered) - _CLASSES_SHOWN} more (--json lists all)")
    else:
        lines.append(f"training mean {summary['mean']:.4g}, standard deviation {summary['std']:.4g}")
    return "\n".join(lines)

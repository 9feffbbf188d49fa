"""One ingest as asked for on the command line: find the spec, then guess, predict or write."""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe, finished
from gnnctl.console import Console, table
from gnnctl.errors import ArtifactError, DataError, UsageError
from gnnctl.graph.features import FORMATS
from gnnctl.graph.graph import Graph
from gnnctl.graph.layout import store_of
from gnnctl.graph.tables import ZARR, table_format
from gnnctl.ingest.engine import Engine, default_memory, parse_memory
from gnnctl.ingest.flags import Flags, apply_flags, named_file
from gnnctl.ingest.guess import guess_document, guess_toml
from gnnctl.ingest.molecules import with_molecules
from gnnctl.ingest.parse import parse_spec, read_spec
from gnnctl.ingest.pipeline import Plan, default_threads, ingest
from gnnctl.ingest.report import predict, rows_of_graph
from gnnctl.ingest.spec import OnMissing, Spec
from gnnctl.ingest.tables import checksums

# Raise when the same spec and tables give another graph than before.
ALGORITHM = 3


@dataclass(frozen=True)
class Request:
    """The stage's options, unresolved."""

    tables: list[Path]
    output: Path | None
    guess: bool
    flags: Flags
    encoders_from: Path | None
    on_missing: str | None
    feature_dtype: str | None
    store: str
    memory: str | None
    threads: int | None
    dry_run: bool
    force: bool


def run(request: Request, console: Console) -> None:
    """Do what is asked and report it.

    Raises:
        UsageError: options that do not go together.
        DataError: bad spec or tables.
    """
    memory = parse_memory(request.memory or default_memory())
    threads = request.threads or default_threads()
    with tempfile.TemporaryDirectory(prefix="gnnctl-") as spill, Engine(".", memory, threads, Path(spill)) as engine:
        if request.guess:
            if not request.tables:
                raise UsageError("--guess needs tables", fix="name them, as --guess *.parquet")
            text = guess_toml(engine, [str(path) for path in request.tables])
            console.result({"spec": text}, text)
            return
        spec = _spec(request, engine, console)
    if request.output is None:
        raise UsageError("there is no output", fix="pass -o DIR")
    encoders_from = None if request.encoders_from is None else Graph.open(request.encoders_from)
    with (
        tempfile.TemporaryDirectory(prefix="gnnctl-") as spill,
        Engine(spec.folder, memory, threads, Path(spill)) as engine,
    ):
        if request.store != ZARR:
            table_format(request.store)
        recipe = _recipe(spec, engine, encoders_from)
        done = finished(request.output, recipe, request.force)
        if done and _keeps(done, request):
            graph = Graph.open(done)
            console.log(f"{request.output} is up to date: same spec, same tables; nothing to do")
            _report(console, graph, done.fingerprint, done.manifest.summary.get("notes", []), done=True)
            return
        if request.dry_run:
            spec, _ = with_molecules(spec, engine, Path(spill, "molecules"))
            plan = Plan.open(spec, engine, encoders_from.encoders if encoders_from else None)
            _report_plan(console, predict(plan, engine))
            return
    with ArtifactWriter(request.output, recipe, force=request.force) as writer:
        graph = ingest(
            spec,
            writer,
            memory=memory,
            threads=threads,
            encoders_from=encoders_from,
            store=request.store,
            progress=console.progress,
            log=console.log,
        )
        rows = rows_of_graph(graph)
        notes = writer.summary["notes"]
    _report(console, graph, recipe.fingerprint, notes, rows=rows)


def _spec(request: Request, engine: Engine, console: Console) -> Spec:
    flags = request.flags
    if request.tables:
        if flags != Flags():
            raise UsageError("a spec and flags about tables do not go together", fix="edit the spec, or leave it out")
        if len(request.tables) > 1:
            raise UsageError("there is one spec too many", fix="name one TOML file, or pass --guess for tables")
        if request.tables[0].suffix.lower() in (".parquet", ".csv", ".arrow", ".feather", ".jsonl", ".json", ".tsv"):
            fix = "name a TOML spec, or pass --guess, or --nodes and --edges"
            raise UsageError(f"{request.tables[0]} is a table, not a spec", fix=fix)
        spec = read_spec(request.tables[0])
    elif flags.nodes or flags.edges:
        nodes = [named_file(flags.nodes)] if flags.nodes else []
        edges = [named_file(flags.edges)] if flags.edges else []
        document = apply_flags(guess_document(engine, nodes, edges, flags), flags)
        for kind, parts in document.items():
            for name, part in parts.items():
                console.log(f"{kind} '{name}': {_in_words(part)}")
        spec = parse_spec(document, where="the command line")
    else:
        raise UsageError("there is nothing to ingest", fix="name a TOML spec, or pass --nodes and --edges, or --guess")
    if request.on_missing is not None:
        if request.on_missing not in get_args(OnMissing):
            raise UsageError(f"--on-missing {request.on_missing}", fix=f"it takes {', '.join(get_args(OnMissing))}")
        changed: Any = request.on_missing
        spec = dataclasses.replace(
            spec, edges=tuple(dataclasses.replace(edge, on_missing=changed) for edge in spec.edges)
        )
    if request.feature_dtype is not None:
        if request.feature_dtype not in FORMATS:
            raise UsageError(f"--feature-dtype {request.feature_dtype}", fix=f"it takes {', '.join(FORMATS)}")
        stored: Any = request.feature_dtype
        spec = dataclasses.replace(
            spec, nodes=tuple(dataclasses.replace(node, feature_dtype=stored) for node in spec.nodes)
        )
    return spec


def _keeps(done: Artifact, request: Request) -> bool:
    """Whether a graph of the same recipe has its features where they are wanted; False: it is to be replaced."""
    kept = store_of(done)
    if kept is None or kept == request.store:
        return True
    if not request.force:
        problem = f"{request.output} keeps its features in {kept}, not in {request.store}"
        raise ArtifactError(problem, fix="pass --force to replace it")
    return False


def _in_words(part: dict[str, Any]) -> str:
    plain = [f"{k} = {v}" for k, v in part.items() if k not in ("features", "table") and v not in ([], None)]
    features = ", ".join(
        f"{k} {v if isinstance(v, str) else v['encoder']}" for k, v in part.get("features", {}).items()
    )
    return "; ".join([*plain, f"features: {features or 'none'}"])


def _recipe(spec: Spec, engine: Engine, encoders_from: Graph | None) -> Recipe:
    for statement in spec.setup:
        engine.rows(statement, f"setup '{statement}'")
    parents = []
    if encoders_from is not None:
        if encoders_from.artifact is None:
            raise DataError("--encoders-from is no artifact", fix="name a graph artifact")
        parents = [Parent("encoders", encoders_from.artifact)]
    return Recipe("graph", "ingest", ALGORITHM, spec.to_json(), parents, checksums(spec, engine))


def _report(
    console: Console,
    graph: Graph,
    fingerprint: str,
    notes: list[str],
    *,
    rows: list[list[Any]] | None = None,
    done: bool = False,
) -> None:
    text = table(["", "type", "count", "features", "with"], rows or rows_of_graph(graph))
    document = {"graph": graph.summary(), "fingerprint": fingerprint, "notes": notes, "up_to_date": done}
    console.result(document, text)


def _report_plan(console: Console, document: dict[str, Any]) -> None:
    rows = [
        [kind, name, part["rows"], part["width"], _size(part["bytes"])]
        for kind in ("graphs", "nodes", "edges")
        for name, part in document.get(kind, {}).items()
    ]
    total = f"would write about {_size(document['bytes'])}"
    console.result({"dry_run": True, **document}, table(["", "type", "rows", "features", "size"], rows) + f"\n{total}")


def _size(count: int) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count //= 1024
    return f"{count} TB"

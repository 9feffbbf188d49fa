"""Imports follow the data: a package imports only from those beneath it."""

import ast
from pathlib import Path

import gnnctl

ROOT = Path(gnnctl.__file__).parent

# A package and what it may import, beside itself, the standard library and dependencies.
MAY_IMPORT = {
    "errors": set(),
    "console": {"errors"},
    "options": {"errors", "console", "nn"},
    "parameters": {"errors"},
    "page": set(),
    "processes": {"errors"},
    "native": {"errors"},
    "schemas": set(),
    "artifacts": {"errors", "native", "schemas"},
    "graph": {"errors", "artifacts", "native", "console", "parameters"},
    "ingest": {"errors", "artifacts", "graph", "native", "console", "parameters"},
    "remote": {"errors", "artifacts", "graph"},
    "splits": {"errors", "artifacts", "graph", "native", "remote", "console", "page"},
    "sampling": {"errors", "artifacts", "graph", "native", "remote", "splits", "console", "parameters"},
    "serving": {"errors", "artifacts", "graph", "remote", "sampling"},
    "nn": {"errors", "artifacts", "graph", "native", "sampling", "parameters"},
    "training": {
        "errors",
        "artifacts",
        "graph",
        "native",
        "remote",
        "splits",
        "sampling",
        "nn",
        "parameters",
        "console",
        "page",
        "processes",
    },
    "explain": {"errors", "artifacts", "graph", "native", "splits", "sampling", "nn", "training", "console", "page"},
    "bench": {"errors", "artifacts", "graph", "native", "splits", "sampling", "nn", "training", "console"},
    "inspection": {"errors", "artifacts", "console", "schemas"},
}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module] if node.module != "gnnctl" else [f"gnnctl.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("gnnctl.")}
    return found


def test_imports_point_downwards():
    wrong = []
    for path in ROOT.rglob("*.py"):
        package = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if package in MAY_IMPORT:
            extra = imported(path) - MAY_IMPORT[package] - {package, "__version__"}
            wrong += [f"{path.relative_to(ROOT)} imports gnnctl.{name}" for name in sorted(extra)]
    assert not wrong, "\n".join(wrong)


def test_every_package_has_a_place():
    known = {*MAY_IMPORT, "stages", "cli", "__init__", "__main__"}
    found = {p.name.removesuffix(".py") for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert found <= known, found - known


def test_stages_and_cli_import_nothing_heavy_at_the_top():
    light = {"typer", "gnnctl", "typing", "pathlib", "sys", "os", "errno", "enum", "importlib", "collections"}
    for path in [*ROOT.joinpath("stages").glob("*.py"), ROOT / "cli.py", *ROOT.joinpath("options").glob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for name in names:
                assert name.split(".")[0] in light | {"tomllib", "contextlib", "dataclasses"}, f"{path.name}: {name}"
                if name.startswith("gnnctl.") and not name.startswith("gnnctl.stages"):
                    assert name in {"gnnctl.options", "gnnctl.errors", "gnnctl.console", "gnnctl.processes"}, (
                        f"{path.name}: {name}"
                    )


def test_no_file_is_longer_than_400_lines():
    long = {
        str(p.relative_to(ROOT)): n
        for p in ROOT.rglob("*")
        if p.suffix in {".py", ".cpp", ".h", ".cu", ".cuh"} and (n := len(p.read_text().splitlines())) > 400
    }
    assert not long

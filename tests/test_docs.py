"""Every command in the documentation runs, in the order it is printed, on a reduced copy of the examples."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parent.parent
PAGES = [p for p in (ROOT / "README.md", *sorted(ROOT.glob("examples/**/README.md"))) if "```sh" in p.read_text()]


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"```(sh|python)\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture
def workplace(tmp_path):
    """A copy of examples/ in which Debian has one source package in forty, apt and bash."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("run", "__pycache__"))
    data = tmp_path / "examples" / "debian" / "data"
    with duckdb.connect() as db:
        kept = "hash(source) % 40 = 0 or name in ('apt', 'bash')"
        db.execute(f"create table package as from '{data}/packages.parquet' where {kept}")
        db.execute(f"copy package to '{data}/packages.parquet'")
        for table in sorted(data.glob("*.parquet")):
            columns = [name for name, *_ in db.execute(f"describe from '{table}'").fetchall()]
            if "package" in columns:
                known = "package in (select name from package)"
                if "target" in columns and not table.stem.endswith("_virtual"):
                    known += " and target in (select name from package)"
                db.execute(f"create or replace table kept as from '{table}' where {known}")
                db.execute(f"copy kept to '{table}'")
    return tmp_path


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page, workplace):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    folder = workplace if page.parent == ROOT else workplace / page.parent.relative_to(ROOT)
    for language, text in blocks(page):
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert answer.returncode == 0, f"{text}\n{answer.stderr[-3000:]}"


def test_links_in_the_documentation_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("schemas/*.md"), *ROOT.glob("examples/**/*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"

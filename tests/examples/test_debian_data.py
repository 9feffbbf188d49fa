"""The Debian example: what its script makes of an index, what its tables hold, what its spec leaves out."""

import importlib.util
import json
import tomllib
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "debian"

INDEX = """\
Package: b
Source: src (1.0)
Version: 1.2-3
Installed-Size: 10
Maintainer: "Team, of Us" <team@example.org>
Architecture: amd64
Depends: c:any (>= 1), a | d (<< 2~), a, b, mailer
Provides: mailer (= 1), c
Description: Sends
 letters
Tag: role::program, use::sending,
 works-with::mail
Section: non-free/mail
Priority: optional
Size: 5

Package: c
Version: 1:0.1
Essential: yes
Maintainer: c@example.org
Architecture: all
Pre-Depends: nobody-has-this
Description: Sea
Section: libs
Priority: required
Size: 7

Package: a
Version: 2.0
Maintainer: A <a@example.org>
Architecture: all
Description: Old
Section: libs
Priority: optional
Size: 7
"""

NEWER = """\
Package: a
Version: 10.0
Maintainer: A <a@example.org>
Architecture: all
Description: New
Section: libs
Priority: optional
Size: 7

Package: c
Version: 99
Maintainer: A <a@example.org>
Architecture: all
Description: Of a lower epoch
Section: libs
Priority: optional
Size: 7
"""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build_debian", FOLDER / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data():
    return {path.stem: pq.read_table(path) for path in (FOLDER / "data").glob("*.parquet")}


def test_the_script_reads_an_index(script, tmp_path):
    (tmp_path / "one").write_text(INDEX)
    (tmp_path / "two").write_text(NEWER)
    tables, dropped = script.build([tmp_path / "one", tmp_path / "two"])
    packages = tables["packages"].to_pydict()
    assert packages["name"] == ["a", "b", "c"]
    assert packages["summary"] == ["New", "Sends letters", "Sea"]
    assert packages["source"] == ["a", "src", "c"]
    assert packages["section"] == ["libs", "mail", "libs"]
    assert packages["maintainer"] == ["A", "Team, of Us", "c@example.org"]
    assert packages["essential"] == [False, False, True]
    assert packages["installed_size"] == [None, 10, None]
    assert tables["depends"].to_pylist() == [
        {"package": "b", "target": "a", "alternative": 0, "operator": ""},
        {"package": "b", "target": "c", "alternative": 0, "operator": ">="},
    ]
    assert tables["depends_virtual"]["target"].to_pylist() == ["mailer"]
    assert tables["provides"]["target"].to_pylist() == ["c"]
    assert tables["provides_virtual"]["target"].to_pylist() == ["mailer"]
    assert tables["tagged"]["tag"].to_pylist() == ["role::program", "use::sending", "works-with::mail"]
    assert {k: v for k, v in dropped.items() if v} == {"depends": 1, "pre_depends": 1}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.9", "1.10"),
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0-1"),
        ("1.0-1", "1.0-1+deb12u1"),
        ("9.9", "1:0.1"),
        ("1.0a", "1.0+"),
        ("1.0-1~bpo1", "1.0-1"),
        ("2.0-1", "2.0.1-1"),
    ],
)
def test_versions_sort_as_dpkg_sorts_them(script, older, newer):
    assert script.version_key(older) < script.version_key(newer)


@pytest.mark.parametrize(("suffix", "module"), [(".gz", "gzip"), (".xz", "lzma")])
def test_compressed_indices_are_read(script, tmp_path, suffix, module):
    path = tmp_path / f"Packages{suffix}"
    path.write_bytes(importlib.import_module(module).compress(INDEX.encode()))
    assert len(list(script.paragraphs(script.read_text(path)))) == 3


def test_the_tables_are_small_and_as_noted(data):
    files = list((FOLDER / "data").iterdir())
    assert sum(f.stat().st_size for f in files) < 6_000_000
    noted = json.loads((FOLDER / "data" / "built_from.json").read_text())["rows"]
    assert noted == {name: table.num_rows for name, table in data.items()}


def test_ids_are_distinct_sorted_text_and_every_link_ends_somewhere(data):
    names = data["packages"]["name"].to_pylist()
    assert names == sorted(set(names))
    assert len(names) == 63_666
    assert len(pc.unique(data["packages"]["section"])) == 58
    assert data["packages"]["summary"].null_count == 0
    known, virtual = set(names), set(data["provides_virtual"]["target"].to_pylist())
    assert not known & virtual
    for name, table in data.items():
        if name in ("packages", "tagged"):
            continue
        assert set(table["package"].to_pylist()) <= known
        assert set(table["target"].to_pylist()) <= (virtual if name.endswith("_virtual") else known), name


def test_no_mail_address_is_in_the_tables(data):
    assert not pc.any(pc.match_substring(data["packages"]["maintainer"], "@")).as_py()


def test_the_spec_leaves_out_what_gives_the_section_away():
    text = (FOLDER / "debian.toml").read_text()
    spec = tomllib.loads(text)
    assert not {"name", "section", "version", "source"} & spec["nodes"]["package"]["features"].keys()
    used = text.partition("[nodes.package]")[2]
    assert "tagged" not in used
    assert "name" not in spec["nodes"]["source"]["features"]


def test_the_session_of_the_readme(cli, tmp_path):
    code, out, err = cli("ingest", FOLDER / "debian.toml", "-o", tmp_path / "graph", "--quiet", "--json")
    assert (code, err) == (0, "")
    code, out, err = cli(
        *("split", tmp_path / "graph", "-o", tmp_path / "split", "--target", "package.section"),
        *("--by", "group:source", "--val", "0.1", "--test", "0.2", "--quiet", "--json"),
    )
    assert code == 0
    seeds = json.loads(out)["seeds"]
    assert sum(seeds.values()) == 63_666
    assert seeds["test"] == pytest.approx(0.2 * 63_666, rel=0.06)
    assert cli("inspect", tmp_path / "split", "--verify", "--quiet")[0] == 0

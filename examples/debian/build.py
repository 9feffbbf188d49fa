"""Builds the tables of this example from Debian package indices, as apt keeps or downloads them.

    python build.py Packages [Packages-updates Packages-security] -o data

A `Packages` file is plain, .gz, .xz, or .lz4 (read through apt-helper). Where several name the same package, the
newest version counts. How to get the files: README.md.
"""

import argparse
import gzip
import hashlib
import json
import lzma
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

RELATIONS = {
    "depends": "Depends",
    "pre_depends": "Pre-Depends",
    "recommends": "Recommends",
    "suggests": "Suggests",
    "enhances": "Enhances",
    "conflicts": "Conflicts",
    "breaks": "Breaks",
    "replaces": "Replaces",
    "provides": "Provides",
}
CLAUSE = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.\-]*)(?::[a-z0-9\-]+)?\s*(?:\((?P<operator><<|<=|=|>=|>>)[^)]*\))?")

Paragraph = dict[str, str]


class Link(NamedTuple):
    """One package named in a relation field of another."""

    package: str
    target: str
    alternative: int  # 0 for the first choice in "a | b"
    operator: str  # of the version constraint, "" where there is none


def read_text(path: Path) -> str:
    """The whole index as text, decompressed by its file name."""
    if path.suffix == ".lz4":
        run = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(path)], check=True, stdout=subprocess.PIPE)
        return run.stdout.decode()
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".xz":
        data = lzma.decompress(data)
    return data.decode()


def paragraphs(text: str) -> Iterator[Paragraph]:
    """Each stanza as field -> value; continuation lines are joined by a blank."""
    for block in text.split("\n\n"):
        fields: Paragraph = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t"):
                fields[name] += " " + line.strip()
            elif line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            yield fields


def version_key(version: str) -> tuple[object, ...]:
    """A key that sorts versions as dpkg does: epoch, upstream, revision; '~' before the end of the string."""
    epoch, colon, rest = version.rpartition(":")
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return (int(epoch) if colon else 0, _part_key(upstream), _part_key(revision))


def _part_key(part: str) -> tuple[object, ...]:
    key: list[object] = []
    for text, number in re.findall(r"([^0-9]*)([0-9]*)", part):
        if text or number:
            # Letters come before other signs, the end of the text before both, '~' before everything.
            ranks = [-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 256 for c in text]
            key += [(*ranks, 0), int(number or 0)]
    return (*key, (0,))


def newest(paths: list[Path]) -> dict[str, Paragraph]:
    """Package name -> its newest stanza over all indices."""
    found: dict[str, Paragraph] = {}
    for path in paths:
        for fields in paragraphs(read_text(path)):
            name = fields["Package"]
            if name not in found or version_key(fields["Version"]) > version_key(found[name]["Version"]):
                found[name] = fields
    return dict(sorted(found.items()))


def links(package: str, field: str) -> Iterator[Link]:
    """The packages that a relation field names, each once: "a (>= 1) | b, c" names a, b and c."""
    seen: set[str] = set()
    for clause in field.split(","):
        for position, alternative in enumerate(clause.split("|")):
            match = CLAUSE.match(alternative.strip())
            if match and match["name"] not in seen and match["name"] != package:
                seen.add(match["name"])
                yield Link(package, match["name"], position, match["operator"] or "")


def maintainer(fields: Paragraph) -> str:
    """The maintainer's name, without the address."""
    return fields["Maintainer"].partition("<")[0].strip().strip('"') or fields["Maintainer"].strip("<>")


def package_table(packages: dict[str, Paragraph]) -> pa.Table:
    """One row per package, sorted by name."""
    rows = list(packages.values())

    def text(field: str) -> pa.Array:
        return pa.array([row.get(field) for row in rows], pa.string())

    def number(field: str) -> pa.Array:
        return pa.array([int(row[field]) if field in row else None for row in rows], pa.int64())

    return pa.table(
        {
            "name": pa.array(packages, pa.string()),
            "version": text("Version"),
            "section": pa.array([row["Section"].rpartition("/")[2] for row in rows], pa.string()),
            "priority": text("Priority"),
            "architecture": text("Architecture"),
            "multi_arch": text("Multi-Arch"),
            "essential": pa.array([row.get("Essential") == "yes" for row in rows], pa.bool_()),
            "installed_size": number("Installed-Size"),
            "size": number("Size"),
            "maintainer": pa.array([maintainer(row) for row in rows], pa.string()),
            "source": pa.array([row.get("Source", row["Package"]).split()[0] for row in rows], pa.string()),
            "summary": pa.array([row["Description"] for row in rows], pa.string()),
        }
    )


def relation_table(found: list[Link]) -> pa.Table:
    """Links sorted by package and target."""
    found = sorted(found)
    return pa.table(
        {
            "package": pa.array([link.package for link in found], pa.string()),
            "target": pa.array([link.target for link in found], pa.string()),
            "alternative": pa.array([link.alternative for link in found], pa.int8()),
            "operator": pa.array([link.operator for link in found], pa.string()),
        }
    )


def tag_table(packages: dict[str, Paragraph]) -> pa.Table:
    """One row per package and debtag, sorted."""
    pairs = sorted(
        (name, tag.strip()) for name, row in packages.items() for tag in row.get("Tag", "").split(",") if tag.strip()
    )
    return pa.table({"package": [name for name, _ in pairs], "tag": [tag for _, tag in pairs]})


def build(paths: list[Path]) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """All tables by name, and how many links per relation named nothing in the index."""
    packages = newest(paths)
    by_relation = {
        relation: [link for name, row in packages.items() for link in links(name, row.get(field, ""))]
        for relation, field in RELATIONS.items()
    }
    virtual = {link.target for link in by_relation["provides"]} - packages.keys()
    tables = {"packages": package_table(packages), "tagged": tag_table(packages)}
    dropped = {}
    for relation, found in by_relation.items():
        tables[relation] = relation_table([link for link in found if link.target in packages])
        tables[f"{relation}_virtual"] = relation_table([link for link in found if link.target in virtual])
        dropped[relation] = len(found) - len(tables[relation]) - len(tables[f"{relation}_virtual"])
    return tables, dropped


def main() -> None:
    """Write one Parquet file per table, and a note of what they were built from."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", nargs="+", type=Path, help="Packages index files")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "data")
    arguments = parser.parse_args()
    tables, dropped = build(arguments.packages)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        path = arguments.output / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=19, store_schema=False)
        print(f"{name:22} {table.num_rows:>8,} rows {path.stat().st_size:>10,} bytes")
    note = {
        "indices": [hashlib.sha256(read_text(path).encode()).hexdigest() for path in arguments.packages],
        "rows": {name: table.num_rows for name, table in tables.items()},
        "links_to_names_outside_the_index": dropped,
    }
    (arguments.output / "built_from.json").write_text(json.dumps(note, indent=2) + "\n")


if __name__ == "__main__":
    main()

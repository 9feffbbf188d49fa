"""An audit on disk: in a report of its own, and beside the split that it is of."""

import json
from typing import TYPE_CHECKING, Any

from gnnctl.artifacts import Artifact, ArtifactWriter
from gnnctl.splits.audit.findings import Audit
from gnnctl.splits.audit.page import page

if TYPE_CHECKING:
    import pyarrow as pa

PAGE = "audit.html"
TABLE = "findings.parquet"
_FILE = "audit.json"
_ROWS_NAMED = 20  # of each finding, in documents; the table has more


def write_report(writer: ArtifactWriter, audit: Audit) -> None:
    """Write a report artifact: ``results.json``, ``findings.parquet`` and ``audit.html``."""
    import pyarrow.parquet as pq

    document = audit.to_json(_ROWS_NAMED)
    writer.json("results", document)
    table: pa.Table = audit.table()
    pq.write_table(table, writer.file(TABLE), compression="zstd")
    writer.file(PAGE).write_text(page(document), encoding="utf-8")
    writer.summary.update({key: document[key] for key in ("verdict", "leaks", "notes")})
    writer.summary["rules"] = {outcome.rule: outcome.status for outcome in audit.outcomes}


def write_beside(writer: ArtifactWriter, audit: Audit) -> None:
    """Write ``audit.json`` into a split artifact.

    It is a remark on the split, no part of its content: a split is the same with and without.
    """
    text = json.dumps(audit.to_json(_ROWS_NAMED), indent=2, ensure_ascii=False, allow_nan=False)
    writer.file(_FILE, content=False).write_text(text + "\n", encoding="utf-8")


def read_beside(split: Artifact) -> dict[str, Any] | None:
    """The document that :func:`write_beside` left, or None where the split was made without.

    Raises:
        ArtifactError: it cannot be read.
    """
    if not any(entry["path"] == _FILE for entry in split.manifest.files):
        return None
    found: dict[str, Any] = split.json("audit")
    return found

"""The report of an audit as a page."""

from html import escape
from typing import Any

from gnnctl.page import Card, document, html_table, section

_VERDICTS = {
    "leak": "<strong>Leakage:</strong> results on this split look better than they are.",
    "note": "No leak was found; some things are worth knowing.",
    "clean": "<strong>Clean:</strong> no rule found anything.",
}


def page(audit: dict[str, Any]) -> str:
    """The whole page, of the document of :meth:`Audit.to_json`."""
    about = audit["audit"]
    chips = [f"{about['task']} task", *(f"{name} {count:,}" for name, count in about["seeds"].items())]
    rules = audit["rules"]
    rows = [[rule["rule"], rule["status"], rule["title"], rule["reason"]] for rule in rules]
    cards = [_finding(rule, found) for rule in rules for found in rule["findings"]]
    overview = Card("Rules", _prose(html_table(["Rule", "Answer", "What it looks for", "Why"], rows)), wide=True)
    body = section("Audit of a split", about["target"], _VERDICTS[audit["verdict"]], chips, [overview, *cards])
    return document(f"Audit: {about['target']}", body)


def _finding(rule: dict[str, Any], found: dict[str, Any]) -> Card:
    level = "allowed" if rule["status"] == "allowed" else found["level"]
    fix = f"<p>To mend it: {escape(found['fix'])}.</p>" if found["fix"] else ""
    body = f"<p>{escape(found['what'])}.</p>{fix}"
    rows = found["rows"]
    if rows:
        columns = [key for key in ("id", "part", "other", "other_part", "type") if any(row[key] for row in rows)]
        names = {"id": "Row", "part": "Part", "other": "Meets", "other_part": "Part", "type": "Of"}
        body += _prose(html_table([names[key] for key in columns], [[row[key] for key in columns] for row in rows]))
    more = (
        f"The first {len(rows):,} of {found['count']:,}; findings.parquet has more."
        if len(rows) < found["count"]
        else ""
    )
    return Card(f"{rule['rule']}: {level}", body, more, wide=True)


def _prose(table: str) -> str:
    """Of text rather than of numbers."""
    return f'<div class="prose">{table}</div>'

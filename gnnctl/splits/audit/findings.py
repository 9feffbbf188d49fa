"""What an audit finds: findings, the outcome of a rule, and the verdict on a split."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gnnctl.console import table

if TYPE_CHECKING:
    import pyarrow as pa

Level = Literal["leak", "note"]
Status = Literal["leak", "note", "clean", "allowed", "not applicable"]
ROWS_KEPT = 1000  # of a finding, in its report
_ROWS_NAMED = 3  # in text


class Row(NamedTuple):
    """One thing that a finding is about.

    Attributes:
        type: node type, edge type, or what else it is (``feature``, ``group``).
        id: its original id; of an edge ``SOURCE -> TARGET``; of a feature its name.
        part: of the split, or empty.
        other: what it meets, by original id, or empty.
        other_part: of that, or empty.
    """

    type: str
    id: str
    part: str = ""
    other: str = ""
    other_part: str = ""

    def __str__(self) -> str:
        part = f" ({self.part})" if self.part else ""
        if not self.other:
            return f"{self.id}{part}"
        return f"{self.id}{part} / {self.other}" + (f" ({self.other_part})" if self.other_part else "")


@dataclass(frozen=True)
class Finding:
    """Something wrong with a split.

    Attributes:
        level: ``leak``, which makes results look better than they are, or ``note``, which may be meant.
        what: one sentence with its counts.
        fix: how to mend it, or empty.
        count: how many things it is about.
        rows: the first of them, at most ``ROWS_KEPT``.
    """

    level: Level
    what: str
    fix: str
    count: int
    rows: list[Row] = field(default_factory=list)

    def __str__(self) -> str:
        named = ", ".join(map(str, self.rows[:_ROWS_NAMED]))
        more = ", ..." if self.count > _ROWS_NAMED and named else ""
        return self.what + (f": {named}{more}" if named else "")

    def to_json(self, rows: int) -> dict[str, Any]:
        """A JSON document with the first ``rows`` of its rows."""
        return {
            "level": self.level,
            "what": self.what,
            "fix": self.fix,
            "count": self.count,
            "rows": [row._asdict() for row in self.rows[:rows]],
        }


class NotApplicable(Exception):
    """A rule has nothing to say of this split; ``str()`` is the reason."""


@dataclass(frozen=True)
class Outcome:
    """What a rule said.

    Attributes:
        rule, title: its name, and what it looks for.
        findings: none where it found nothing.
        reason: why it did not apply, or what it looked at.
        applies: whether it looked at all.
        allowed: whether its findings are accepted.
    """

    rule: str
    title: str
    findings: list[Finding] = field(default_factory=list)
    reason: str = ""
    applies: bool = True
    allowed: bool = False

    @property
    def status(self) -> Status:
        """The rule's answer in a word or two."""
        if not self.applies:
            return "not applicable"
        if not self.findings:
            return "clean"
        if self.allowed:
            return "allowed"
        return "leak" if any(finding.level == "leak" for finding in self.findings) else "note"


@dataclass(frozen=True)
class Audit:
    """What all rules said of a split.

    Attributes:
        target: what the split predicts.
        task: node, edge, link or graph.
        seeds: by part, how many.
        outcomes: a rule each.
    """

    target: str
    task: str
    seeds: dict[str, int]
    outcomes: list[Outcome]

    @property
    def leaks(self) -> list[tuple[Outcome, Finding]]:
        """Findings that make results look better than they are, and are not allowed."""
        return self._of("leak")

    @property
    def notes(self) -> list[tuple[Outcome, Finding]]:
        """Findings that may be meant, and are not allowed."""
        return self._of("note")

    def _of(self, level: Level) -> list[tuple[Outcome, Finding]]:
        return [(o, f) for o in self.outcomes if not o.allowed for f in o.findings if f.level == level]

    @property
    def verdict(self) -> Literal["leak", "note", "clean"]:
        """The worst that was found."""
        return "leak" if self.leaks else "note" if self.notes else "clean"

    def to_json(self, rows: int = 5) -> dict[str, Any]:
        """The document, with the first ``rows`` rows of each finding."""
        return {
            "audit": {"target": self.target, "task": self.task, "seeds": self.seeds},
            "verdict": self.verdict,
            "leaks": len(self.leaks),
            "notes": len(self.notes),
            "rules": [
                {
                    "rule": o.rule,
                    "title": o.title,
                    "status": o.status,
                    "reason": o.reason,
                    "findings": [f.to_json(rows) for f in o.findings],
                }
                for o in self.outcomes
            ],
        }

    def table(self) -> "pa.Table":
        """Every kept row of every finding, a row each; a finding without rows has one."""
        import pyarrow as pa

        columns: dict[str, list[Any]] = {
            name: [] for name in ("rule", "level", "allowed", "what", "count", *Row._fields)
        }
        for outcome in self.outcomes:
            for finding in outcome.findings:
                for row in finding.rows or [Row("", "")]:
                    values = (outcome.rule, finding.level, outcome.allowed, finding.what, finding.count, *row)
                    for name, value in zip(columns, values, strict=True):
                        columns[name].append(value)
        types = {"allowed": pa.bool_(), "count": pa.int64()}
        return pa.table({name: pa.array(v, types.get(name, pa.string())) for name, v in columns.items()})


def audit_text(document: dict[str, Any]) -> str:
    """A table of the rules and below it what they found, of the document of :meth:`Audit.to_json`."""
    rules = document["rules"]
    lines = [table(["rule", "answer", "what it looks for"], [[r["rule"], r["status"], r["title"]] for r in rules])]
    lines += [f"{r['rule']}: not applicable: {r['reason']}" for r in rules if r["status"] == "not applicable"]
    for rule in rules:
        for found in rule["findings"]:
            rows = [Row(**row) for row in found["rows"]]
            finding = Finding(found["level"], found["what"], found["fix"], found["count"], rows)
            level = "allowed" if rule["status"] == "allowed" else found["level"]
            lines.append(f"\n{level}: {rule['rule']}: {finding}" + (f"\n    {found['fix']}" if found["fix"] else ""))
    leaks, notes = document["leaks"], document["notes"]
    lines.append(f"\n{_count(leaks, 'leak')}, {_count(notes, 'note')}" if leaks or notes else "\nno leak found")
    return "\n".join(lines)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"

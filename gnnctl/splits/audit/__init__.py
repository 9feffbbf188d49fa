"""Looks for leakage: what would make a split's results look better than they are."""

from gnnctl.splits.audit.findings import Audit, Finding, Outcome, Row, audit_text
from gnnctl.splits.audit.report import read_beside, write_beside, write_report
from gnnctl.splits.audit.rules import RULES, audit, check_rules
from gnnctl.splits.audit.subject import Subject

__all__ = [
    "RULES",
    "Audit",
    "Finding",
    "Outcome",
    "Row",
    "Subject",
    "audit",
    "audit_text",
    "check_rules",
    "read_beside",
    "write_beside",
    "write_report",
]

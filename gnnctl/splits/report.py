"""What `gnnctl split` answers, for people."""

from typing import Any

from gnnctl.console import table
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.node import NodeSplit

_CLASSES_SHOWN = 12


def split_text(made: NodeSplit | LinkSplit) -> str:
    """The parts and their sizes; then the edge types or classes, the most frequent first."""
    summary = made.summary()
    seeds = summary["seeds"]
    total = sum(seeds.values())
    outputs = "" if summary["problem"] == "link" else f", {made.target.num_outputs} outputs"
    lines = [f"{summary['target']} ({summary['problem']}{outputs})", ""]
    rows = [[name, n, f"{n / max(total, 1):.1%}"] for name, n in seeds.items()]
    header = ["part", "seeds", "share"]
    if isinstance(made, LinkSplit):
        header = ["part", "links", "share", "messages"]
        rows = [[*row, sum(summary["messages"][row[0]].values())] for row in rows]
        if made.negatives:
            header.append("negatives")
            rows = [[*row, summary["negatives"].get(row[0], 0)] for row in rows]
    lines.append(table(header, rows))
    what = "link" if isinstance(made, LinkSplit) else made.target.task
    for reason, count in summary["left_out"].items():
        if count:
            lines.append(f"{count:,} {what}s {_REASONS[reason]}")
    if isinstance(made, LinkSplit) and len(made.target.edge_types) > 1:
        lines += ["", *_counts("edge type", summary["edge_types"])]
    if "classes" in summary:
        lines += ["", *_counts("class", summary["classes"])]
    elif summary["problem"] == "regression":
        lines.append(f"training mean {summary['mean']:.4g}, standard deviation {summary['std']:.4g}")
    return "\n".join(lines)


_REASONS = {
    "without_label": "without label are in no part",
    "in_no_part": "are in no part",
    "message_only": "are messages only",
    "duplicate": "are duplicates of others, which stand for them",
}


def _counts(name: str, counts: dict[str, dict[str, int]]) -> list[str]:
    ordered = sorted(counts["train"], key=lambda key: (-sum(c[key] for c in counts.values()), key))
    rows: list[list[Any]] = [[key, *(c[key] for c in counts.values())] for key in ordered[:_CLASSES_SHOWN]]
    lines = [table([name, *counts], rows)]
    if len(ordered) > _CLASSES_SHOWN:
        lines.append(f"and {len(ordered) - _CLASSES_SHOWN} more (--json lists all)")
    return lines

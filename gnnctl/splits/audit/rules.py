"""The rules of an audit, and how they are run."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from gnnctl.errors import UsageError
from gnnctl.splits.audit.duplicates import duplicate_rows
from gnnctl.splits.audit.encoders import fitted_encoders
from gnnctl.splits.audit.findings import Audit, Finding, NotApplicable, Outcome
from gnnctl.splits.audit.future import future_seen
from gnnctl.splits.audit.giveaway import giveaway_features
from gnnctl.splits.audit.groups import crossing_groups
from gnnctl.splits.audit.inverse import inverse_types
from gnnctl.splits.audit.overlap import overlapping_parts
from gnnctl.splits.audit.reachable import crossing_links, reachable_links
from gnnctl.splits.audit.same_graphs import repeated_graphs
from gnnctl.splits.audit.subject import Subject
from gnnctl.splits.columns import nearest_of
from gnnctl.splits.link import LinkSplit


class Rule(NamedTuple):
    """One thing to look for.

    Attributes:
        title: in a few words.
        find: what looks for it.
        cheap: whether it reads no features, so that every split can be looked at.
    """

    title: str
    find: Callable[[Subject], list[Finding]]
    cheap: bool = True


RULES: dict[str, Rule] = {
    "overlap": Rule("seeds that are in two parts", overlapping_parts),
    "reachable": Rule("links that messages pass along while they are predicted", reachable_links),
    "crossing": Rule("links repeated or reversed in another part", crossing_links),
    "inverse": Rule("edge types that say the same as a predicted one", inverse_types),
    "future": Rule("seeds that see what is later than they are", future_seen),
    "groups": Rule("groups of rows in several parts", crossing_groups),
    "encoders": Rule("encoders fitted on rows of val or test", fitted_encoders),
    "duplicates": Rule("rows of val and test that stand in train already", duplicate_rows, cheap=False),
    "graphs": Rule("graphs of val and test that stand in train already", repeated_graphs, cheap=False),
    "giveaway": Rule("a single feature that gives the label away", giveaway_features, cheap=False),
}


def check_rules(option: str, names: Sequence[str] | None) -> list[str]:
    """The rules of an option, in their order; all where there are none given (None).

    Raises:
        UsageError: there is no such rule.
    """
    if names is None:
        return list(RULES)
    for name in names:
        if name not in RULES:
            message = f"{option} {name}: there is no such rule{nearest_of(name, list(RULES))}"
            raise UsageError(message, fix=f"rules are {', '.join(RULES)}")
    return [name for name in RULES if name in names]


def audit(
    subject: Subject, rules: Sequence[str] | None = None, allow: Collection[str] = (), *, cheap: bool = False
) -> Audit:
    """Look at a split by every rule, or by some.

    Args:
        subject: the split, and what is known of it.
        rules: names from ``RULES``; None: all.
        allow: rules whose findings are accepted; they are still listed.
        cheap: leave out rules that read features.

    Raises:
        UsageError: there is no such rule.
        DataError: there is no such column to group by.
    """
    chosen = check_rules("rules", rules)
    allowed = check_rules("allow", list(allow))
    outcomes = []
    for name in chosen:
        rule = RULES[name]
        if cheap and not rule.cheap:
            continue
        try:
            found, reason = rule.find(subject), ""
        except NotApplicable as why:
            outcomes.append(Outcome(name, rule.title, reason=str(why), applies=False))
            continue
        if name == "future" and subject.heeded and not found and not isinstance(subject.split, LinkSplit):
            reason = f"models heed the times (--time {subject.heeded})"
        outcomes.append(Outcome(name, rule.title, found, reason, allowed=name in allowed))
    split = subject.split
    seeds = {name: len(part[0]) for name, part in split.parts.items()}
    return Audit(str(split.target), split.target.task, seeds, outcomes)

"""The training report: one page beside the model."""

from collections.abc import Mapping
from html import escape
from typing import Any

from gnnctl.page import Card, document, html_table, section
from gnnctl.page.charts import line_chart
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.loop import FitResult

FILE = "report.html"


def report_page(
    name: str,
    fit: FitResult,
    evaluation: Evaluation,
    *,
    target: str,
    command: str,
    audit: Mapping[str, Any] | None = None,
    folds: Mapping[str, Any] | None = None,
) -> str:
    """The page of a run.

    Args:
        name: of the model.
        target: what was predicted, as text.
        audit: what the split's audit said, of its audit.json; None where it had none.
        folds: what :func:`gnnctl.training.folds.cross_validate` found; None where there were none.
        command: the command line that made it; "" where there was none.
    """
    best = "" if fit.best_value is None else f": validation {escape(fit.monitor)} <strong>{fit.best_value:.4f}</strong>"
    lead = f"Best epoch {fit.best_epoch} of {fit.epochs}{best}" if fit.epochs else "Nothing was trained"
    chips = [*(["stopped early"] if fit.stopped_early else []), f"{sum(_seconds(r) for r in fit.history):,.0f} s"]
    found = [*_curves(fit), *_metrics(evaluation)]
    if folds is not None:
        found.append(_folds(folds))
    found += evaluation.cards
    if audit is not None:
        found.append(_verdict(audit))
    if command:
        found.append(Card("Made by", f"<pre>{escape(command)}</pre>", wide=True))
    return document(f"{name}: {target}", section(target, name, lead, chips, found))


def _curves(fit: FitResult) -> list[Card]:
    def points(name: str) -> list[tuple[float, float]]:
        return [(r["epoch"], r[name]) for r in fit.history if r.get(name) is not None]

    if not fit.history:
        return []
    losses = {"training": points("loss"), "validation": points("val_loss")}
    note = "The dotted line is the epoch whose weights were kept. In training, dropout and regularisation are at work."
    drawn = {title: line for title, line in losses.items() if line}
    cards = [Card("Loss", line_chart(drawn, x="epoch", mark=fit.best_epoch), note)]
    others = [n.removeprefix("val_") for n in fit.history[-1] if n.startswith("val_") and n != "val_loss"]
    shown = others[0] if fit.monitor == "loss" and others else fit.monitor
    if shown != "loss" and (line := points(f"val_{shown}")):
        note = "This metric chose the epoch." if shown == fit.monitor else f"The epoch was chosen by {fit.monitor}."
        cards.append(Card(f"Validation {shown}", line_chart({shown: line}, x="epoch", mark=fit.best_epoch), note))
    return cards


def _metrics(evaluation: Evaluation) -> list[Card]:
    parts = {part: found for part, found in evaluation.metrics.items() if isinstance(found, dict) and "seeds" in found}
    known = {name for found in parts.values() for name, value in found.items() if value is not None}
    names = [n for n in next(iter(parts.values())) if n in known - {"seeds", "baseline"}]
    if not names:
        return []
    rows: list[list[Any]] = [[part, found["seeds"], *(found.get(n) for n in names)] for part, found in parts.items()]
    last = list(parts)[-1]
    if constant := parts[last].get("baseline"):
        rows.append([f"{last}, baseline", parts[last]["seeds"], *(constant.get(n) for n in names)])
    title = "Exact metrics" if evaluation.exact else "Metrics of the recorded neighbourhoods"
    return [Card(title, html_table(["part", "seeds", *names], rows), evaluation.note, wide=True)]


def _folds(folds: Mapping[str, Any]) -> Card:
    """Each fold at the epoch that another fold chose, and both protocols' means and deviations."""
    chosen, flattering = folds["epoch_chosen_on_validation"], folds["epoch_chosen_on_test_curves"]
    rows: list[list[Any]] = [
        [f"fold {fold['fold'] + 1}", fold["seeds"]["test"], fold["best_epoch"], *(fold["test"][n] for n in chosen)]
        for fold in folds["each"]
    ]
    for name, epoch, found in (
        ("all, epochs chosen on other folds", "", chosen),
        ("all, one epoch chosen on these folds", flattering["epoch"], flattering),
    ):
        rows.append([name, folds["seeds"], epoch, *(_spread(found[n]) for n in chosen)])
    note = "A last row that is better than the one above it has chosen by what it is tested on."
    return Card("Each fold tested once", html_table(["tested", "seeds", "epoch", *chosen], rows), note, wide=True)


def _spread(found: Mapping[str, float | None]) -> str:
    return "–" if found["mean"] is None else f"{found['mean']:.3f} ± {found['std']:.3f}"


def _verdict(audit: Mapping[str, Any]) -> Card:
    said = [[rule["rule"], found["level"], found["what"]] for rule in audit["rules"] for found in rule["findings"]]
    clean = sum(rule["status"] == "clean" for rule in audit["rules"])
    note = f"{clean} quick rules found nothing. gnnctl audit SPLIT looks closer, and names the rows."
    body = html_table(["rule", "level", "finding"], said) if said else "<p>No leakage was found.</p>"
    return Card("Audit of the split", f'<div class="prose">{body}</div>', note, wide=True)


def _seconds(record: Mapping[str, Any]) -> float:
    seconds = record.get("seconds", {})
    return float(seconds.get("train", 0.0) + seconds.get("validation", 0.0))

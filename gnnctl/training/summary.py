"""What a training run answers, for people."""

from typing import Any

from gnnctl.console import table


def summary_text(summary: dict[str, Any]) -> str:
    """Exact metrics by part, beside a plain baseline."""
    metrics = summary["metrics"]
    names = [name for name in metrics["test"] if name not in ("seeds", "baseline") and "/" not in name]
    names = [name for name in names if any(found[name] is not None for found in metrics.values())]
    rows = [[part, found["seeds"], *(found[name] for name in names)] for part, found in metrics.items()]
    plain = metrics["test"]["baseline"]
    title = "test, seen before" if "sampled_mrr" in names else "test, constant"
    title = "test, popularity" if {"mrr", "sampled_hits@1"} & set(names) else title
    rows.append([title, metrics["test"]["seeds"], *(plain.get(name) for name in names)])
    head = f"best epoch {summary['best_epoch']} of {summary['epochs']}" + (
        f" by validation {summary['monitor']} {summary['best_value']:.4f}" if summary["best_value"] is not None else ""
    )
    head = head if summary["epochs"] else "nothing was trained; nodes of the train part see their own labels"
    text = f"{head}\n\n{table(['part', 'seeds', *names], rows)}" if names else head
    return text + (f"\n\n{_folds_text(summary['folds'], names)}" if "folds" in summary else "")


def _folds_text(folds: dict[str, Any], names: list[str]) -> str:
    """Mean and deviation of the folds' test metrics, by both protocols."""
    titles = {"a validation fold": "epoch_chosen_on_validation", "the test curves": "epoch_chosen_on_test_curves"}
    rows = []
    for title, protocol in titles.items():
        spread = [folds[protocol][name] for name in names]
        rows.append([title, *("-" if s["mean"] is None else f"{s['mean']:.4f} ± {s['std']:.4f}" for s in spread)])
    head = f"{folds['count']} folds, {folds['seeds']:,} seeds, each tested once: mean and deviation over the folds"
    return f"{head}\n\n{table(['epoch chosen on', *names], rows)}"

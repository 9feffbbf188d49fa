"""What the stages took, as a table; over several runs, how it grows with the graph, as a plot.

python summary.py RUN... [--plot FILE]
"""

import argparse
import json
from pathlib import Path

GB = 1e9


def stages_of(run: Path) -> dict[str, dict[str, float]]:
    """By stage the last line of the log."""
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return {line["command"][1]: line for line in lines}


def edges_of(run: Path) -> int:
    """Edges of the graph, one direction."""
    summary = json.loads((run / "graph" / "manifest.json").read_text())["summary"]
    return int(summary["edges"]["paper cites paper"])


def table(run: Path) -> None:
    """Print one run."""
    arrays = sum(file.stat().st_size for file in (run / "graph").rglob("*") if file.is_file())
    metrics = json.loads((run / "model" / "metrics.json").read_text())["test"]
    print(f"{run}: {edges_of(run):,} edges and their reverses, {arrays / GB:.2f} GB of graph")
    print(f"{'stage':9}{'seconds':>10}{'peak GB':>9}{'read GB':>9}{'written GB':>12}  limit")
    for name, taken in stages_of(run).items():
        figures = "".join(f"{taken[key] / GB:{width}.2f}" for key, width in (("peak", 9), ("read", 9), ("written", 12)))
        print(f"{name:9}{taken['seconds']:10.1f}{figures}  {taken['limit'] / 2**30:g} GiB, {taken['held_by']}")
    print(f"test accuracy {metrics['accuracy']:.3f}, of the constant {metrics['baseline']['accuracy']:.3f}")


def plot(runs: list[Path], path: Path) -> None:
    """Seconds and peak memory over edges."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    runs = sorted(runs, key=edges_of)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, key, scale, label in ((axes[0], "seconds", 1, "seconds"), (axes[1], "peak", GB, "peak of memory, GB")):
        for name in stages_of(runs[0]):
            values = [stages_of(run)[name][key] / scale for run in runs]
            axis.plot([edges_of(run) for run in runs], values, marker="o", label=name)
        axis.set(xscale="log", yscale="log", xlabel="edges", ylabel=label)
        axis.grid(alpha=0.3)
    limit = stages_of(runs[-1])["ingest"]["limit"] / GB
    axes[1].axhline(limit, color="0.4", linestyle="--", label="limit of the largest")
    axes[1].legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    print(f"wrote {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    for each in given.runs:
        table(each)
    if given.plot:
        plot(given.runs, given.plot)

"""What models scored, side by side.

python compare.py METRIC,METRIC MODEL ...           # a METRIC as test.accuracy, of metrics.json, or TITLE=METRIC
python compare.py --mean METRIC,METRIC MODEL ...    # and their mean and deviation
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from gnnctl.console import table


def found(model: Path, metric: str) -> float:
    """The value that a path of names leads to; exits with the names that there are where it leads nowhere."""
    value = json.loads((model / "metrics.json").read_text())
    for name in metric.split("."):
        if name not in value:
            raise SystemExit(f"{model}: no {metric}; there are {', '.join(value)}")
        value = value[name]
    return float(value)


def main() -> None:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("metrics", type=lambda text: text.split(","))
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--mean", action="store_true")
    asked = parser.parse_args()
    titles = [metric.partition("=")[0].replace(".", " ") for metric in asked.metrics]
    values = [[found(model, metric.partition("=")[2] or metric) for metric in asked.metrics] for model in asked.models]
    shared = os.path.commonpath([model.parent for model in asked.models])
    names = [os.path.relpath(model, shared) for model in asked.models]
    rows = [[name, *(f"{value:.4f}" for value in own)] for name, own in zip(names, values, strict=True)]
    if asked.mean:
        columns = list(zip(*values, strict=True))
        rows.append(["mean", *(f"{statistics.fmean(column):.4f}" for column in columns)])
        rows.append(["deviation", *(f"{statistics.pstdev(column):.4f}" for column in columns)])
    print(table(["model", *titles], rows))


if __name__ == "__main__":
    main()

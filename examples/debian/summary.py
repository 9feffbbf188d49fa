"""Close the demo: the model beside plain baselines on the same test packages, and where to look.

python summary.py run/debian SECONDS
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from gnnctl.console import table
from gnnctl.splits import NodeSplit


def text_baseline(split: NodeSplit) -> float:
    """Test accuracy of a linear model on the packages' summaries alone: TF-IDF of words and pairs of words."""
    columns = split.graph.nodes["package"].columns
    assert columns is not None
    summaries = np.asarray(columns["summary"].to_pylist(), dtype=object)
    (train, y_train), (test, y_test) = split.part("train"), split.part("test")
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model = LinearSVC(C=0.5).fit(vectorizer.fit_transform(summaries[train]), y_train)
    return float(model.score(vectorizer.transform(summaries[test]), y_test))


def main(folder: Path, seconds: int) -> None:
    metrics = json.loads((folder / "model" / "metrics.json").read_text())["test"]
    print("\nLinear model on the text, for comparison ...", file=sys.stderr)
    text = text_baseline(NodeSplit.open(folder / "split"))
    rows = [
        ["majority class", f"{metrics['baseline']['accuracy']:.3f}"],
        ["linear model on the summaries", f"{text:.3f}"],
        ["gnnctl, this run", f"{metrics['accuracy']:.3f}"],
    ]
    print(
        f"\n\033[1mSections of {metrics['seeds']:,} test packages, none of whose sources was seen in training\033[0m\n"
    )
    print(table(["model", "test accuracy"], rows))
    print(f"\nThe stages took {seconds // 60} min {seconds % 60} s. Look at")
    for name, what in (
        ("why/explanation.html", "why apt is where it is: the packages and features that counted"),
        ("predictions/predictions.parquet", "every package with its scores"),
        ("bench/table.md", "eager against compiled training on this machine, with a plot beside it"),
        ("model/metrics.jsonl", "the course of training"),
    ):
        path = folder / name
        assert path.is_file(), path
        print(f"  {path}\n      {what}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

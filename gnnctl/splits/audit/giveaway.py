"""Features that alone give the label away."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gnnctl.splits.audit.findings import Finding, NotApplicable, Row
from gnnctl.splits.audit.predictor import Labelled, feature_scores
from gnnctl.splits.audit.subject import BLOCK, Subject, counted
from gnnctl.splits.link import LinkSplit
from gnnctl.splits.link_target import LinkTarget
from gnnctl.splits.node import NodeSplit
from gnnctl.splits.several import SEVERAL
from gnnctl.splits.target import Target

_PERFECT = 0.95
_STRONG, _AHEAD = 0.5, 0.3
_MOST_ROWS, _LEAST_ROWS = 10_000, 20
_NUMBERS = 1 << 25  # of a sample of rows


class _Table(NamedTuple):
    """Features of seeds: by row their values (n, F), their names, where the encoders of them stand, and the seeds.

    ``train`` and ``judged`` are rows and labels.
    """

    what: str
    values: Callable[[np.ndarray], np.ndarray]
    names: list[str]
    encoders: list[dict[str, Any]]
    train: tuple[np.ndarray, np.ndarray]
    judged: tuple[np.ndarray, np.ndarray]


def giveaway_features(subject: Subject) -> list[Finding]:
    """Features that predict the label nearly perfectly, each alone, or far better than every other feature does.

    Each is fitted on train and scored on val (on test where val has fewer than 20 rows), see
    :func:`feature_scores`; of each at most 10,000 rows. A leak is a score of at least 0.95, a note one of at least 0.5
    that is 0.3 ahead of the best of the other features. The columns of a ``onehot`` feature are one; of whole
    graphs, the means of their nodes' features are looked at beside the graphs' own. Neighbours' features are not.

    Raises:
        NotApplicable: seeds have no features, or too few are judged.
    """
    tables = _of_links(subject.split) if isinstance(subject.split, LinkSplit) else _of_seeds(subject.split)
    if not tables:
        raise NotApplicable("what is predicted has no features of its own")
    tables = [t for t in tables if min(len(t.judged[0]), len(t.train[0])) >= _LEAST_ROWS]
    if not tables:
        raise NotApplicable(f"train, or val and test, have fewer than {_LEAST_ROWS} rows")
    target = subject.split.target
    scored: list[tuple[float, str, str]] = []
    for table in subject.progress(tables, desc="features", unit="tables"):
        train, judged = (_sample(table, part) for part in (table.train, table.judged))
        names, columns = _joined(table)
        each = [Labelled(columns(sample.x), sample.y) for sample in (train, judged)]
        scores = _scores(each[0], each[1], target)
        scored += [(float(s), name, table.what) for s, name in zip(scores, names, strict=True)]
    scored.sort(key=lambda entry: (-entry[0], entry[1:]))
    perfect = [entry for entry in scored if entry[0] >= _PERFECT]
    fix = "leave it out of the features, or --allow giveaway if it is known when predicting"
    if perfect:
        rows = [Row(what, f"{name} ({score:.3f})") for score, name, what in perfect]
        what = f"{counted(len(perfect), 'feature')} alone {'tells' if len(perfect) == 1 else 'tell'} the label"
        return [Finding("leak", f"{what} (score from 0, chance, to 1)", fix, len(perfect), rows)]
    (best, name, what), *others = scored
    if others and best >= _STRONG and best - others[0][0] >= _AHEAD:
        text = f"one feature alone predicts the label with score {best:.2f}, the next best with {others[0][0]:.2f}"
        return [Finding("note", text, "check that it is known when predicting", 1, [Row(what, name)])]
    return []


def _scores(train: Labelled, judged: Labelled, target: Target | LinkTarget) -> np.ndarray:
    """As :func:`feature_scores`; of several targets the best of each feature."""
    if target.problem not in SEVERAL:
        return feature_scores(train, judged, target.problem, target.num_outputs)
    found = np.zeros((target.num_outputs, train.x.shape[1]))
    for i in range(target.num_outputs):
        parts = [
            Labelled(part.x[known], part.y[known, i]) for part in (train, judged) for known in [~np.isnan(part.y[:, i])]
        ]
        if min(len(part.y) for part in parts) < _LEAST_ROWS:
            continue
        if target.problem == "multibinary":
            yes = [Labelled(part.x, part.y.astype(np.int64)) for part in parts]
            found[i] = feature_scores(yes[0], yes[1], "multiclass", 2)
        else:
            found[i] = feature_scores(parts[0], parts[1], "regression", 1)
    best: np.ndarray = found.max(axis=0)
    return best


def _of_seeds(split: NodeSplit) -> list[_Table]:
    target = split.target
    store = split.graph.store(target.node_type)
    train, judged = split.part("train"), split.part("val")
    if len(judged[0]) < _LEAST_ROWS:
        judged = split.part("test")
    encoders = split.graph.encoders
    tables = []
    if store.x is not None and store.x.shape[1]:
        own = encoders.get("graphs", []) if target.task == "graph" else encoders.get("nodes", {}).get(target.node_type)

        def values(rows: np.ndarray) -> np.ndarray:
            found = store.features(rows)
            assert found is not None
            return found

        tables.append(_Table(target.node_type, values, _names(store), own or [], train, judged))
    if target.task == "graph":
        tables += [_pooled(split, name, train, judged) for name, n in split.graph.nodes.items() if n.x is not None]
    return tables


def _pooled(
    split: NodeSplit, name: str, train: tuple[np.ndarray, np.ndarray], judged: tuple[np.ndarray, np.ndarray]
) -> _Table:
    """The means of a node type's features over each graph."""
    store, graphs = split.graph.nodes[name], split.graph.graphs
    assert graphs is not None
    ptr = graphs.ptr[name]

    def means(rows: np.ndarray) -> np.ndarray:
        found = np.zeros((len(rows), len(_names(store))), np.float64)
        sizes = ptr[rows + 1] - ptr[rows]
        ends = np.cumsum(sizes)
        start = 0
        while start < len(rows):  # graphs with some millions of numbers, at least one
            limit = (ends[start - 1] if start else 0) + max(1, BLOCK // found.shape[1])
            stop = max(start + 1, int(np.searchsorted(ends, limit, "right")))
            each = sizes[start:stop]
            within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
            x = store.features(np.repeat(ptr[rows[start:stop]], each) + within)
            full = np.flatnonzero(each)
            if x is not None and len(full):
                sums = np.add.reduceat(x, (np.cumsum(each) - each)[full], axis=0, dtype=np.float64)
                found[start + full] = sums / each[full, None]
            start = stop
        return found

    return _Table(f"mean of {name}", means, _names(store), [], train, judged)


def _of_links(split: LinkSplit) -> list[_Table]:
    if split.target.task == "link":
        return []
    tables = []
    for relation, edge_type in enumerate(split.target.edge_types):
        store = split.graph.edges[edge_type]
        if store.edge_attr is None or not store.edge_attr.shape[1]:
            continue
        seeds = []
        for part in ("train", "val", "test"):
            links = split.part(part).take(split.part(part).relation == relation)
            assert links.label is not None
            seeds.append((links.pos, links.label))
        judged = seeds[1] if len(seeds[1][0]) >= _LEAST_ROWS else seeds[2]
        names = store.feature_names or [f"e{i}" for i in range(store.edge_attr.shape[1])]
        encoders = split.graph.encoders.get("edges", {}).get(str(edge_type), [])
        tables.append(_Table(str(edge_type), store.edge_attr.__getitem__, names, encoders, seeds[0], judged))
    return tables


def _names(store: Any) -> list[str]:
    return list(store.feature_names) or [f"x{i}" for i in range(store.x.shape[1])]


def _sample(table: _Table, seeds: tuple[np.ndarray, np.ndarray]) -> Labelled:
    """The features and labels of evenly spread seeds, as many as fit."""
    rows, labels = seeds
    most = max(_LEAST_ROWS, min(_MOST_ROWS, _NUMBERS // max(1, len(table.names))))
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)
    return Labelled(table.values(rows[chosen]), labels[chosen])


def _joined(table: _Table) -> tuple[list[str], Callable[[np.ndarray], np.ndarray]]:
    """Names of features, and what makes one column of the columns of each ``onehot`` feature: its category."""
    single = np.ones(len(table.names), bool)
    hot: list[tuple[str, np.ndarray]] = []
    for entry in table.encoders:
        if str(entry["encoder"]).split(":")[0] != "onehot":
            continue
        feature = entry["feature"]
        starts = (f"{feature}=", f"{feature} is ")
        columns = np.flatnonzero([name.startswith(starts) for name in table.names])
        if len(columns) > 1:
            hot.append((feature, columns))
            single[columns] = False
    alone = np.flatnonzero(single)

    def columns_of(x: np.ndarray) -> np.ndarray:
        categories = [np.where(x[:, c].any(axis=1), x[:, c].argmax(axis=1) + 1, 0) for _, c in hot]
        return np.concatenate([x[:, alone], *(c[:, None] for c in categories)], axis=1)

    return [*(table.names[i] for i in alone), *(feature for feature, _ in hot)], columns_of

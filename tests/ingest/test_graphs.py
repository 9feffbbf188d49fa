"""Tables of many graphs: order, ranges, and what does not fit."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gnnctl.errors import DataError
from gnnctl.graph import Graph

GRAPHS = {"name": ["b", "a", "c"], "toxic": [1, 0, None], "mass": [2.5, 1.0, 4.0]}
ATOMS = {"key": [5, 3, 1, 2, 4, 6], "of": ["a", "b", "a", "b", "c", "a"], "element": ["C", "N", "C", "O", "C", "N"]}
BONDS = {"source": [5, 1, 3, 6], "target": [1, 5, 2, 1]}


def tables(folder, *, atoms=ATOMS, bonds=BONDS, graphs=GRAPHS, order=1):
    for name, columns in (("graphs", graphs), ("atoms", atoms), ("bonds", bonds)):
        pq.write_table(pa.table({k: v[::order] for k, v in columns.items()}), folder / f"{name}.parquet")


def spec(**changes):
    document = {
        "graphs": {"table": "graphs.parquet", "id": "name", "label": "toxic", "features": {"mass": "raw"}},
        "nodes": {"atom": {"table": "atoms.parquet", "id": "key", "graph": "of", "features": {"element": "onehot"}}},
        "edges": {"atom bond atom": {"table": "bonds.parquet"}},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = document
        for parent in parents:
            part = part[parent]
        if value is None:
            del part[last]
        else:
            part[last] = value
    return document


def test_nodes_stand_graph_by_graph(build, tmp_path):
    tables(tmp_path)
    graph = build(spec())
    assert graph.graphs.table.ids.to_pylist() == ["a", "b", "c"]
    assert graph.graphs.table.columns.to_pydict() == {"toxic": [0, 1, None]}
    assert graph.graphs.table.x[:, 0].tolist() == [1.0, 2.5, 4.0]
    assert graph.nodes["atom"].ids.to_pylist() == [1, 5, 6, 2, 3, 4]
    assert graph.graphs.ptr["atom"].tolist() == [0, 3, 5, 6]
    (t,) = graph.edges
    store = graph.edges[t]
    ids = graph.nodes["atom"].ids.to_numpy()
    target = np.repeat(np.arange(6), np.diff(store.colptr))
    pairs = sorted(zip(ids[store.row].tolist(), ids[target].tolist(), strict=True))
    assert pairs == sorted(zip(BONDS["source"], BONDS["target"], strict=True))
    assert "graphs" in graph.encoders


def test_the_order_of_the_tables_is_of_no_account(build, tmp_path):
    tables(tmp_path)
    first = build(spec()).artifact.content
    tables(tmp_path, order=-1)
    assert build(spec()).artifact.content == first


def test_encoders_of_graphs_apply_to_others(build, tmp_path):
    tables(tmp_path)
    document = spec(graphs__features={"mass": "standard"})
    first = build(document)
    tables(tmp_path, graphs={**GRAPHS, "mass": [25.0, 10.0, 40.0]})
    again = build(document, encoders_from=first)
    assert again.encoders == first.encoders
    assert again.graphs.table.x[0, 0] > 3
    tables(tmp_path)
    with pytest.raises(DataError, match="features for graphs"):
        build(spec(graphs=None, nodes__atom__graph=None), encoders_from=first)


def test_ids_of_graphs_compare_as_text_where_types_differ(build, tmp_path):
    tables(tmp_path, graphs={**GRAPHS, "name": [2, 1, 3]}, atoms={**ATOMS, "of": ["1", "2", "1", "2", "3", "1"]})
    assert build(spec()).graphs.ptr["atom"].tolist() == [0, 3, 5, 6]


def test_a_graph_without_nodes_is_noted(build, tmp_path):
    tables(tmp_path, graphs={"name": ["a", "b", "c", "d"], "toxic": [0, 1, 0, 1], "mass": [1.0] * 4})
    graph = build(spec())
    assert graph.graphs.ptr["atom"].tolist() == [0, 3, 5, 6, 6]
    assert graph.notes == ["graphs: 1 of 4 have no node: d"]


def test_a_reverse_type_stays_within_its_graphs(build, tmp_path):
    tables(tmp_path)
    graph = build(spec(**{"edges__atom bond atom__reverse": True}))
    assert [graph.graphs.crossing(t, store)[0] for t, store in graph.edges.items()] == [0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"atoms": {**ATOMS, "of": ["a", "b", None, "b", "c", None]}}, r"graph column 'of' is null in 2 rows: id 1, 6"),
        (
            {"atoms": {**ATOMS, "of": ["a", "b", "x", "b", "c", "y"]}},
            r"not in \[graphs\]: 'x' \(of id 1\), 'y' \(of id 6\)",
        ),
        (
            {"bonds": {"source": [5, 3, 4], "target": [1, 1, 5]}},
            r"2 edges lead from one graph to another: 3 -> 1, 4 -> 5",
        ),
        (
            {"graphs": {**GRAPHS, "name": ["a", "b", "a"]}},
            r"graphs \(graphs.parquet\): id column 'name' has 1 duplicate",
        ),
    ],
)
def test_tables_that_do_not_fit_name_their_rows(build, tmp_path, changes, message):
    tables(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        build(spec())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graphs": None}, r"\[nodes.atom\] has graph, and there is no table of graphs"),
        ({"nodes__atom__graph": None}, r"\[nodes.atom\] does not say in which graph"),
        ({"graphs__table": None}, r"\[graphs\] has no table"),
        ({"graphs__time": "mass"}, r"\[graphs\] has unknown key 'time'"),
        ({"nodes__graph": {"table": "atoms.parquet", "graph": "of"}}, r"nodes.graph is what \[graphs\] are called"),
        ({"edges__atom in ring": {"table": "bonds.parquet"}}, "nodes.ring has no table, so nothing says"),
        ({"edges__atom bond atom__on_missing": "add"}, "an added node would be in no graph"),
        ({"graphs": "graphs.parquet"}, "graphs must be a table"),
        ({"nodes__atom__graph": "off"}, r"graph column 'off' is missing"),
    ],
)
def test_specs_that_do_not_fit_say_how(build, tmp_path, changes, message):
    tables(tmp_path)
    with pytest.raises(DataError, match=message):
        build(spec(**changes))


def test_a_damaged_set_of_graphs_is_not_opened(build, tmp_path):
    from gnnctl.errors import ArtifactError

    tables(tmp_path)
    path = build(spec()).artifact.path
    file = path / "graphs" / "ptr" / "atom" / "c" / "0"
    np.array([0, 2, 5, 6]).tofile(file)
    with pytest.raises(ArtifactError, match="from one graph to another"):
        Graph.open(path)
    np.array([0, 2, 5, 7]).tofile(file)
    with pytest.raises(ArtifactError, match="must rise from 0 to 6"):
        Graph.open(path)

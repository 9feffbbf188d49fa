"""Splits of links and edges through the stage: three tables as published, fixed negatives, one line for bad input."""

import json

import jsonschema
import numpy as np
import pytest

from gnnctl.artifacts import Artifact
from gnnctl.splits import open_split

SPEC = """
[edges."entity * entity"]
table = { train = "train.csv", valid = "valid.csv", test = "test.csv" }
source = "head"
target = "tail"
relation = "relation"
columns = ["stars", "year"]
reverse = true
"""


def write_tables(folder, order=None):
    rng = np.random.default_rng(0)
    rows = sorted({(f"n{a}", f"r{r}", f"n{b}") for a, r, b in rng.integers(0, [30, 3, 30], (300, 3))})
    lines = [f"{h},{r},{t},{i % 5},{2000 + i % 20}" for i, (h, r, t) in enumerate(rows)]
    parts = {"train": lines[::2], "valid": lines[1::4], "test": lines[3::4]}
    folder.mkdir()
    for name, each in parts.items():
        each = each if order is None else [each[i] for i in order.permutation(len(each))]
        (folder / f"{name}.csv").write_text("\n".join(["head,relation,tail,stars,year", *each]) + "\n")
    (folder / "graph.toml").write_text(SPEC)
    return parts


@pytest.fixture(scope="module")
def triples(tmp_path_factory):
    """A folder with the graph of three tables, and how many rows each has."""
    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("triples") / "kg"
    sizes = {name: len(rows) for name, rows in write_tables(folder).items()}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr("sys.argv", ["gnnctl", "ingest", str(folder / "graph.toml"), "-o", str(folder / "graph"), "-q"])
        main()
    assert not stop.value.code
    return folder / "graph", sizes


def run(cli, *arguments):
    code, out, err = cli(*arguments, "--json", "--quiet")
    assert code == 0, err
    return json.loads(out)


def test_a_type_that_is_its_own_reverse_is_predicted(cli, triples, tmp_path):
    """As the audit advises where links of two parts are each other's reverse."""
    graph, _ = triples
    kind = "entity r0 entity"
    for name, more in (("plain", []), ("both", ["--reverse-of", f"{kind}={kind}"])):
        run(cli, "split", graph, "-o", tmp_path / name, "--task", "link", "--edge-type", kind, *more)
        split = open_split(tmp_path / name)
        of = {
            tuple(sorted(pair)): set() for part in split.parts.values() for pair in zip(part.src, part.dst, strict=True)
        }
        for part, links in split.parts.items():
            for pair in zip(links.src, links.dst, strict=True):
                of[tuple(sorted(pair))].add(part)
        assert any(len(parts) > 1 for parts in of.values()) == (name == "plain")


def test_a_given_split_has_the_rows_of_its_tables(cli, triples, tmp_path):
    graph, sizes = triples
    arguments = ["split", graph, "-o", tmp_path / "s", "--task", "link", "--edge-type", "all", "--by", "column:split"]
    answer = run(cli, *arguments, "--eval-negatives", 7, "--eval-corrupt", "either")
    assert answer["seeds"] == {"train": sizes["train"], "val": sizes["valid"], "test": sizes["test"]}
    made = open_split(tmp_path / "s")
    known = {i: set(zip(*map(np.ndarray.tolist, made.known()[t]), strict=True)) for i, t in enumerate(made.known())}
    for name in ("val", "test"):
        links, negatives = made.part(name), made.negatives[name]
        np.testing.assert_array_equal(negatives.relation, np.repeat(links.relation, 7))
        kept_src = negatives.src.reshape(-1, 7) == links.src[:, None]
        kept_dst = negatives.dst.reshape(-1, 7) == links.dst[:, None]
        assert kept_src[:, :4].all()
        assert kept_dst[:, 4:].all()
        rows = zip(negatives.relation.tolist(), negatives.src.tolist(), negatives.dst.tolist(), strict=True)
        assert not any((s, d) in known[r] for r, s, d in rows)
    code, out, err = cli(*arguments, "--eval-negatives", 7, "--eval-corrupt", "either")
    assert code == 0
    assert "up to date" in err
    assert "negatives" in out


@pytest.mark.parametrize(
    "options",
    [
        ["--task", "link", "--edge-type", "all", "--disjoint", "0.3", "--eval-negatives", "2"],
        ["--task", "link", "--edge-type", "entity r1 entity", "--by", "inductive"],
        ["--task", "link", "--edge-type", "all", "--by", "time:year", "--gap", "1"],
        ["--task", "edge", "--target", "entity r0 entity.stars", "--problem", "regression"],
        ["--task", "edge", "--target", "entity r0 entity.stars"],
    ],
)
def test_shuffled_tables_give_the_same_split_and_its_document_fits_the_schema(cli, triples, tmp_path, options):
    run(cli, "split", triples[0], "-o", tmp_path / "one", *options)
    write_tables(tmp_path / "kg", np.random.default_rng(1))
    run(cli, "ingest", tmp_path / "kg" / "graph.toml", "-o", tmp_path / "graph")
    run(cli, "split", tmp_path / "graph", "-o", tmp_path / "two", *options)
    one, two = (Artifact.open(tmp_path / name) for name in ("one", "two"))
    assert one.content == two.content
    schema = json.loads(cli("inspect", one.path, "--schema")[1])["target.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(one.json("target"))
    code, out, _ = cli("inspect", one.path)
    assert code == 0
    assert "messages" in out


def test_windows_move_on(cli, triples, tmp_path):
    options = ["--task", "link", "--edge-type", "all", "--by", "time:year", "--val", "0.1", "--test", "0.2"]
    last = -1
    for k in (1, 2, 3):
        run(cli, "split", triples[0], "-o", tmp_path / f"{k}", *options, "--windows", 3, "--window", k)
        made = open_split(tmp_path / f"{k}")
        years = [made.graph.edges[t].columns["year"].to_numpy() for t in made.target.edge_types]
        test = made.part("test")
        when = np.asarray([years[r][p] for r, p in zip(test.relation, test.pos, strict=True)])
        assert when.min() > last
        last = when.max()
    assert last == 2019


BAD = [
    (["--task", "link"], 2, "--edge-type is needed"),
    (["--task", "link", "--edge-type", "entity r9 entity"], 2, "no such edge type"),
    (["--task", "link", "--edge-type", "entity rev_r0 entity"], 2, "generated as the reverse"),
    (["--task", "link", "--edge-type", "all", "--target", "x"], 2, "--target is not for --task link"),
    (["--task", "link", "--edge-type", "all", "--by", "group:x"], 2, "is for nodes"),
    (["--task", "link", "--edge-type", "all", "--by", "time"], 2, "have no times"),
    (["--task", "link", "--edge-type", "all", "--by", "time:when"], 3, "keeps no column 'when'"),
    (["--task", "link", "--edge-type", "all", "--by", "column:stars"], 3, "which is no part"),
    (["--task", "link", "--edge-type", "all", "--by", "inductive:item"], 2, "no predicted link has an end"),
    (["--task", "link", "--edge-type", "all", "--disjoint", "1"], 2, "--disjoint 1.0"),
    (["--task", "link", "--edge-type", "all", "--support", "0.5"], 2, "--support: not with"),
    (["--task", "link", "--edge-type", "all", "--repeats", "keep"], 2, "--repeats: not with"),
    (["--task", "link", "--edge-type", "all", "--gap", "3"], 2, "--gap and --windows: not with"),
    (["--task", "link", "--edge-type", "all", "--by", "time:year", "--gap", "soon"], 2, "no length of time"),
    (["--task", "link", "--edge-type", "all", "--by", "time:year", "--gap", "50"], 3, "train part"),
    (["--task", "link", "--edge-type", "all", "--by", "time:year", "--windows", "9"], 2, "nothing to train on"),
    (["--task", "link", "--edge-type", "all", "--by", "time:year", "--window", "2"], 2, "there are 1 windows"),
    (["--task", "link", "--edge-type", "all", "--eval-negatives", "-1"], 2, "less than none"),
    (["--task", "link", "--edge-type", "all", "--eval-corrupt", "src"], 2, "pass --eval-negatives"),
    (["--task", "link", "--edge-type", "all", "--reverse-of", "x"], 2, "names no two edge types"),
    (["--task", "link", "--edge-type", "all", "--reverse-of", "a b c=c b a"], 2, "no edge type 'a b c'"),
    (["--task", "edge"], 2, "--target is needed"),
    (["--task", "edge", "--target", "stars"], 2, "names no column of an edge type"),
    (["--task", "edge", "--target", "entity r0 entity.star"], 3, "keeps no column 'star'"),
    (["--task", "edge", "--target", "entity r0 entity.stars", "--eval-negatives", "2"], 2, "--eval-negatives is not"),
    (["--task", "edge", "--target", "entity rev_r0 entity.stars"], 2, "generated as a reverse"),
    (["--by", "inductive", "--target", "entity.x"], 3, "keeps no column"),
    (["--disjoint", "0.5"], 2, "--disjoint is not for --task node"),
]


@pytest.mark.parametrize(("options", "code", "says"), BAD)
def test_bad_input_is_one_line(cli, triples, tmp_path, options, code, says):
    found, out, err = cli("split", triples[0], "-o", tmp_path / "out", *options)
    assert (found, out) == (code, ""), err
    assert err.startswith("gnnctl: error: ")
    assert err.count("\n") == 1
    assert "; " in err
    assert says in err
    assert not list(tmp_path.iterdir())

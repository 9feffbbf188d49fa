import json
import shutil

import pytest

from gnnctl.artifacts import Artifact
from gnnctl.splits import NodeSplit


@pytest.fixture
def graph(tiny):
    return tiny / "graph"


def test_the_answer_is_a_table_of_the_parts(cli, graph, tmp_path):
    code, out, _ = cli("split", graph, "-o", tmp_path / "s", "--by", "stratified", "--val", "0.2", "--test", "0.2")
    assert code == 0
    assert out.startswith("person.team (multiclass, 2 outputs)")
    assert [line.split()[0] for line in out.splitlines()[4:7]] == ["train", "val", "test"]


def test_the_json_answer_counts_seeds_and_classes(cli, graph, tmp_path):
    code, out, err = cli("split", graph, "-o", tmp_path / "s", "--by", "stratified", "--json", "--quiet")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["schema"] == "gnnctl/split/1"
    assert document["target"] == "person.team"
    made = NodeSplit.open(tmp_path / "s")
    assert document["seeds"] == {name: len(made.part(name)[0]) for name in ("train", "val", "test")}
    assert document["classes"]["train"] == dict(
        zip(made.target.classes, made.class_counts("train").tolist(), strict=True)
    )


def test_a_finished_split_is_left_alone(cli, graph, tmp_path):
    arguments = ["split", graph, "-o", tmp_path / "s", "--by", "stratified"]
    assert cli(*arguments)[0] == 0
    before = (tmp_path / "s" / "manifest.json").stat().st_mtime_ns
    code, out, err = cli(*arguments)
    assert code == 0
    assert "up to date" in err
    assert "train" in out
    assert (tmp_path / "s" / "manifest.json").stat().st_mtime_ns == before


def test_another_seed_is_refused_without_force(cli, graph, tmp_path):
    arguments = ["split", graph, "-o", tmp_path / "s", "--by", "stratified"]
    assert cli(*arguments)[0] == 0
    code, _, err = cli(*arguments, "--seed", 1)
    assert code == 4
    assert "seed was 0, now 1; pass --force" in err
    assert cli(*arguments, "--seed", 1, "--force")[0] == 0
    assert Artifact.open(tmp_path / "s").manifest.options["seed"] == 1


def test_a_dry_run_writes_nothing(cli, graph, tmp_path):
    code, out, err = cli("split", graph, "-o", tmp_path / "s", "--by", "stratified", "--dry-run")
    assert code == 0
    assert "train" in out
    assert "would be written" in err
    assert not list(tmp_path.iterdir())


def test_only_what_decides_the_result_is_an_option(cli, graph, tmp_path):
    arguments = ["split", graph, "-o", tmp_path / "s", "--target", "person.team", "--by", "column:team"]
    arguments += ["--map", "train=red", "--map", "test=blue"]
    teams = json.loads(cli("split", graph, "-o", tmp_path / "t", "--by", "stratified", "--json")[1])["classes"]["train"]
    first, second = teams
    arguments[-3], arguments[-1] = f"train={first}", f"test={second}"
    code, out, err = cli(*arguments, "--seed", 5, "--json")
    assert code == 0
    assert "never seen in training" in err
    assert "the val part has no seeds" in err
    assert json.loads(out)["classes"]["train"][second] == 0
    assert cli(*arguments, "--seed", 6, "--val", 0.3)[0] == 0


def test_a_moved_graph_and_split_stay_together(cli, graph, tmp_path):
    shutil.copytree(graph, tmp_path / "one" / "graph")
    assert cli("split", tmp_path / "one" / "graph", "-o", tmp_path / "one" / "split", "--by", "stratified")[0] == 0
    (tmp_path / "one").rename(tmp_path / "two")
    assert NodeSplit.open(tmp_path / "two" / "split").target.column == "team"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--target", "person.salary"], 3, "keeps no column 'salary' of person"),
        (["--target", "persons.team"], 3, "nearest: person"),
        (["--by", "group:boss"], 3, "keeps no column 'boss'"),
        (["--by", "alphabet"], 2, "there is no way 'alphabet'"),
        (["--by", "group:team", "--val", "0.01", "--test", "0.01"], 3, "has no seeds"),
        (["--val", "0.6", "--test", "0.6"], 2, "leave nothing to train on"),
        (["--problem", "regression"], 2, "--problem regression: person.team"),
        (["--map", "train=a"], 2, "--map does not go with --by random"),
        (["--seed", "-1"], 2, "--seed"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(cli, graph, tmp_path, arguments, code, message):
    found, out, err = cli("split", graph, "-o", tmp_path / "s", *arguments)
    assert found == code
    assert message in err
    assert err.startswith("gnnctl: error: ")
    assert err.count("\n") == 1
    assert out == ""
    assert not list(tmp_path.iterdir())


def test_a_graph_that_is_not_there(cli, tmp_path):
    code, _, err = cli("split", tmp_path / "none", "-o", tmp_path / "s")
    assert code == 4
    assert "none does not exist" in err


def test_a_split_is_no_graph(cli, tiny, tmp_path):
    code, _, err = cli("split", tiny / "split", "-o", tmp_path / "s")
    assert code == 4
    assert "is a split, not a graph" in err

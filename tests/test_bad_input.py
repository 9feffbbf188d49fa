"""Bad input ends in one line on stderr, the documented exit code, and nothing written."""

import pytest

CASES = [
    pytest.param(["ingest", "missing.toml"], 3, "does not exist", id="missing-spec"),
    pytest.param(["split", "nosuch", "--target", "person.team"], 4, "does not exist", id="missing-artifact"),
    pytest.param(["sample", "{tiny}/graph", "--num-neighbors", "3"], 4, "is a graph, not a split", id="another-kind"),
    pytest.param(
        ["train", "{tiny}/split", "--num-neighbors", "5", "--layers", "2"], 2, "does not fit", id="fan-out-and-layers"
    ),
]


@pytest.mark.parametrize(("arguments", "code", "says"), CASES)
def test_bad_input_is_one_line(cli, tiny, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    answer, out, err = cli(*(word.replace("{tiny}", str(tiny)) for word in arguments), "-o", "out")
    assert (answer, out) == (code, "")
    assert err.startswith("gnnctl: error: ")
    assert err.count("\n") == 1
    assert says in err
    assert not list(tmp_path.iterdir())

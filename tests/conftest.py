"""What every test may use: the tiny example, ingested and split once."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gnnctl.cli import main

# Cases that an invariant says nothing of are drawn and passed over; how many is chance, and no failure.
settings.register_profile("gnnctl", suppress_health_check=[HealthCheck.filter_too_much])
settings.load_profile("gnnctl")

EXAMPLES = Path(__file__).parent.parent / "examples"
PARTS = ["--val", "0.25", "--test", "0.25"]


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run `gnnctl ARGUMENTS` in this process; answers (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["gnnctl", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A folder with `graph` and `split`, made from examples/tiny."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        for arguments in (
            ["ingest", EXAMPLES / "tiny" / "graph.toml", "-o", folder / "graph"],
            [
                "split",
                folder / "graph",
                "-o",
                folder / "split",
                "--target",
                "person.team",
                "--val",
                "0.25",
                "--test",
                "0.25",
            ],
        ):
            patch.setattr(sys, "argv", ["gnnctl", *map(str, arguments), "--quiet"])
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code
    return folder

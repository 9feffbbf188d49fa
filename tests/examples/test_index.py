"""examples/README.md names every example, and a Makefile says at its top how it is called."""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name not in ("run", "__pycache__"))


@pytest.mark.parametrize("name", FOLDERS)
def test_an_example_is_listed_and_says_how_it_is_called(name):
    assert f"]({name})" in (EXAMPLES / "README.md").read_text()
    makefile = EXAMPLES / name / "Makefile"
    if makefile.exists():
        text = makefile.read_text()
        assert f"-C examples/{name}" in text[: text.index("\n\n")]
        assert (EXAMPLES / name / "README.md").is_file()

"""What the stages' tests share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # areas_task, shared by these tests


@pytest.fixture(scope="session")
def areas(tmp_path_factory):
    """A folder with `graph`, `split` (classes) and `ages` (numbers)."""
    from areas_task import write_graph, write_split

    folder = tmp_path_factory.mktemp("areas")
    write_graph(folder / "graph")
    write_split(folder / "split", folder / "graph")
    write_split(folder / "ages", folder / "graph", "paper.age")
    return folder


@pytest.fixture(scope="session")
def papers(tmp_path_factory):
    """A folder with `graph` and `split` of one node type and one edge type."""
    from areas_task import write_papers, write_split

    folder = tmp_path_factory.mktemp("papers")
    write_papers(folder / "graph")
    write_split(folder / "split", folder / "graph")
    return folder

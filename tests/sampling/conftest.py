import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # sampling_cases and sampling_reference, shared by these tests


@pytest.fixture(scope="session")
def split_path(tmp_path_factory):
    """A split of a small typed graph, made once."""
    from sampling_cases import write_split

    return write_split(tmp_path_factory.mktemp("split"))


@pytest.fixture(scope="session")
def link_split_path(tmp_path_factory):
    """A split of links of two types, made once."""
    from sampling_cases import write_link_split

    return write_link_split(tmp_path_factory.mktemp("links"))

import os
from pathlib import Path

import pytest

from gnnctl.artifacts import ArtifactWriter, Recipe
from gnnctl.graph import Graph
from gnnctl.ingest import ingest, parse_spec


@pytest.fixture
def build(tmp_path):
    """Ingest a spec given as dictionaries; tables are in the test's folder."""
    made = []

    def make(document, *, encoders_from=None, threads=2, memory=1 << 30, folder: Path | None = None):
        spec = parse_spec(document, folder=str(folder or tmp_path))
        output = tmp_path / f"graph-{os.getpid()}-{len(made)}"
        made.append(output)
        with ArtifactWriter(output, Recipe("graph", "ingest", 1, {"n": len(made)})) as writer:
            ingest(spec, writer, memory=memory, threads=threads, encoders_from=encoders_from)
        graph = Graph.open(output)
        graph.notes = graph.artifact.manifest.summary["notes"]
        return graph

    return make

"""Every document that a real run of a stage writes fits the JSON Schema that `gnnctl inspect --schema` prints."""

import json
import sys

import jsonschema
import pytest

from gnnctl.artifacts import Artifact
from gnnctl.artifacts.manifest import FORMATS

SMALL = ["--repeats", "2", "--threads"]


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    """A folder with an artifact of each kind, made from the tiny example."""
    from gnnctl.cli import main

    folder = tmp_path_factory.mktemp("documents")
    (folder / "graph").symlink_to(tiny / "graph")
    (folder / "split").symlink_to(tiny / "split")
    fit = ["--num-neighbors", "3,2", "--hidden", "4", "--epochs", "1"]
    compiling = ["--models", "gcn", "--nodes", "20", "--edges", "40", "--features", "4", "--hidden", "4"]
    with pytest.MonkeyPatch.context() as patch:
        for arguments in (
            ["sample", tiny / "split", "-o", folder / "subgraphs", "--num-neighbors", "3,2"],
            ["train", tiny / "split", "-o", folder / "model", *fit],
            ["predict", folder / "model", "-o", folder / "predictions"],
            ["predict", folder / "model", "-o", folder / "elsewhere", "--on", tiny / "graph"],
            ["explain", folder / "model", "-o", folder / "explanation", "--node", "person:ada"],
            [
                "explain",
                folder / "model",
                "-o",
                folder / "shares",
                "--node",
                "ben",
                "--algorithm",
                "integrated-gradients",
            ],
            ["train", tiny / "split", "-o", folder / "embedder", "--objective", "dgi", *fit],
            ["predict", folder / "embedder", "-o", folder / "embeddings"],
            ["audit", tiny / "split", "-o", folder / "audit"],
            ["bench", "sampling", "-o", folder / "report", "--scale", "7", "--batches", "2", *SMALL, "1,2"],
            ["bench", "compile", "-o", folder / "compile", *compiling, *SMALL, "1"],
            ["bench", "loading", "-o", folder / "loading", "--scale", "7", "--batches", "2", *SMALL, "1"],
            ["bench", "kernels", "-o", folder / "kernels", "--scale", "7", "--kernel", "spmm sum", *SMALL, "1"],
        ):
            patch.setattr(sys, "argv", ["gnnctl", *map(str, arguments), "--quiet"])
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code, arguments
    return folder


@pytest.mark.parametrize(
    "name",
    [*sorted(FORMATS), "elsewhere", "shares", "embedder", "embeddings", "audit", "compile", "loading", "kernels"],
)
def test_documents_fit_their_schemas(cli, run, name):
    kind = Artifact.open(run / name).kind
    assert name not in FORMATS or kind == name
    code, out, _ = cli("inspect", run / name, "--schema")
    assert code == 0
    schemas = json.loads(out)
    # Documents lie at the top; deeper ones are Zarr's own.
    documents = {path.name for path in (run / name).glob("*.json")}
    assert documents == set(schemas)
    for document, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(json.loads((run / name / document).read_text()), schema)

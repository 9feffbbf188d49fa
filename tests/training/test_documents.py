"""model.json fits its published schema."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

import gnnctl
from gnnctl.nn.models import ModelOptions
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits import NodeSplit
from gnnctl.training.options import TrainOptions
from gnnctl.training.trained import model_document

SCHEMA = json.loads((Path(gnnctl.__file__).parent / "schemas" / "model.json").read_text())
FACTS = {
    "batch_size": 64,
    "best_epoch": 3,
    "epochs": 5,
    "weights": "0" * 64,
    "threads": 1,
    "device": "cpu",
    "parameters": 10,
}


def test_the_document_of_a_model_is_valid_and_reads_back(typed: NodeSplit) -> None:
    spec = SampleSpec.uniform(typed.graph.edge_types, (3, 2), seed=1)
    options, training = ModelOptions(hidden=8), TrainOptions(batch_size=64, seed=1)
    document = model_document(options, typed.graph.schema, typed.target, spec, training, FACTS)
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(document)
    assert ModelOptions.from_json(document["model"]) == options
    assert TrainOptions.from_json(document["training"]) == training
    assert SampleSpec.from_json(document["sampling"]) == spec
    full = model_document(options, typed.graph.schema, typed.target, None, training, {**FACTS, "batch_size": None})
    Draft202012Validator(SCHEMA).validate(full)

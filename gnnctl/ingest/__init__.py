"""Tables to graphs: the spec, the encoders, the DuckDB pipeline."""

from gnnctl.ingest.parse import parse_spec, read_spec
from gnnctl.ingest.pipeline import ingest
from gnnctl.ingest.spec import EdgeSpec, FeatureSpec, NodeSpec, Source, Spec

__all__ = ["EdgeSpec", "FeatureSpec", "NodeSpec", "Source", "Spec", "ingest", "parse_spec", "read_spec"]

"""Encoders: columns of tables to float32 features."""

from gnnctl.ingest.encoders.base import BadValues, Column, Encoder, WrongType
from gnnctl.ingest.encoders.registry import BUILTIN, make_encoder, restore_encoder

__all__ = ["BUILTIN", "BadValues", "Column", "Encoder", "WrongType", "make_encoder", "restore_encoder"]

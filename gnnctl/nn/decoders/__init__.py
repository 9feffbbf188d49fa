"""Decoders: the score of a link from the embeddings of its two ends."""

from gnnctl.nn.decoders.base import Decoder
from gnnctl.nn.decoders.bilinear import ComplEx, DistMult, Dot
from gnnctl.nn.decoders.mlp import MLPDecoder
from gnnctl.nn.decoders.translation import RotatE, TransE

__all__ = ["ComplEx", "Decoder", "DistMult", "Dot", "MLPDecoder", "RotatE", "TransE"]

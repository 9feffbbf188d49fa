"""Message passing, layers and models over destination-sorted edges."""

from gnnctl.nn.message_passing import MessagePassing
from gnnctl.nn.models import ModelOptions, build_model

__all__ = ["MessagePassing", "ModelOptions", "build_model"]

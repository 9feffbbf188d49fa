"""The files of a training run: the resumable state and the published weights, each written in one step."""

import hashlib
import json
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from gnnctl.errors import ArtifactError

STATE_FORMAT = 1
State = dict[str, Any]


def write_atomic(path: Path, content: bytes) -> None:
    """Write the file under another name, flush it to disk, and rename it: readers see all of it or nothing."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def save_state(path: Path, state: State) -> None:
    """Write tensors and primitive values that ``load_state`` reads back."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        torch.save({"format": STATE_FORMAT, **state}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def load_state(path: Path) -> State:
    """The state of an unfinished or finished run, on the CPU; no code in the file is run.

    Raises:
        ArtifactError: the file is damaged or of a format that this version does not know.
    """
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise ArtifactError(f"{path}: not a training state ({error})", fix="remove it and train again") from None
    if not isinstance(state, dict) or state.get("format") != STATE_FORMAT:
        found = state.get("format") if isinstance(state, dict) else None
        raise ArtifactError(f"{path}: training state of format {found}", fix=f"this version reads {STATE_FORMAT}")
    return state


def clone_weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the model's parameters and buffers on the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}


def save_weights(path: Path, weights: dict[str, Tensor]) -> str:
    """Write weights.safetensors; returns the sha256 of the bytes, equal for equal weights."""
    content = save({name: value.contiguous() for name, value in sorted(weights.items())})
    write_atomic(path, content)
    return hashlib.sha256(content).hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a file by name; ArtifactError: it is damaged."""
    try:
        found: dict[str, Tensor] = load_file(path)
        return found
    except Exception as error:
        raise ArtifactError(f"{path}: no weights can be read ({error})", fix="train the model again") from None


def load_weights(path: Path, model: nn.Module) -> None:
    """Fill the model with the weights of a file.

    Raises:
        ArtifactError: the file is damaged, or it holds other parameters than the model.
    """
    found = read_weights(path)
    try:
        model.load_state_dict(found)
    except Exception as error:
        raise ArtifactError(
            f"{path}: the weights do not fit the model ({error})", fix="train the model again"
        ) from None


@dataclass
class History:
    """One record an epoch, kept as JSON lines in metrics.jsonl."""

    path: Path
    records: list[dict[str, Any]] = field(default_factory=list)

    def restart(self, records: list[dict[str, Any]]) -> None:
        """Begin with the records of a saved state; lines that came after it are dropped."""
        self.records = list(records)
        write_atomic(self.path, "".join(json.dumps(r, allow_nan=False) + "\n" for r in self.records).encode())

    def append(self, record: dict[str, Any]) -> None:
        """Add one epoch; the line can be read at once."""
        self.records.append(record)
        with self.path.open("a") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")

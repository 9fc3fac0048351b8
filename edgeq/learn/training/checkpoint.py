"""The state of a training run in one file, written whole after every epoch, so that a killed run
goes on where it was.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgeq.errors import BadCheckpoint
from edgeq.io.save import atomic_write_bytes

FORMAT = "edgeq-checkpoint-1"
MEND = "Leave --resume out to start anew, or name the checkpoint of this run."

OptimizerState = dict[str, object]  # as torch.optim writes and reads it


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to: hashes of model, starting plan and data, the settings that
    steer training, and its length.
    """

    model: str
    plan: str
    data: str
    settings: str
    epochs: int = 0


@dataclass(frozen=True, eq=False)
class State:
    """epoch: how many are done. best: the parameters with the best score so far, the start
    included. stale: epochs since.
    """

    epoch: int
    parameters: dict[str, Tensor]
    optimizer: OptimizerState
    best: dict[str, Tensor]
    best_epoch: int
    best_score: float
    start_score: float
    stale: int
    losses: tuple[float, ...] = field(default=())
    seconds: float = 0.0


def save_checkpoint(path: Path, state: State, identity: Identity) -> None:
    """Replace the checkpoint by this state, whole or not at all."""
    content = io.BytesIO()
    torch.save({"format": FORMAT, "identity": vars(identity), "state": vars(state)}, content)
    atomic_write_bytes(path, content.getvalue(), force=True)


def planned_epochs(path: Path) -> int:
    """For how many epochs the training of a checkpoint was planned, where the clock had decided.
    Raises BadCheckpoint.
    """
    return int(_read(path)["identity"]["epochs"])


def load_checkpoint(path: Path, identity: Identity) -> State:
    """The state in a checkpoint of this very run. Runs no code of the file. Raises
    BadCheckpoint.
    """
    found = _read(path)
    other = [name for name, value in vars(identity).items() if found["identity"].get(name) != value]
    if other:
        raise BadCheckpoint(f"The checkpoint is of another run: {', '.join(other)} not the same", str(path), MEND)
    return State(**found["state"])


def _read(path: Path) -> dict[str, Any]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BadCheckpoint(f"The checkpoint cannot be read: {error.strerror or error}", str(path), MEND) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise BadCheckpoint("The file is not a checkpoint, or a damaged one", str(path), MEND) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadCheckpoint(f"The file is not a checkpoint of the format {FORMAT}", str(path), MEND)
    return found

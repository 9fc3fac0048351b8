"""The state of a training run in one file, written whole after every epoch, so that a killed run goes on where it was."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from edgeq.errors import BadCheckpoint
from edgeq.save import atomic_write_bytes

FORMAT = "edgeq-checkpoint-1"

OptimizerState = dict[str, object]  # as torch.optim writes and reads it


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to: hashes of model, starting plan and data, and the settings that steer training."""

    model: str
    plan: str
    data: str
    settings: str


@dataclass(frozen=True, eq=False)
class State:
    """epoch: how many are done. best: the parameters with the best score so far, the start included. stale: epochs since."""

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


def load_checkpoint(path: Path, identity: Identity) -> State:
    """The state in a checkpoint of this very run. Runs no code of the file. Raises BadCheckpoint."""
    where, mend = str(path), "Leave --resume out to start anew, or name the checkpoint of this run."
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BadCheckpoint(f"The checkpoint cannot be read: {error.strerror or error}", where, mend) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise BadCheckpoint("The file is not a checkpoint, or a damaged one", where, mend) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadCheckpoint(f"The file is not a checkpoint of the format {FORMAT}", where, mend)
    other = [name for name, value in vars(identity).items() if found["identity"].get(name) != value]
    if other:
        raise BadCheckpoint(f"The checkpoint is of another run: {', '.join(other)} not the same", where, mend)
    return State(**found["state"])

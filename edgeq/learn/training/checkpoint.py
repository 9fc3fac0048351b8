"""The state of a training run in one file, replaced after every epoch, so that a run can resume."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgeq.errors import BadCheckpoint
from edgeq.io.limits import check_regular
from edgeq.io.save import atomic_write

FORMAT = "edgeq-checkpoint-1"
_FIX = "Leave --resume out to start again, or name the checkpoint of this run."

#: the state of an optimizer, as torch.optim writes and reads it
OptimizerState = dict[str, object]


@dataclass(frozen=True)
class Identity:
    """The run that a checkpoint belongs to."""

    #: hash of the float model
    model: str
    #: hash of the plan that training starts from
    plan: str
    #: hash of the data
    data: str
    #: the settings that influence training
    settings: str
    #: the planned number of epochs
    epochs: int = 0


@dataclass(frozen=True, eq=False)
class State:
    """The state of a training run after an epoch."""

    #: number of epochs that are done
    epoch: int
    #: the current parameters, by name
    parameters: dict[str, Tensor]
    #: the state of the optimizer
    optimizer: OptimizerState
    #: the parameters with the best score so far, the start included
    best: dict[str, Tensor]
    #: the epoch after which they were scored; 0: the start
    best_epoch: int
    #: their score; lower is better
    best_score: float
    #: the score before training
    start_score: float
    #: number of epochs since the best score
    stale: int
    #: mean loss of each epoch
    losses: tuple[float, ...] = field(default=())
    #: score after each epoch; a checkpoint of an earlier version has none
    scores: tuple[float, ...] = field(default=())
    #: time spent so far
    seconds: float = 0.0
    #: a metric of the user's own before training; None: there is none, and the score alone counts
    start_grade: float | None = None
    #: that of the best parameters
    best_grade: float | None = None
    #: that after each epoch; empty without a metric
    grades: tuple[float, ...] = field(default=())


def save_checkpoint(path: Path, state: State, identity: Identity) -> None:
    """Replace the checkpoint by this state atomically."""
    content = {"format": FORMAT, "identity": vars(identity), "state": vars(state)}
    atomic_write(path, lambda file: torch.save(content, file), force=True)


def planned_epochs(path: Path) -> int:
    """The number of epochs that the training of a checkpoint was planned for.

    A resumed run needs it where the number came from a time limit. Raises BadCheckpoint.
    """
    epochs = _read(path)["identity"].get("epochs")
    if not isinstance(epochs, int) or epochs < 0:
        raise BadCheckpoint("The checkpoint does not say how many epochs its run has", str(path), _FIX)
    return epochs


def load_checkpoint(path: Path, identity: Identity) -> State:
    """The state in a checkpoint of the run with this identity. No code in the file is executed.

    Raises BadCheckpoint when the file is unreadable, damaged or of another run.
    """
    found = _read(path)
    other = [name for name, value in vars(identity).items() if found["identity"].get(name) != value]
    if other:
        raise BadCheckpoint(f"The checkpoint is of another run: {', '.join(other)} not the same", str(path), _FIX)
    return _state(found["state"], path)


def _state(found: dict[str, Any], path: Path) -> State:
    """The state in a checkpoint, whose fields are those of State and of its types."""
    wanted = {one.name: one for one in fields(State)}
    lacking = sorted(
        name for name, one in wanted.items() if name not in found and one.default is MISSING and one.default_factory is MISSING
    )
    kinds: dict[str, Any] = {"epoch": int, "best_epoch": int, "stale": int, "parameters": dict, "best": dict, "optimizer": dict}
    kinds |= {"best_score": float | int, "start_score": float | int, "seconds": float | int, "losses": tuple | list, "scores": tuple | list}
    kinds |= {"start_grade": float | int | None, "best_grade": float | int | None, "grades": tuple | list}
    wrong = lacking + sorted(name for name, value in found.items() if name not in kinds or not isinstance(value, kinds[name]))
    tensors = [value for name in ("parameters", "best") if isinstance(found.get(name), dict) for value in found[name].values()]
    if wrong or not all(isinstance(value, Tensor) for value in tensors):
        raise BadCheckpoint(f"The checkpoint is damaged at {wrong[0] if wrong else 'parameters'!r}", str(path), _FIX)
    return State(**{**found, **{name: tuple(found.get(name, ())) for name in ("losses", "scores", "grades")}})


def _read(path: Path) -> dict[str, Any]:
    try:
        check_regular(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BadCheckpoint(f"The checkpoint cannot be read: {error.strerror or error}", str(path), _FIX) from error
    except Exception as error:  # torch's own reader of pickles raises what Python does on its way
        raise BadCheckpoint("The file is not a checkpoint, or a damaged one", str(path), _FIX) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadCheckpoint(f"The file is not a checkpoint of the format {FORMAT}", str(path), _FIX)
    if not all(isinstance(found.get(part), dict) and all(isinstance(name, str) for name in found[part]) for part in ("identity", "state")):
        raise BadCheckpoint("The checkpoint lacks its identity or its state", str(path), _FIX)
    return found

"""What came of one case: in which way it went well, or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from benchmarks.onnx_cases.forms import Form

#: good: close to float. warned: not close, and the report says so. random: the float model differs
#: from itself, and the report says so. refused: an EdgeqError.
#: float fails: the model is not valid, or onnxruntime does not run it; only a raw exception is a
#: fault then. The others are faults.
#: blames the user: edgeq says that the model, which is valid and runs in float, is wrong.
#: raw exception: not an EdgeqError. process ended: a signal or the time limit.
#: invalid model: the file does not pass the full check, does not open, has another interface or
#: fails on a feed. far from float: below FLOOR_DB without a warning.
Kind = Literal[
    "good", "warned", "random", "refused", "float fails",
    "blames the user", "raw exception", "process ended", "invalid model", "far from float",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
FAULTS: tuple[Kind, ...] = ("blames the user", "raw exception", "process ended", "invalid model", "far from float")

#: below this SQNR in dB an output is of no use, and its user must be told
FLOOR_DB = 15.0


@dataclass(frozen=True)
class Job:
    """One thing to do with a case."""

    #: name of the case
    case: str
    #: its form
    form: Form
    #: name of a target; "inspect": inspect instead of quantize
    target: str


@dataclass(frozen=True)
class Outcome:
    """What came of a job."""

    job: Job
    kind: Kind
    #: the class of the error, the place of an exception, or the output that is far from float
    what: str = ""
    #: the message
    text: str = ""
    #: the lowest SQNR of the outputs in dB; None: nothing was measured
    sqnr_db: float | None = None

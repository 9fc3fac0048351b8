"""All errors that edgeq raises, as one tree; each says what happened, where, and how to fix it.

EdgeqError                     exit code 2: bad input
├── BadModel                   the ONNX file cannot be read, is unsafe or is not valid
│   ├── UnsupportedOpset       no opset that both Q/DQ and the runtime understand
│   └── UnsupportedOp          an operator that the requested form cannot express
├── BadData                    the calibration or evaluation data does not fit the model
├── BadRecipe                  the recipe file or an option is wrong
├── BadMetric                  a metric of one's own fails, or gives no number
├── BadTarget                  the target file is unknown or contradictory
├── BadStatistics              statistics of another model, data set or setting
├── BadPlan                    a plan that was not made for this model
├── BadCheckpoint              a checkpoint of another training run, or a damaged one
├── BadTraining                training that fails: its loss is not a number
├── BadReport                  a report that cannot be read, or a damaged one
├── BadOutput                  the output cannot or must not be written
├── InputChanged               a file was changed while the run was reading it
├── EngineFailed               workers die, or the cluster cannot be reached
├── MissingExtra               an optional dependency is not installed
├── RuntimeRefused             the real runtime refuses to load or run a model
└── FloorMissed                exit code 3: an accuracy floor or a placement gate is missed
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

from edgeq.python_words import in_python


def hint(word: str, known: Iterable[str]) -> str:
    """The beginning of a fix: the known word that is most like one that is not; or nothing.

    >>> hint("minmx", ("minmax", "mse")) + "Use one of: minmax, mse."
    'Did you mean minmax? Use one of: minmax, mse.'
    """
    near = get_close_matches(word, list(known), 1)
    return f"Did you mean {near[0]}? " if near else ""


class EdgeqError(Exception):
    """What happened, where, and what the user can do about it.

    what: one sentence. where: a file, node, value, key or option. fix: one sentence in the
    imperative. They are written with the options of the command line, which `options` keeps; the
    attributes and the text have the names of Python instead, such as `data` for --data.

    >>> error = BadData("There is no data.", "--data", "Give --data, or --stats.")
    >>> (error.where, error.fix), error.options[2]
    (('`data`', 'Give `data`, or `statistics`.'), 'Give --data, or --stats.')
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, where: str, fix: str) -> None:
        super().__init__(what, where, fix)
        #: what, where and fix as the command line says them
        self.options = (what, where, fix)
        self.what, self.where, self.fix = (in_python(text) for text in self.options)

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  fix:   {self.fix}"

    @property
    def mend(self) -> str:
        """The former name of `fix`, kept for one release."""
        return self.fix


class BadModel(EdgeqError):
    """The ONNX file cannot be read, is unsafe or is not a valid model."""


class UnsupportedOpset(BadModel):
    """The model's opset cannot be converted to one that Q/DQ and the runtime understand."""


class UnsupportedOp(BadModel):
    """An operator that the requested output form cannot express."""


class BadData(EdgeqError):
    """The calibration or evaluation data does not fit the model."""


class BadRecipe(EdgeqError):
    """The recipe file or a command-line option is wrong."""


class BadMetric(EdgeqError):
    """A metric that is not known, or one of the user's own that fails or gives no number."""


class BadTarget(EdgeqError):
    """The target file is unknown, unreadable or contradicts itself."""


class BadStatistics(EdgeqError):
    """A statistics file of another model, data set or setting, or a damaged one."""


class BadPlan(EdgeqError):
    """A plan that was made for another model, or a damaged one."""


class BadCheckpoint(EdgeqError):
    """A checkpoint of another training run, or a damaged one."""


class BadTraining(EdgeqError):
    """Training fails: its loss is not a number."""


class BadReport(EdgeqError):
    """A report that cannot be read, or a damaged one."""


class BadOutput(EdgeqError):
    """The output path cannot or must not be written."""


class InputChanged(EdgeqError):
    """A file was changed or replaced while the run was reading it."""


class EngineFailed(EdgeqError):
    """Workers die again and again, or the cluster cannot be reached."""


class MissingExtra(EdgeqError):
    """An optional dependency is not installed."""


class RuntimeRefused(EdgeqError):
    """The real runtime refuses to load or run a model."""


class FloorMissed(EdgeqError):
    """An accuracy floor or a placement gate is missed."""

    exit_code: ClassVar[int] = 3

"""The row of the table of runtimes that describes one runtime.

It says which package and file the runtime needs, what it tells, and how it opens a model.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from edgeq.errors import BadRecipe, MissingExtra
from edgeq.runtimes.protocol import OpenedModel
from edgeq.runtimes.ran_operator import RanOperator

#: the extra of edgeq that installs every runtime of the table
EXTRA = "backends"


@dataclass(frozen=True, eq=False)
class Request:
    """What a runtime is asked to open."""

    #: the file that the runtime takes; its batch is 1
    model: bytes
    #: how many inputs will be fed
    inputs: int
    #: how many outputs will be read
    outputs: int
    #: the accelerator to compile for, one of the row's; empty: the row has none
    accelerator: str


@dataclass(frozen=True, eq=False)
class Opened:
    """The model as a runtime took it, in one of the ways in which that runtime runs models."""

    #: name of the way, which reports add to the runtime's name; empty: there is only one
    variant: str = ""
    #: as the runtime lists them; empty: it lists none, and the row's `kernel` says who runs them
    operators: tuple[RanOperator, ...] = ()
    #: the model to run; None: the runtime compiles, and executes nothing
    model: OpenedModel | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Runtime:
    """One row of edgeq.runtimes.table."""

    #: as --runtime names it and the table lists it; its module has the same name
    name: str
    #: what pip installs, as part of the extra [backends]; what npm installs where `found` is given
    package: str
    #: the package's name in Python; empty: it is none of Python's
    module: str
    #: the format that it takes. In .tflite files images have their channels last
    takes: Literal["onnx", "tflite"]
    #: for reports: what was read from the runtime, and what was not
    told: str
    #: opens a model once for each way in which the runtime runs it. Raises MissingExtra, and
    #: RuntimeRefused when the runtime does not accept the model
    open: Callable[[Request], Generator[Opened, None, None]]
    #: who runs the operators of the file, for a runtime that does not list its own; empty: it lists
    #: them
    kernel: str = ""
    #: the accelerators that it compiles for, the default first; empty: there is no choice
    accelerators: tuple[str, ...] = ()
    #: of those that take .tflite files: whether they take weights of type INT4
    takes_int4: bool = True
    #: whether it runs a model that is cut at its codes as it runs the whole: one that fuses the
    #: operators between codes and codes, and nothing beyond
    runs_parts: bool = False
    #: for a package of npm: its version where it and what runs it are there, else None
    found: Callable[[], str | None] | None = None

    @property
    def installed(self) -> bool:
        """Whether the package is there, as far as this is known without importing it."""
        return self.found() is not None if self.found is not None else importlib.util.find_spec(self.module) is not None

    @property
    def install(self) -> str:
        """The command that installs the package."""
        return f"{'pip' if self.found is None else 'npm'} install {self.package}"

    def missing(self) -> MissingExtra:
        """The error for a runtime that is not installed."""
        if self.found is not None:
            what = f"The runtime {self.name} needs Node and the npm package {self.package}, which are not both there."
            return MissingExtra(what, f"--runtime {self.name}", f"Install Node, then in this folder: {self.install}.")
        what = f"The runtime {self.name} needs the package {self.package}, which is not installed."
        fix = f"Install it: {self.install}, or all of them: pip install 'edgeq[{EXTRA}]'."
        return MissingExtra(what, f"--runtime {self.name}", fix)

    def version(self) -> str:
        """The version of the installed package."""
        if self.found is not None:
            return self.found() or "unknown"
        try:
            return version(self.package)
        except PackageNotFoundError:
            return "unknown"

    def accelerator(self, wanted: str | None) -> str:
        """The accelerator to compile for; None: the default.

        Raises BadRecipe for an accelerator that the runtime does not know.
        """
        if not self.accelerators:
            return ""
        if wanted is not None and wanted not in self.accelerators:
            raise BadRecipe(f"There is no accelerator {wanted!r}.", "--accelerator", f"Use one of: {', '.join(self.accelerators)}.")
        return wanted or self.accelerators[0]

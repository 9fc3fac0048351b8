"""The table of runtimes, with one row per runtime.

A row names a runtime and its module in this package, whose `RUNTIME` says the rest. Modules are
imported when they are looked up, so that the command line stays fast.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Literal, get_args

from edgeq.errors import BadRecipe, hint

if TYPE_CHECKING:
    from edgeq.runtimes.runtime import Runtime

#: the runtimes other than onnxruntime, as `--runtime` and target files name them
RuntimeName = Literal[
    "openvino",
    "qnn",
    "litert",
    "tflm",
    "vela",
    "web",
]
#: the module of each, below this package
_MODULES: Mapping[str, str] = {
    "openvino": "openvino",
    "qnn": "qnn",
    "litert": "tflite.litert",
    "tflm": "tflite.tflm",
    "vela": "tflite.vela",
    "web": "web.web",
}
RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)
#: the runtime that edgeq always has: what it runs is read back node by node (edgeq.proof.proof)
DEFAULT: Literal["onnxruntime"] = "onnxruntime"
#: of the runtimes that take .tflite files, the one that lists what it runs
OF_TFLITE: RuntimeName = "litert"
#: what a target file may name: one runtime, "tflite" for all that take .tflite files, or "none"
TargetRuntime = Literal["onnxruntime", RuntimeName, "tflite", "none"]

#: instruction sets of the processors that targets are for
Architecture = Literal["x86-64", "arm64"]
_MACHINES: dict[str, Architecture] = {"x86_64": "x86-64", "amd64": "x86-64", "arm64": "arm64", "aarch64": "arm64"}


def this_architecture() -> Architecture | None:
    """The architecture of this machine; None: it is none of those that targets name."""
    return _MACHINES.get(platform.machine().lower())


def runs_here(runtime: str, architecture: str | None) -> bool:
    """Whether this machine runs models of a runtime and an architecture (None: any) as they are
    meant: kernels, sums and times.
    """
    return runtime == DEFAULT and architecture in (None, this_architecture())


def look_up(name: str) -> Runtime:
    """The row of a runtime. Raises BadRecipe for a name that is not in the table."""
    from edgeq.runtimes.runtime import Runtime

    if name not in RUNTIMES:
        raise BadRecipe(
            f"There is no runtime {name!r}.", "--runtime", f"{hint(name, RUNTIMES)}Use one of: {', '.join((DEFAULT, *RUNTIMES))}."
        )
    row = import_module(f"edgeq.runtimes.{_MODULES[name]}").RUNTIME
    assert isinstance(row, Runtime)
    return row

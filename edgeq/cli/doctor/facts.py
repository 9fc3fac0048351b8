"""What is known of this machine and of what is installed on it, as `edgeq doctor` tells it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Literal

from edgeq.runtimes.table import DEFAULT, RUNTIMES, Architecture, look_up, this_architecture
from edgeq.version import __version__

#: flags of /proc/cpuinfo, and of Arm's, that stand for instructions which add products in int32
_VNNI = ("avx512_vnni", "avx_vnni", "asimddp", "i8mm")


@dataclass(frozen=True)
class Machine:
    """The processor."""

    #: as the operating system names it
    name: str
    #: of those that targets are for; null: none of them
    architecture: Architecture | None
    #: processors that this process may use
    cores: int
    #: whether it multiplies int8 and adds in int32 at once (VNNI on x86, dot products on Arm): sums
    #: cannot saturate, and integer kernels are fast; null: the operating system does not tell
    vnni: bool | None


@dataclass(frozen=True)
class RuntimeRow:
    """A runtime that can prove what runs."""

    #: as --runtime names it
    name: str
    #: of its package; null: it is not installed
    version: str | None
    #: the form of the models that it takes
    takes: Literal["onnx", "tflite"]
    #: what installs it where it is missing
    install: str


@dataclass(frozen=True)
class ExtraRow:
    """An extra of edgeq."""

    #: as in pip install 'edgeq[NAME]'
    name: str
    #: what it is for
    purpose: str
    #: packages of it that are not installed
    missing: tuple[str, ...]


@dataclass(frozen=True)
class TargetRow:
    """A shipped target."""

    name: str
    #: what can be said here about models for it. placement_and_latency: which kernels run, and how
    #: fast. placement: which kernels run. fidelity: how far the numbers are from float
    proves: Literal["placement_and_latency", "placement", "fidelity"]
    #: installed runtimes of it
    runtimes: tuple[str, ...]


@dataclass(frozen=True)
class ColumnRow:
    """The column of costs whose machine is most like this one."""

    name: str
    #: the machine on which it was measured
    machine: str
    #: mean factor between the two machines' ratios of integer to float times; 1: the same
    factor: float


@dataclass(frozen=True)
class Doctor:
    """The findings."""

    edgeq: str
    python: str
    machine: Machine
    runtimes: tuple[RuntimeRow, ...]
    extras: tuple[ExtraRow, ...]
    targets: tuple[TargetRow, ...]
    #: the column of the target cpu that is most like this machine; null: it was not measured
    #: (--measure)
    column: ColumnRow | None


def findings(column: ColumnRow | None) -> Doctor:
    """What is found here. column: what a measurement found."""
    from edgeq.schema.target import load_target, shipped_targets
    from edgeq.tuning.tune import processor

    machine = Machine(processor(), this_architecture(), _cores(), has_vnni())
    runtimes = (RuntimeRow(DEFAULT, _version("onnxruntime"), "onnx", "pip install onnxruntime"), *map(_runtime, RUNTIMES))
    targets = []
    for name in shipped_targets():
        target = load_target(name)
        own = [row.name for row in runtimes if row.version is not None and target.runtime in (row.name, row.takes)]
        proves: Literal["placement_and_latency", "placement", "fidelity"] = "placement" if own else "fidelity"
        targets.append(TargetRow(name, "placement_and_latency" if target.runs_here else proves, tuple(own)))
    return Doctor(__version__, platform.python_version(), machine, runtimes, _extras(), tuple(targets), column)


def has_vnni(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Whether the processor adds products of int8 in int32 at once; None: it is not told."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    flags = next((line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))), None)
    return None if flags is None else any(flag in flags for flag in _VNNI)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _runtime(name: str) -> RuntimeRow:
    row = look_up(name)
    return RuntimeRow(name, row.version() if row.installed else None, row.takes, row.install)


def _extras() -> tuple[ExtraRow, ...]:
    purposes = {
        "learn": "edgeq finetune, edgeq.from_torch",
        "report": "pictures of edgeq palettize --plot",
        "tflite": ".tflite files",
        "backends": "edgeq prove --runtime",
        "ray": "--engine ray",
    }
    wanted = _requirements()
    return tuple(
        ExtraRow(name, purpose, tuple(one for one in wanted.get(name, ()) if _version(one) is None)) for name, purpose in purposes.items()
    )


def _requirements() -> dict[str, tuple[str, ...]]:
    """Extra -> the names of its packages, as the installed distribution says."""
    try:
        lines = distribution("edgeq").requires or []
    except PackageNotFoundError:  # a source tree that was not installed
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        head, _, marker = line.partition(";")
        if "extra ==" in marker:
            extra = marker.split("extra ==")[1].strip().strip("\"'")
            name = head.strip()
            for stop in "<>=!~ [(":
                name = name.partition(stop)[0]
            if name != "edgeq":  # one extra in another
                found[extra] = (*found.get(extra, ()), name)
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

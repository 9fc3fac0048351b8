"""What a benchmark ran on: date, processor, versions. Part of every result."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("edgeq", "numpy", "onnx", "onnxruntime", "onnx-ir", "onnxscript", "onnxsim")
#: instructions that decide which integer kernels a processor runs
FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def describe() -> dict[str, str]:
    """Facts of this machine, each a short string."""
    name, flags = _processor()
    facts = {"date": datetime.date.today().isoformat(), "processor": name, "integer instructions": " ".join(flags) or "unknown"}
    facts |= {"cores": str(len(os.sched_getaffinity(0))), "system": f"{platform.system()} {platform.machine()}"}
    facts["python"] = platform.python_version()
    return facts | {name: _version(name) for name in PACKAGES}


def _processor() -> tuple[str, tuple[str, ...]]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor() or "unknown", ()
    pairs = [line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines() if ":" in line]
    fields = {key.strip(): value.strip() for key, value in pairs}
    present = fields.get("flags", fields.get("Features", "")).split()
    return fields.get("model name", "unknown"), tuple(flag for flag in FLAGS if flag in present)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

"""The architecture of this machine, in the words of target files."""

from __future__ import annotations

import platform
from typing import Literal

#: instruction sets of the processors that targets are for
Architecture = Literal["x86-64", "arm64"]

_NAMES: dict[str, Architecture] = {"x86_64": "x86-64", "amd64": "x86-64", "arm64": "arm64", "aarch64": "arm64"}


def this_architecture() -> Architecture | None:
    """The architecture of this machine; None: it is none of those that targets name."""
    return _NAMES.get(platform.machine().lower())

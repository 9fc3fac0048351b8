"""The words for engines, in a file of their own so that the help of the command line loads fast."""

from __future__ import annotations

from typing import Literal, get_args

EngineName = Literal["local", "processes", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)

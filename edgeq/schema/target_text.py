"""Write a target as the text of a TOML file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite

from edgeq.schema.cost import Costs
from edgeq.schema.target import Target

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def target_text(target: Target) -> str:
    """The TOML text that reads as this target; what has its default is left out."""
    return "\n".join(_table(target.model_dump(exclude_defaults=True, exclude_none=True), ())).lstrip("\n") + "\n"


def cost_text(costs: Costs) -> str:
    """The TOML text of a target's costs alone."""
    return "\n".join(_table({"cost": costs.model_dump(exclude_defaults=True, exclude_none=True)}, ())).lstrip("\n") + "\n"


def _table(table: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    """The lines of a table: its own values first, then the tables within."""
    values = {key: value for key, value in table.items() if not _is_table(value, path) and not _is_tables(value)}
    lines = [f"\n[{'.'.join(map(_key, path))}]"] if path and (values or not table) else []
    lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items()]
    for key, value in table.items():
        if _is_tables(value):
            assert isinstance(value, tuple)
            for one in value:
                lines += [f"\n[[{'.'.join(map(_key, (*path, key)))}]]", *(f"{_key(name)} = {_value(part)}" for name, part in one.items())]
        elif _is_table(value, path):
            assert isinstance(value, Mapping)
            lines += _table(value, (*path, key))
    return lines


def _is_table(value: object, path: tuple[str, ...]) -> bool:
    """Tables below the fourth level are written in one line."""
    return isinstance(value, Mapping) and len(path) < 5 and any(isinstance(part, Mapping | str | tuple) for part in value.values())


def _is_tables(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float):
        assert isfinite(value)
        return repr(value)
    return json.dumps(value, ensure_ascii=False)

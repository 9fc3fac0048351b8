"""Convert frozen results to strict JSON, which has no NaN and no Infinity.

Dataclasses, pydantic models, mappings, sequences, paths and numpy values are accepted.
"""

from __future__ import annotations

import dataclasses
import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel

#: of documents that have none of their own
SCHEMA_VERSION = 1

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def to_json(value: object) -> str:
    """`value` as indented JSON text with a final newline; what terminals hide is escaped.

    Raises TypeError for what has no JSON form, which is a programmer error.

    >>> print(to_json({"scale": 0.5, "error": float("nan")}), end="")
    {
      "scale": 0.5,
      "error": null
    }
    """
    text = json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return text if text.isascii() else "".join(map(_escaped, text))


def to_document(value: object) -> str:
    """`value`, a dataclass, model or mapping, as a JSON document: its version comes first.

    The version says which of the schemas of docs/schemas it follows: a field that changes its
    meaning or goes away raises it. Documents that have a version of their own keep it.

    >>> print(to_document({"scale": 0.5}), end="")
    {
      "schema_version": 1,
      "scale": 0.5
    }
    """
    found = plain(value)
    assert isinstance(found, dict)  # so that fields can be added to every document
    return to_json(found if "schema_version" in found else {"schema_version": SCHEMA_VERSION, **found})


def _escaped(character: str) -> str:
    """A character that terminals hide, or that UTF-8 does not have, as JSON writes it in ASCII."""
    shown = character.isprintable() or character == "\n" or unicodedata.category(character) == "Zs"
    return character if shown else json.dumps(character)[1:-1]


def plain(value: object) -> JsonValue:
    """`value` built from JSON's own types; NaN and infinities become null.

    Raises TypeError for what has no JSON form.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json"))
    return _container(value)


def _container(value: object) -> JsonValue:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")

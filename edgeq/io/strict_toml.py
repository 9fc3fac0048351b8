"""Read a strict pydantic model from a TOML file; errors name the file, the key and the fix."""

from __future__ import annotations

import re
import reprlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from edgeq.errors import EdgeqError, hint
from edgeq.io.limits import MAX_TOML, check_toml, limited_text
from edgeq.io.run_files import note_read


class Strict(BaseModel):
    """Base of everything that a user writes by hand: frozen; unknown keys are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def _changed(self, fields: Mapping[str, object]) -> Self:
        """A copy with other values in some fields, validated like any other document.

        The typed methods of documents use it; pydantic's own model_copy does not validate.
        """
        return self.model_validate({**dict(self), **fields})


Model = TypeVar("Model", bound=Strict)


def read_toml(kind: type[Model], path: Path, error: type[EdgeqError], noun: str) -> Model:
    """Parse and validate the TOML file at `path` as a `kind`; every problem raises `error`."""
    note_read(path)
    try:
        text = limited_text(path, MAX_TOML)
    except (OSError, ValueError) as problem:
        raise error(f"The {noun} cannot be read: {problem}", str(path), "Check the path and the permissions.") from None
    return parse_toml(kind, text, str(path), error, noun)


def parse_toml(kind: type[Model], text: str, where: str, error: type[EdgeqError], noun: str) -> Model:
    """Parse and validate TOML text that is already in memory, as read_toml does for a file."""
    try:
        check_toml(text)
    except ValueError as problem:
        raise error(
            f"The {noun} is no document of edgeq: {problem}.", where, "Write it anew; see docs/recipes.md and docs/targets.md."
        ) from None
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as problem:  # ValueError: also a number of thousands of digits
        raise error(f"The {noun} is not valid TOML: {problem}", where, "Correct the line named above.") from None
    return validate(kind, raw, where, error, noun)


def validate(kind: type[Model], raw: Mapping[str, object], where: str, error: type[EdgeqError], noun: str) -> Model:
    """Validate `raw` as a `kind`; every problem raises `error`.

    It may come from a file or from command-line options.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(kind.model_fields))
            raise error(
                f"Unknown key `{key}` in the {noun}.", where, f"{_near(first, kind)}Remove it or correct its name. Top-level keys: {known}."
            ) from None
        fix = f"{_near(first, kind)}Correct `{key}` (found {reprlib.repr(first.get('input'))})."
        raise error(f"Key `{key}` in the {noun}: {first['msg']}.", where, fix) from None


def _near(first: ErrorDetails, kind: type[Strict]) -> str:
    """A hint at the word that was meant: one of those allowed, or the name of a key."""
    if first["type"] == "literal_error":
        return hint(str(first["input"]), re.findall(r"'([^']*)'", str(first.get("ctx", {}).get("expected"))))
    return hint(str(first["loc"][-1]), kind.model_fields) if first["type"] == "extra_forbidden" else ""

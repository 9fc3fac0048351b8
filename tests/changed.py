"""A document with other values in some fields, for tests that want one of their own."""

from __future__ import annotations

from typing import TypeVar

from edgeq.io.strict_toml import Strict

Document = TypeVar("Document", bound=Strict)


def changed(document: Document, **fields: object) -> Document:
    """Validated as if it had been read: what no file may say, no test may say by accident."""
    return document.model_validate({**dict(document), **fields})

"""The engine of the run: whoever passes over data asks for it here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from edgeq.engines.local import Local
from edgeq.engines.protocol import Engine

_engine: ContextVar[Engine | None] = ContextVar("edgeq_engine", default=None)


@contextmanager
def using(engine: Engine) -> Iterator[Engine]:
    """Let the engine do what the body asks for."""
    token = _engine.set(engine)
    try:
        yield engine
    finally:
        _engine.reset(token)


def chosen_engine() -> Engine | None:
    """The engine that was chosen for the run; None: none was."""
    return _engine.get()


def current_engine() -> Engine:
    """The engine of the run; this process alone where none was chosen."""
    return _engine.get() or Local()

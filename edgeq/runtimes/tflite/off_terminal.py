"""Keep what native code prints off the terminal.

LiteRT and TFLite Micro write to the process's stderr, past Python, that they created a delegate,
and what they raise as an exception as well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def off_terminal() -> Iterator[None]:
    """Let nothing of this process reach stderr; nothing changes where stderr is closed."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # closed, or None in a program without a console
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

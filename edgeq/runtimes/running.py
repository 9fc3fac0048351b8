"""The runs of onnxruntime that are under way, so that Ctrl-C can end them between two kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types

#: the options of each run under way, by their identity
_RUNNING: dict[int, ort.RunOptions] = {}


@contextmanager
def stoppable(options: ort.RunOptions) -> Iterator[ort.RunOptions]:
    """Options for one run, which stop_all ends: the block then raises KeyboardInterrupt."""
    _RUNNING[id(options)] = options
    try:
        yield options
    except Exception:
        if options.terminate:
            raise KeyboardInterrupt from None
        raise
    finally:
        del _RUNNING[id(options)]


def stop_all() -> None:
    """Let every run under way end when its current kernel ends; callable from any thread."""
    for options in list(_RUNNING.values()):
        options.terminate = True

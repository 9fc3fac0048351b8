"""Hear Ctrl-C while a runtime is busy: its kernels are told to end, then the main thread hears it.

Python tells the main thread of a signal between two lines of Python. A runtime that computes for
minutes has no such lines. The byte that Python writes to a pipe at once wakes a thread here, which
sets the mark that onnxruntime looks at between two kernels.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Interrupts:
    """Whether the user has interrupted the run."""

    heard: bool = False


@contextlib.contextmanager
def listening() -> Iterator[Interrupts]:
    """Hear Ctrl-C in the block, as KeyboardInterrupt and from running kernels.

    Only the main thread can; where Ctrl-C is ignored, or heard by others, that is left as it is.
    """
    state = Interrupts()
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or not usual:
        yield state
        return

    def hear(_number: int, _frame: object) -> None:
        state.heard = True
        raise KeyboardInterrupt

    read, write = os.pipe()
    os.set_blocking(write, False)
    woken = threading.Thread(target=_stop_kernels, args=(read,), daemon=True)
    woken.start()
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, hear)
    try:
        yield state
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(before)
        os.close(write)  # ends the thread
        woken.join()


def _stop_kernels(read: int) -> None:
    """Stop what runs at each Ctrl-C, until the pipe is closed."""
    while heard := os.read(read, 64):
        if signal.SIGINT in heard:
            from edgeq.runtimes.running import stop_all

            stop_all()
    os.close(read)

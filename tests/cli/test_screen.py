"""What libraries have to say about code does not reach the terminal of a user."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from edgeq.cli.screen import without_library_warnings


def chatter() -> None:
    """What numpy, a deprecation and a logger without handlers would print."""
    np.float32(3e38) * np.float32(np.full(1, 3e38, np.float32)[0])
    warnings.warn("an old name", FutureWarning, stacklevel=1)
    logging.getLogger("some.library").warning("a converter grumbles")
    logging.getLogger("some.library").error("and fails to log in")


RUN = """import sys
sys.path.insert(0, {root!r})
from edgeq.cli.screen import without_library_warnings
from tests.cli.test_screen import chatter
with without_library_warnings():
    chatter()
print("done")
"""


@pytest.mark.parametrize("debug", ["", "1"])
def test_warnings_and_log_lines_need_debug(debug: str) -> None:
    root = str(Path(__file__).resolve().parents[2])
    environment = {"PYTHONPATH": root, "EDGEQ_DEBUG": debug, "PATH": ""}
    found = subprocess.run([sys.executable, "-c", RUN.format(root=root)], capture_output=True, text=True, env=environment, check=True)
    assert found.stdout == "done\n"
    told = ("overflow", "an old name", "grumbles", "fails to log")
    assert [word in found.stderr for word in told] == [bool(debug)] * len(told)
    assert bool(found.stderr) == bool(debug)


def test_nothing_of_it_stays_behind() -> None:
    before, handlers = list(warnings.filters), list(logging.getLogger().handlers)
    with without_library_warnings():
        assert list(warnings.filters) != before
    assert (list(warnings.filters), logging.getLogger().handlers) == (before, handlers)
    with pytest.raises(ZeroDivisionError), without_library_warnings():
        _ = 1 // 0
    assert (list(warnings.filters), logging.getLogger().handlers) == (before, handlers)

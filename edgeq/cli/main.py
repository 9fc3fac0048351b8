"""The entry of the `edgeq` command: Ctrl-C ends it quietly from its first moment on.

Everything else is imported where Ctrl-C is already heard: the commands in edgeq/cli/app/commands.py
take some 0.2 s, what they import themselves some seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    arguments: None stands for sys.argv[1:]. Exit codes: 0 done, 1 a bug, 2 bad input, 3 a floor or
    gate missed, 130 interrupted.
    """
    try:
        from edgeq.cli.app.interrupts import listening

        with listening() as interrupts:
            try:
                from edgeq.cli.app.commands import run

                return run(arguments, lambda: interrupts.heard)
            except Exception:
                if interrupts.heard:  # an import that was broken off raises what it likes
                    raise KeyboardInterrupt from None
                raise
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; no file is half-written\n")
        return INTERRUPTED

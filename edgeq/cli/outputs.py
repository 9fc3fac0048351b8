"""Output paths of a command, checked before the work begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

#: a model becomes smaller by less than this: codebooks of one bit take the place of 32-bit floats
SMALLEST = 32


def stale_lines(model: Path) -> Iterator[str]:
    """A line about the files beside a model that belong to another model, if there are any."""
    from edgeq.io.marks import stale_beside

    found = [str(path) for path in stale_beside(model)]
    if len(found) == 1:
        yield f"{found[0]} belongs to another model than {model}: write it anew or remove it"
    elif found:
        yield f"{', '.join(found)} belong to another model than {model}: write them anew or remove them"


def size_of(path: Path) -> int:
    """The size of a file in bytes; 0: there is none, which whoever reads it will say."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return 0


def check_report(path: Path | None) -> None:
    """Refuse a report that cannot be written.

    Raises BadOutput for an extension that names no form of report.
    """
    if path is None:
        return
    from edgeq.report.report import report_format

    report_format(path)

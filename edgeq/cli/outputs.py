"""Output paths of a command, checked before the work begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from edgeq.errors import BadOutput

#: a model becomes smaller by less than this: codebooks of one bit take the place of 32-bit floats
SMALLEST = 32
#: bytes of a block of a file system: what any file takes at the least
BLOCK = 4096


def check_outputs(outputs: Iterable[Path | None], *, force: bool, inputs: Iterable[Path | None], at_least: int = BLOCK) -> None:
    """Refuse output paths that cannot be written or would overwrite an input.

    Called before the work, which may take minutes; what the run reads from then on is held against
    these paths, too. None stands for a file that is not requested or not given. at_least: bytes for
    which there must be room. Raises BadOutput.
    """
    from edgeq.io.output_path import check_output, check_space
    from edgeq.io.run_files import note_outputs

    wanted = [path for path in outputs if path is not None]
    sources = [path for path in inputs if path is not None]
    for place, path in enumerate(wanted):
        if path.resolve() in [earlier.resolve() for earlier in wanted[:place]]:
            raise BadOutput("Two outputs have the same path.", str(path), "Give each output its own path.")
        check_output(path, force=force, inputs=sources)
    note_outputs(wanted)
    check_space(wanted, at_least)


def check_folder(folder: Path, outputs: Iterable[Path], *, force: bool, inputs: Iterable[Path | None]) -> None:
    """As check_outputs, for outputs in a folder that may not exist yet. Raises BadOutput."""
    from edgeq.io.output_path import check_space

    if folder.exists() and not folder.is_dir():
        raise BadOutput("The output folder is a file.", str(folder), "Choose another folder.")
    if folder.exists():
        check_outputs(outputs, force=force, inputs=inputs)
    else:
        check_space(outputs, BLOCK)


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

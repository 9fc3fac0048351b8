"""Check before the work that an output can be written, and that nothing of the user's is lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgeq.errors import BadOutput
from edgeq.io.run_files import check_not_read, note_outputs
from edgeq.io.stamps import same_file
from edgeq.io.temporaries import remove_leftovers, scratch_root

#: bytes of a block of a file system: what any file takes at the least
BLOCK = 4096
#: bytes of a file's name that are possible where the system does not say
_NAME_MAX = 255


def check_output(path: str | Path, *, force: bool = False, inputs: Sequence[Path] = ()) -> None:
    """Check that the path can and may be written; call it before long work.

    Only a regular file is replaced, and only with force; never one of `inputs`, nor what the run
    has read (edgeq/io/run_files.py). Temporary files that killed runs left in the folder are
    removed. Raises BadOutput.
    """
    path = Path(path)
    where = str(path)
    try:
        _check_kind(path, where)
        for source in inputs:
            if same_file(path, Path(source)):
                raise BadOutput("The output is the same file as an input", where, "Choose another path; --force does not allow this.")
        check_not_read(path)
        if path.is_symlink():
            fix = f"Name the file that it leads to, {os.path.realpath(path)}, or remove the link."
            raise BadOutput("The output path is a link, not a file", where, fix)
        if os.path.lexists(path) and not force:
            raise BadOutput("The output file exists already", where, "Choose another path, or pass --force to replace it.")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise BadOutput("The folder of the output is not writable", where, "Choose another folder or change its permissions.")
        remove_leftovers(path.parent)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise BadOutput(f"The output path cannot be used: {error}", where, "Choose another path.") from error


def _check_kind(path: Path, where: str) -> None:
    if not path.name:
        raise BadOutput("The output path is a folder", where, "Name a file in it.")
    longest = _longest_name(path.parent)
    if len(os.fsencode(path.name)) > longest:
        what = f"The name of the output has more than the {longest} bytes that its folder takes"
        raise BadOutput(what, where, "Choose a shorter name.")
    if path.is_dir():
        raise BadOutput("The output path is a folder", where, "Name a file in it.")
    if path.exists() and not path.is_file():  # a file would take the place of the device
        raise BadOutput("The output path is a device or a pipe, not a file", where, "Choose another path.")
    if not path.parent.is_dir():
        raise BadOutput("The folder of the output does not exist", where, f"Create {path.parent} first.")


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, AttributeError, ValueError):
        return _NAME_MAX


def check_space(outputs: Iterable[Path], at_least: int) -> None:
    """Refuse to begin where the disk has no room for the result.

    at_least: bytes that the outputs have together at the least; a folder that does not exist yet
    counts as the one that it will lie in. The folder for temporary files must have that room too.
    Raises BadOutput.
    """
    folders = {_existing(path.parent) for path in outputs} | {scratch_root()}
    for folder in sorted(folders):
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            continue  # the file system does not say
        if free < at_least:
            what = f"There is no room for the result: {free} bytes are free, and it has at least {at_least}."
            raise BadOutput(what, str(folder), "Make room there, or name another folder (for temporary files: TMPDIR).")


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def make_folder(folder: Path) -> None:
    """Create the folder and its parents. Raises BadOutput."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"The output folder cannot be made: {error.strerror}.", str(folder), "Choose another folder.") from None


def check_outputs(outputs: Iterable[Path | None], *, force: bool, inputs: Iterable[Path | None], at_least: int = BLOCK) -> None:
    """Refuse output paths that cannot be written or would overwrite an input.

    Called before the work, which may take minutes; what the run reads from then on is held against
    these paths, too. None stands for a file that is not requested or not given. at_least: bytes for
    which there must be room. Raises BadOutput.
    """
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
    if folder.exists() and not folder.is_dir():
        raise BadOutput("The output folder is a file.", str(folder), "Choose another folder.")
    if folder.exists():
        check_outputs(outputs, force=force, inputs=inputs)
    else:
        check_space(outputs, BLOCK)

"""All printing: results to stdout as text or JSON, everything else to stderr."""

from __future__ import annotations

import logging
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from edgeq.cli.printed.result import print_result
from edgeq.errors import EdgeqError
from edgeq.io.visible import visible
from edgeq.progress import Progress, Silent

#: longer lines of an error, often messages of runtimes or parsers, are cut so that it fits on one
#: screen
LONGEST_LINE = 800


@dataclass(frozen=True)
class Screen:
    """Prints the results, notes and progress of a command."""

    #: whether stdout receives one JSON document and nothing else
    as_json: bool
    #: whether nothing but errors and JSON is printed
    quiet: bool

    def show(self, result: object, render: Callable[[], RenderableType]) -> None:
        """Print the result, as JSON or as the text that `render` makes of it."""
        if self.as_json:
            print_result(result)
        elif not self.quiet:
            stdout_console().print(render(), crop=False)

    def wrote(self, paths: Sequence[Path]) -> None:
        """Print the files that a command wrote, one a line: on stdout below the text of the result,
        on stderr where the result is JSON.
        """
        if self.quiet or not paths:
            return
        from edgeq.report.figures import human_bytes

        console = stderr_console() if self.as_json else stdout_console()
        for path in paths:
            size = "" if path.is_dir() else f" ({human_bytes(path.stat().st_size)})"
            console.print(Text(f"wrote {path}{size}"), soft_wrap=True)

    def note(self, line: str) -> None:
        """Print one line of information on stderr."""
        if not self.quiet:
            stderr_console().print(Text(visible(line), "dim"), soft_wrap=True)

    def warn(self, line: str) -> None:
        """Print one line on stderr that the user must know, also where the result is JSON."""
        if not self.quiet:
            stderr_console().print(Text.assemble(("warning: ", "bold yellow"), visible(line)), soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Progress of long work on stderr.

        It is shown as bars on a terminal and as plain lines elsewhere, and not at all with --quiet.
        """
        if self.quiet:
            yield Silent()
            return
        from edgeq.cli.progress import watch

        with watch(stderr_console()) as progress:
            yield progress


class CleanConsole(Console):
    """A console that shows what would rewrite the terminal, wherever in a result it stands."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control or text.isprintable() else Segment(visible(text, lines=True), style)


@contextmanager
def without_library_warnings() -> Iterator[None]:
    """Keep warnings and log lines of libraries off the terminal.

    They are about code, not about the user's model, and nobody at a terminal can act on them;
    EDGEQ_DEBUG=1 lets them through.
    """
    if _debug():
        yield
        return
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)  # without a handler, Python prints what is a warning or worse
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silent)


def stdout_console() -> Console:
    """A console for results. It is created for each use, since tests replace sys.stdout."""
    return CleanConsole(highlight=False)


def stderr_console() -> Console:
    """A console for errors, notes and progress."""
    return CleanConsole(stderr=True, highlight=False)


def print_error(error: EdgeqError) -> None:
    """Print what, where and fix, three lines on stderr, after a traceback with EDGEQ_DEBUG=1."""
    if _debug():
        traceback.print_exception(error)
    _three_lines("error", *error.options)


def print_bug(error: BaseException) -> None:
    """Print that an exception other than EdgeqError is a bug of edgeq, and how to report it."""
    if _debug():
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
    fix = "Please report it with the traceback, which the same command prints with EDGEQ_DEBUG=1 set."
    _three_lines("bug", f"This is a bug in edgeq: {type(error).__name__}: {error}", where, fix)


def print_interrupted() -> None:
    """Print, after Ctrl-C, that no file is half-written."""
    stderr_console().print(Text("interrupted; no file is half-written"), soft_wrap=True)


def _three_lines(kind: str, what: str, where: str, fix: str) -> None:
    console = stderr_console()
    lines = ((f"{kind}: ", "bold red", what), ("  where: ", "bold", where), ("  fix:   ", "bold", fix))
    for head, style, text in lines:
        console.print(Text.assemble((head, style), _one_line(text)), soft_wrap=True)


def _one_line(text: str) -> str:
    line = visible(" ".join(text.split()))
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ..."


def _debug() -> bool:
    return os.environ.get("EDGEQ_DEBUG", "") not in ("", "0")

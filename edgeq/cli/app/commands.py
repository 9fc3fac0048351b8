"""All commands of `edgeq`, and the messages and exit codes of their failures.

Nothing heavy is imported here, so that --help stays fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from edgeq.cli import calibrate, check, compare, demo, explain, inspect, materialize, prove, quantize, targets
from edgeq.cli.app.help import WithExamples
from edgeq.cli.convert import command as convert
from edgeq.cli.doctor import command as doctor
from edgeq.cli.finetune import command as finetune
from edgeq.cli.formats import command as formats
from edgeq.cli.init import command as init
from edgeq.cli.palettize import command as palettize
from edgeq.cli.printed.result import Failure, JsonResult
from edgeq.cli.report import command as report
from edgeq.cli.screen import print_bug, print_error, print_interrupted, without_library_warnings
from edgeq.errors import BadRecipe, EdgeqError
from edgeq.io.visible import visible

BUG = 1
INTERRUPTED = 130
#: what typer raises for words that it does not understand; its versions keep it in other places
_USAGE: Any = typer.BadParameter.__mro__[1]

#: what typer said of words that it does not understand, in the run that goes on
USAGE: list[str] = []

ABOUT = "A trained float ONNX model in, a proven int8 model for the edge out."
EXAMPLES = """[bold]Example[/bold]: quantize a model with your data, then check what really runs

    edgeq quantize model.onnx --data calib.npz -o model.int8.onnx

    edgeq prove model.int8.onnx --float model.onnx --data calib.npz

Nothing at hand? [bold]edgeq demo[/bold] runs the whole story on a small model that ships with edgeq.

Exit codes: 0 done, 2 bad input, 3 a floor or gate missed, 130 interrupted."""


class Commands(WithExamples, TyperGroup):
    """The group of all commands. Ctrl-C gives exit code 130 with every version of typer.

    What typer says of words that it does not understand repeats them, and shows what they hide.
    """

    def invoke(self, ctx: Any) -> Any:  # typer does not export the type of its parent's context
        try:
            with _visible_words(ctx):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            print_interrupted()
            raise typer.Exit(INTERRUPTED) from None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _visible_words(ctx):
            return super().parse_args(ctx, args)


class OneCommand(WithExamples, TyperCommand):
    """One command, which says how it is used where typer alone would only say what is missing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _visible_words(ctx):
            return super().parse_args(ctx, args)


@contextmanager
def _visible_words(ctx: Any) -> Iterator[None]:
    try:
        yield
    except _USAGE as error:
        error.message = visible(error.message, lines=True)
        error.ctx = error.ctx or ctx  # the usage of the command is printed where it is known
        USAGE.append(visible(error.format_message(), lines=True))
        raise


app = typer.Typer(
    name="edgeq",
    cls=Commands,
    help=ABOUT,
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# in the order in which a new user needs them
for name, command, epilog in (
    ("demo", demo.demo, demo.EXAMPLE),
    ("init", init.init, init.EXAMPLE),
    ("inspect", inspect.inspect, inspect.EXAMPLE),
    ("quantize", quantize.quantize, quantize.EXAMPLE),
    ("palettize", palettize.palettize, palettize.EXAMPLE),
    ("finetune", finetune.finetune, finetune.EXAMPLE),
    ("convert", convert.convert, convert.EXAMPLE),
    ("materialize", materialize.materialize, materialize.EXAMPLE),
    ("calibrate", calibrate.calibrate, calibrate.EXAMPLE),
    ("prove", prove.prove, prove.EXAMPLE),
    ("compare", compare.compare, compare.EXAMPLE),
    ("check", check.check, check.EXAMPLE),
    ("explain", explain.explain, explain.EXAMPLE),
    ("report", report.report, report.EXAMPLE),
    ("targets", targets.targets, targets.EXAMPLE),
    ("formats", formats.formats, formats.EXAMPLE),
    ("doctor", doctor.doctor, doctor.EXAMPLE),
):
    app.command(name, cls=OneCommand, epilog=f"[bold]Example[/bold]\n\n{epilog}")(command)


def _version(wanted: bool) -> None:
    if wanted:
        from edgeq.version import __version__

        typer.echo(f"edgeq {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None, interrupted: Callable[[], bool]) -> int:
    """Run the command line and return the exit code.

    arguments: None stands for sys.argv[1:]. interrupted: whether Ctrl-C was heard; whatever fails
    then fails because of it. Exit codes: as main (edgeq/cli/main.py).
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    result = JsonResult("--json" in given)
    USAGE.clear()
    try:
        _refuse_empty(given)
        with without_library_warnings():
            app(args=given, prog_name="edgeq")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        if code and USAGE:
            result.failed(Failure("usage", USAGE[-1], "command line", "See --help.", code))
        return code
    except BrokenPipeError:
        _drop_stdout()
        return BUG
    except Exception as error:
        if interrupted():
            print_interrupted()
            return INTERRUPTED
        if isinstance(error, EdgeqError):
            print_error(error)
            result.failed(Failure(type(error).__name__, *error.options, error.exit_code))
            return error.exit_code
        print_bug(error)
        result.failed(Failure("bug", f"{type(error).__name__}: {error}", "edgeq", "Report it; EDGEQ_DEBUG=1 prints the traceback.", BUG))
        return BUG
    return 0


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Raise BadRecipe for an empty argument: as a path it would mean the current folder."""
    if "" in arguments:
        place = arguments.index("")
        where = f"behind {arguments[place - 1]}" if place else "the first argument"
        raise BadRecipe("An argument is empty", f"command line, {where}", "Give it a value; a variable of the shell may be unset.")


def _drop_stdout() -> None:
    """Discard buffered output after the reader of the pipe has closed it.

    Otherwise Python would raise again when it flushes stdout at exit.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

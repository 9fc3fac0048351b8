"""Output files of a command: checked before the work, written atomically, shown and judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import BadOutput, FloorMissed

if TYPE_CHECKING:
    from edgeq.cli.asked import Asked
    from edgeq.cli.beside import Written
    from edgeq.report.quantized import Quantized
    from edgeq.report.report import Report


@dataclass(frozen=True)
class Files:
    """The files that a run of quantize writes."""

    #: the int8 model
    model: Path
    #: its plan; None: not requested
    plan: Path | None
    #: the report; None: not requested
    report: Path | None
    #: path and content of further files
    beside: Written = ()


def plan_path(model: Path) -> Path:
    """The path of an int8 model's plan: model.int8.onnx -> model.int8.plan.json."""
    return model.with_suffix(".plan.json")


def check_outputs(outputs: Iterable[Path | None], *, force: bool, inputs: Iterable[Path | None]) -> None:
    """Refuse output paths that cannot be written or would overwrite an input.

    Called before the work, which may take minutes. None stands for a file that is not requested or
    not given. Raises BadOutput.
    """
    from edgeq.io.save import check_output

    wanted = [path for path in outputs if path is not None]
    sources = [path for path in inputs if path is not None]
    for place, path in enumerate(wanted):
        if path.resolve() in [earlier.resolve() for earlier in wanted[:place]]:
            raise BadOutput("Two outputs have the same path.", str(path), "Give each output its own path.")
        check_output(path, force=force, inputs=sources)


def check_folder(folder: Path, outputs: Iterable[Path], *, force: bool, inputs: Iterable[Path | None]) -> None:
    """As check_outputs, for outputs in a folder that may not exist yet. Raises BadOutput."""
    if folder.exists() and not folder.is_dir():
        raise BadOutput("The output folder is a file.", str(folder), "Choose another folder.")
    if folder.exists():
        check_outputs(outputs, force=force, inputs=inputs)


def make_folder(folder: Path) -> None:
    """Create the folder and its parents. Raises BadOutput."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"The output folder cannot be made: {error.strerror}.", str(folder), "Choose another folder.") from None


def check_report(path: Path | None) -> None:
    """Refuse a report that cannot be written.

    Raises BadOutput for an extension that names no form of report, and MissingExtra when the form
    needs a package that is not installed.
    """
    if path is None:
        return
    from edgeq.report.report import report_format

    if report_format(path) == "html":
        from edgeq.report.html import require_jinja

        require_jinja()


def write_report(report: Report, path: Path, model: Path, *, force: bool) -> None:
    """Write the report in the form that its extension names.

    model: the path of the int8 model, from which the code in an HTML report loads it.
    """
    from edgeq.io.save import atomic_write_text
    from edgeq.report.report import report_format

    if report_format(path) == "json":
        text = report.to_json()
    else:
        from edgeq.report.html import to_html

        text = to_html(report, str(model))
    atomic_write_text(path, text, force=force)


def write(asked: Asked, made: Quantized, files: Files) -> None:
    """Write the files; with --strict and a missed floor, only the report."""
    from edgeq.io.save import atomic_write_bytes, atomic_write_text

    if not (made.report.gate == "failed" and asked.strict):
        made.check_form(files.model)
        # the plan comes first, so that a model never exists without its plan
        if files.plan is not None:
            atomic_write_text(files.plan, made.plan.to_json(), force=asked.force)
        made.save(files.model, force=asked.force)
        for path, content in files.beside:
            atomic_write_bytes(path, content, force=asked.force)
    if files.report is not None:
        write_report(made.report, files.report, files.model, force=asked.force)


def finish(asked: Asked, made: Quantized, files: Files) -> None:
    """Write the files, show the report, and raise FloorMissed when a floor is missed.

    With --strict only the report is written when a floor is missed.
    """
    from edgeq.report.text import report_text

    write(asked, made, files)
    asked.screen.show(made.report, lambda: report_text(made.report, str(files.model)))
    if made.report.gate == "failed":
        wrote = f"{files.model} was not written" if asked.strict else f"{files.model}, marked gate: failed"
        fix = "Try --effort best, which searches; or find weak layers with edgeq compare --layers and keep them float; or lower the floor."
        raise FloorMissed("; ".join(made.report.missed) + ".", wrote, fix)

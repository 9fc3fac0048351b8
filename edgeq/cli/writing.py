"""Output files of a command: written as one set; then the report is shown, and floors decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.cli.outputs import stale_lines
from edgeq.errors import FloorMissed

if TYPE_CHECKING:
    from edgeq.cli.asked import Asked
    from edgeq.cli.beside import Written
    from edgeq.io.file_set import FileSet
    from edgeq.report.float_report import FloatReport
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
    #: sha256 of the model's file -> path and content of further files
    beside: Callable[[str], Written] = lambda _: ()


def add_report(files: FileSet, report: Report | FloatReport, path: Path, model: Path) -> None:
    """Add the report to a set of files, in the form that its extension names.

    model: the path of the int8 model, from which the code in an HTML report loads it.
    """
    files.add_text(path, _text_of(report, path, model))


def _text_of(report: Report | FloatReport, path: Path, model: Path) -> str:
    """The report in the form that the extension of its path names."""
    from edgeq.report.report import report_format

    if report_format(path) == "json":
        from edgeq.io.strict_json import to_document

        return to_document(report)
    from edgeq.report.page.write import to_html

    return to_html(report, str(model))


def write(asked: Asked, made: Quantized, files: Files) -> tuple[Path, ...]:
    """Write the files, all or none; with --strict and a missed floor, only the report.

    Returns the paths that were written, the model last.
    """
    from edgeq.io.file_set import FileSet
    from edgeq.io.marks import mark_of

    report = made.report
    with FileSet(force=asked.force, inputs=made.inputs) as written:
        if not (report.gate == "failed" and asked.strict):
            digest = made.add_to(written, files.model)
            report = replace(report, mark=mark_of(digest))
            if files.plan is not None:
                written.add_text(files.plan, made.plan.with_mark(mark_of(digest)).to_json())
            for path, content in files.beside(digest):
                written.add(path, content)
        if files.report is not None:
            add_report(written, report, files.report, files.model)
        return written.commit()


def finish(asked: Asked, made: Quantized, files: Files, others: tuple[Path, ...] = ()) -> None:
    """Write the files, show the report, and raise FloorMissed when a floor is missed.

    others: files that the command has written before.
    With --strict only the report is written when a floor is missed.
    """
    from edgeq.proof.unproven import proving_command, unproven_line
    from edgeq.report.text import report_text

    wrote = write(asked, made, files)
    asked.screen.show(made.report, lambda: report_text(made.report, str(files.model)))
    asked.screen.wrote((*wrote, *others))
    if made.report.unproven is not None and asked.prove:
        target = asked.load_target()
        command = proving_command(target, asked.target, files.model, asked.data)
        asked.screen.note(unproven_line(made.report.unproven, target, command))
    for one in made.report.findings if asked.screen.as_json else ():  # the text has them
        asked.screen.warn(one.text)
    for line in stale_lines(files.model):
        asked.screen.warn(line)
    if made.report.gate == "failed":
        where = f"{files.model} was not written" if asked.strict else f"{files.model}, marked gate: failed"
        fix = "Try --effort best, which searches; or find weak layers with edgeq compare --layers and keep them float; or lower the floor."
        raise FloorMissed("; ".join(made.report.missed) + ".", where, fix)

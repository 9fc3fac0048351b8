"""Output files of a command: written atomically; then the report is shown, and floors decide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.errors import FloorMissed

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


def written_files(*paths: Path | None) -> tuple[Path, ...]:
    """The files that were written, and the external data of each .onnx file among them.

    None stands for a file that was not requested.
    """
    from edgeq.io.external_data import external_files

    wrote = [path for path in paths if path is not None]
    return tuple(one for path in wrote for one in ((path, *external_files(path)) if path.suffix == ".onnx" else (path,)))


def write(asked: Asked, made: Quantized, files: Files) -> tuple[Path, ...]:
    """Write the files; with --strict and a missed floor, only the report. Returns their paths."""
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
    if made.report.gate == "failed" and asked.strict:
        return written_files(files.report)
    return written_files(files.model, files.plan, *(path for path, _ in files.beside), files.report)


def finish(asked: Asked, made: Quantized, files: Files, others: tuple[Path, ...] = ()) -> None:
    """Write the files, show the report, and raise FloorMissed when a floor is missed.

    others: files that the command has written before.
    With --strict only the report is written when a floor is missed.
    """
    from edgeq.report.text import report_text

    wrote = write(asked, made, files)
    asked.screen.show(made.report, lambda: report_text(made.report, str(files.model)))
    asked.screen.wrote((*wrote, *others))
    for one in made.report.findings:
        asked.screen.warn(one.text)
    if made.report.gate == "failed":
        where = f"{files.model} was not written" if asked.strict else f"{files.model}, marked gate: failed"
        fix = "Try --effort best, which searches; or find weak layers with edgeq compare --layers and keep them float; or lower the floor."
        raise FloorMissed("; ".join(made.report.missed) + ".", where, fix)

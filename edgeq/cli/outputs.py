"""Where the results of a command go: refused before the work when a path would fail or do harm,
written whole, shown, and judged.
"""

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
    """What a run of quantize writes."""

    #: the int8 model
    model: Path
    #: its plan; None: not wanted
    plan: Path | None
    #: the report; None: not wanted
    report: Path | None
    #: further files and their content
    beside: Written = ()


def plan_path(model: Path) -> Path:
    """Where the plan of an int8 model lies: model.int8.onnx -> model.int8.plan.json."""
    return model.with_suffix(".plan.json")


def check_outputs(outputs: Iterable[Path | None], *, force: bool, inputs: Iterable[Path | None]) -> None:
    """Refuse output paths that would fail or do harm, before minutes of work and not after. None:
    not wanted, or not given. Raises BadOutput.
    """
    from edgeq.io.save import check_output

    wanted = [path for path in outputs if path is not None]
    sources = [path for path in inputs if path is not None]
    for place, path in enumerate(wanted):
        if path.resolve() in [earlier.resolve() for earlier in wanted[:place]]:
            raise BadOutput("Two outputs have the same path.", str(path), "Give each output its own path.")
        check_output(path, force=force, inputs=sources)


def check_folder(folder: Path, outputs: Iterable[Path], *, force: bool, inputs: Iterable[Path | None]) -> None:
    """What check_outputs does, for outputs in a folder that may not exist yet. Raises BadOutput."""
    if folder.exists() and not folder.is_dir():
        raise BadOutput("The output folder is a file.", str(folder), "Choose another folder.")
    if folder.exists():
        check_outputs(outputs, force=force, inputs=inputs)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it. Raises BadOutput."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"The output folder cannot be made: {error.strerror}.", str(folder), "Choose another folder.") from None


def check_report(path: Path | None) -> None:
    """Refuse a report path whose extension names no form, or one that needs a package which is not
    installed. Raises BadOutput, MissingExtra.
    """
    if path is None:
        return
    from edgeq.report.report import report_format

    if report_format(path) == "html":
        from edgeq.report.html import require_jinja

        require_jinja()


def write_report(report: Report, path: Path, model: Path, *, force: bool) -> None:
    """Write the report in the form that its extension names. model: where the int8 model lies; the
    report's code loads it from there.
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
    """Write what was made; with --strict, where a floor is missed, nothing but the report."""
    from edgeq.io.save import atomic_write_bytes, atomic_write_text

    if not (made.report.gate == "failed" and asked.strict):
        made.check_form(files.model)
        # the plan first: a model that is there has its plan beside it
        if files.plan is not None:
            atomic_write_text(files.plan, made.plan.to_json(), force=asked.force)
        made.save(files.model, force=asked.force)
        for path, content in files.beside:
            atomic_write_bytes(path, content, force=asked.force)
    if files.report is not None:
        write_report(made.report, files.report, files.model, force=asked.force)


def finish(asked: Asked, made: Quantized, files: Files) -> None:
    """Write, show and judge what was made. Raises FloorMissed after that; with --strict nothing but
    the report is written then.
    """
    from edgeq.report.text import report_text

    write(asked, made, files)
    asked.screen.show(made.report, lambda: report_text(made.report, str(files.model)))
    if made.report.gate == "failed":
        wrote = f"{files.model} was not written" if asked.strict else f"{files.model}, marked gate: failed"
        fix = "Try --effort best, which searches; or find weak layers with edgeq compare --layers and keep them float; or lower the floor."
        raise FloorMissed("; ".join(made.report.missed) + ".", wrote, fix)

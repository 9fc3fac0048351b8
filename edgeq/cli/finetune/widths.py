"""`edgeq finetune --bits 8,4,2`: one int8 model per width, trained where it misses a floor."""

from __future__ import annotations

from pathlib import Path

from edgeq.cli.finetune.job import Job
from edgeq.cli.finetune.widths_table import report_of, row_of, widths_text
from edgeq.cli.writing import write
from edgeq.errors import FloorMissed
from edgeq.few_bits.integer_widths import fine_tune_widths
from edgeq.few_bits.widths import WidthsTask

FIX = "Train longer, or with --labels, another --lr or a finer --granularity; or lower the floor."


def run_widths(job: Job) -> None:
    """Write each width as soon as it is done, then show all of them.

    Raises FloorMissed at the end when a width misses a floor; with --strict, such widths are not
    written.
    """
    asked, rows, missed, first, wrote = job.asked, [], [], None, list[Path]()
    loaded, target = asked.load_model(job.model), asked.load_target()
    with asked.screen.progress() as progress:
        task = WidthsTask(
            loaded, job.data, asked.recipe, asked.shapes, asked.validation, job.state_of, asked.doubts, asked.metric,
            detail=asked.report is not None,
        )  # fmt: skip
        for width in fine_tune_widths(task, job.widths, target, progress, ready=lambda made: made.check_form(job.out)):
            files, made = job.files(width.bits), width.made
            first = first or made.report
            wrote += write(asked, made, files)
            job.forget(width.bits)
            written = not (asked.strict and made.report.gate == "failed")
            rows.append(row_of(width, str(files.model) if written else None, str(files.plan) if written and files.plan else None))
            missed += [f"{width.bits} bits: {line}" for line in made.report.missed]
    assert first is not None  # there are at least two widths
    told = report_of(first, tuple(rows))
    asked.screen.show(told, lambda: widths_text(told))
    asked.screen.wrote(wrote)
    if missed:
        where = "those widths were not written" if asked.strict else "their files are written, marked gate: failed"
        raise FloorMissed("; ".join(missed) + ".", where, FIX)

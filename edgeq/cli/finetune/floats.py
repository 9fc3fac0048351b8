"""`edgeq finetune --compute float --bits 8,4,2`: one float model with codebooks per width."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from edgeq.cli.finetune.job import Job
from edgeq.cli.finetune.widths import FIX
from edgeq.cli.finetune.widths_table import MIB, Figures, Row, WidthsReport, widths_text
from edgeq.errors import FloorMissed
from edgeq.few_bits.float_widths import FloatMade, fine_tune_float_widths
from edgeq.few_bits.widths import Width, WidthsTask
from edgeq.io.save import save_model


def run_floats(job: Job) -> None:
    """Write each width as soon as it is done, then show all of them.

    Raises FloorMissed at the end when a width misses a floor; with --strict, such widths are not
    written.
    """
    asked = job.asked
    loaded = asked.load_model(job.model)
    found, wrote = list[Width[FloatMade]](), list[Path]()
    with asked.screen.progress() as progress:
        task = WidthsTask(loaded, job.data, asked.recipe, asked.shapes, asked.validation, job.state_of, asked.doubts, asked.metric)
        for width in fine_tune_float_widths(task, job.widths, progress):
            model = job.files(width.bits).model
            if not (asked.strict and width.made.missed):
                wrote += save_model(width.made.model, model, force=asked.force, inputs=[job.model])
            job.forget(width.bits)
            found.append(width)
    told = _told(job, loaded.size, found)
    asked.screen.show(told, lambda: widths_text(told))
    asked.screen.wrote(wrote)
    missed = [f"{width.bits} bits: {line}" for width in found for line in width.made.missed]
    if missed:
        where = "those widths were not written" if asked.strict else "their files are written all the same"
        raise FloorMissed("; ".join(missed) + ".", where, FIX)


def _told(job: Job, float_bytes: int, found: list[Width[FloatMade]]) -> WidthsReport:
    first = found[0].before.found
    one = first.accuracy
    metric, of_float, share = (None, None, True) if one is None else (one.metric, one.float, one.share)
    rows = tuple(_row(job, width) for width in found)
    return WidthsReport(str(job.model), float_bytes, of_float, metric, share, first.samples, job.asked.recipe.floors.max_drop, rows)


def _row(job: Job, width: Width[FloatMade]) -> Row:
    kept: Literal["before", "after"] = "before" if width.made is width.before else "after"
    model = None if job.asked.strict and width.made.missed else str(job.files(width.bits).model)
    after = None if width.after is None else _figures(width.after)
    return Row(width.bits, width.made.size, width.made.size / MIB, _figures(width.before), after, kept, model, None)


def _figures(made: FloatMade) -> Figures:
    found, accuracy = made.found, made.found.accuracy
    return Figures(None if accuracy is None else accuracy.int8, found.weakest.sqnr_db, found.top1_agreement, made.missed)

"""`edgeq finetune --bits 8,4,2`: trains what needs it, one model a width, and writes each as soon
as it is done.
"""

from __future__ import annotations

from edgeq.cli.finetune.run import Job
from edgeq.cli.palettize.widths_table import report_of, row_of, widths_text
from edgeq.cli.quantize import write
from edgeq.cli.screen import Screen
from edgeq.errors import FloorMissed
from edgeq.io.load import load_model
from edgeq.learn.door import Checkpoint
from edgeq.palettize.widths import fine_tune_widths
from edgeq.schema.target import load_target

MEND = "Train longer, or with --labels, another --lr or a finer --granularity; or lower the floor."


def run_widths(job: Job, widths: tuple[int, ...], screen: Screen) -> None:
    """Raises FloorMissed after all is written and shown; with strict, widths that miss a floor are
    not written.
    """
    rows, missed, first = [], [], None
    loaded, target = load_model(job.model, max_bytes=job.max_bytes), load_target(job.target, float_io=job.float_io)
    with screen.progress() as progress:
        for width in fine_tune_widths(
            loaded, job.data, widths, target=target, recipe=job.recipe, shapes=job.shapes, validation=job.validation,
            checkpoint=lambda bits: Checkpoint(job.checkpoint(bits)),
            ready=lambda made: made.check_form(job.out), progress=progress,
        ):  # fmt: skip
            files, made = job.files(width.bits), width.made
            first = first or made.report
            write(made, files, force=job.force, strict=job.strict)
            job.forget(width.bits)
            written = not (job.strict and made.report.gate == "failed")
            rows.append(row_of(width, str(files.model) if written else None, str(files.plan) if written and files.plan else None))
            missed += [f"{width.bits} bits: {line}" for line in made.report.missed]
    assert first is not None  # the command line gives two widths at least
    told = report_of(first, tuple(rows))
    screen.show(told, lambda: widths_text(told))
    if missed:
        where = "those widths were not written" if job.strict else "their files are written, marked gate: failed"
        raise FloorMissed("; ".join(missed) + ".", where, MEND)

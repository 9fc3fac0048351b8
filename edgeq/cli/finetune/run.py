"""`edgeq finetune` for one int8 model: quantize, train, write, show and judge it."""

from __future__ import annotations

from edgeq.cli.finetune.job import Job
from edgeq.cli.writing import finish
from edgeq.errors import FloorMissed


def run_one(job: Job) -> None:
    """Quantize and train the model, write the files and show the report.

    Raises MissingExtra without torch, FloorMissed after everything is written and shown, and what
    api.quantize raises.
    """
    from edgeq.proof.written import form_of
    from edgeq.schema.plan import load_plan
    from edgeq.training import finetune

    asked = job.asked
    plan = None if asked.plan is None else load_plan(asked.plan)
    with asked.screen.progress() as progress:
        made = finetune(asked.load_model(job.model), job.data, target=asked.load_target(), recipe=asked.recipe, shapes=asked.shapes,
                        plan=plan, validation=asked.validation, metric=asked.metric, prove=asked.prove, data_doubts=asked.doubts,
                        keep=job.checkpoint(), resume=job.resume, form=form_of(job.out), detail=asked.report is not None,
                        progress=progress)  # fmt: skip
    try:
        finish(asked, made, job.files(), job.kept())
    except FloorMissed:
        job.forget()
        raise
    job.forget()

"""What `edgeq finetune` was asked for, and the run for one model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.cli.palettize.width_files import check_float, checkpoint_path, of_width, refuse_single
from edgeq.cli.quantize import Files, finish
from edgeq.cli.screen import Screen
from edgeq.cli.settings import check_outputs, check_report, plan_path
from edgeq.errors import BadRecipe, FloorMissed

if TYPE_CHECKING:
    from edgeq.schema.recipe import Recipe
    from edgeq.schema.task import Shapes


@dataclass(frozen=True)
class Job:
    """The command line, checked. earlier: a plan to start from. report: where to. plans: whether
    plans are written.
    """

    model: Path
    data: str
    validation: str | None
    recipe: Recipe
    recipe_file: Path | None
    compute: str
    target: str
    float_io: bool
    shapes: Shapes
    max_bytes: int
    earlier: Path | None
    keep: Path | None
    resume: Path | None
    out: Path
    report: Path | None
    plans: bool
    prove: bool
    force: bool
    strict: bool

    def files(self, bits: int | None = None) -> Files:
        """What is written: for a width where there are several (OUT.wB), else for the one model."""
        model = self.out if bits is None else of_width(self.out, bits)
        report = self.report if bits is None or self.report is None else of_width(self.report, bits)
        return Files(model, plan_path(model) if self.plans and self.compute == "int8" else None, report)

    def check(self, widths: tuple[int, ...]) -> None:
        """Refuse what does not go together or cannot be written, before any work. Raises BadRecipe,
        BadOutput, MissingExtra.
        """
        several, trains = self.several(widths), self.recipe.finetune.trains
        if not trains and (self.keep is not None or self.resume is not None):
            what = "There is no training to keep the state of: reconstruction is done in one go."
            raise BadRecipe(what, "--keep or --resume", "Add --epochs or --minutes, or leave them out.")
        if self.compute not in ("int8", "float"):
            raise BadRecipe(f"{self.compute!r} is no way to compute.", "--compute", "Write int8 or float.")
        if self.compute == "float":
            check_float(widths, {"--target": self.target != "cpu", "--float-io": self.float_io, "--report": self.report is not None,
                                 "--reconstruct": self.recipe.finetune.reconstruct != "none"})  # fmt: skip
        if len(widths) > 1:
            refuse_single({"--keep": self.keep is not None, "--resume": self.resume is not None})
        if several:
            refuse_single({"--plan": self.earlier is not None, "--no-prove": not self.prove})
        check_report(self.report)
        inputs = [self.model, Path(self.data), None if self.validation is None else Path(self.validation), self.recipe_file, self.earlier]
        wanted = [self.files(bits) for bits in widths] if several else [self.files()]
        check_outputs([path for one in wanted for path in (one.model, one.plan, one.report)], force=self.force, inputs=inputs)
        kept = [self.checkpoint(bits) for bits in widths] if several else [self.checkpoint()]
        check_outputs(kept if trains else [], force=self.force or kept == [self.resume], inputs=inputs)

    def several(self, widths: tuple[int, ...]) -> bool:
        """Whether every width gets files of its own."""
        return len(widths) > 1 or self.compute == "float"

    def checkpoint(self, bits: int | None = None) -> Path:
        """Where training keeps its state."""
        return self.keep or self.resume or checkpoint_path(self.files(bits).model)

    def forget(self, bits: int | None = None) -> None:
        """Remove a checkpoint that nobody asked for: it was for the case of a break."""
        if self.keep is None and self.resume is None and self.recipe.finetune.trains:
            self.checkpoint(bits).unlink(missing_ok=True)


def run_one(job: Job, screen: Screen) -> None:
    """Quantize, train, write, tell, judge."""
    from edgeq.api import quantize
    from edgeq.io.load import load_model
    from edgeq.learn.door import Checkpoint, require_torch
    from edgeq.schema.plan import load_plan
    from edgeq.schema.target import load_target

    require_torch()
    earlier = None if job.earlier is None else load_plan(job.earlier)
    with screen.progress() as progress:
        loaded, target = load_model(job.model, max_bytes=job.max_bytes), load_target(job.target, float_io=job.float_io)
        made = quantize(loaded, job.data, target=target, recipe=job.recipe, shapes=job.shapes, plan=earlier, validation=job.validation,
                        prove=job.prove, checkpoint=Checkpoint(job.checkpoint(), job.resume), progress=progress)  # fmt: skip
    try:
        finish(screen, made, job.files(), force=job.force, strict=job.strict)
    except FloorMissed:
        job.forget()
        raise
    job.forget()

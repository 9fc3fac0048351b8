"""The job of `edgeq finetune`: its options and the files that it writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.cli.asked import Asked
from edgeq.cli.finetune.width_files import check_float, checkpoint_path, of_width, refuse_single
from edgeq.cli.forms import check_target_of
from edgeq.cli.outputs import SMALLEST, check_report, size_of
from edgeq.cli.settings import Compute
from edgeq.cli.writing import Files
from edgeq.errors import BadRecipe
from edgeq.io.endings import FLOAT, INT8, check_ending, plan_path
from edgeq.io.output_path import check_outputs

if TYPE_CHECKING:
    from edgeq.learn.door import Checkpoint


@dataclass(frozen=True)
class Job:
    """The options of one call, which `check` validates."""

    #: the shared options, with training and codebooks in the recipe
    asked: Asked
    #: the float model
    model: Path
    #: the data: a path, or the name of a shipped set
    data: str
    #: the model to write; with several widths, their names derive from it
    out: Path
    #: bits of the codebooks' indices; empty: no codebooks
    widths: tuple[int, ...]
    #: `float` for a model that stays float, with tables of floats
    compute: Compute
    #: the checkpoint to write; None: one beside the model, which is removed at the end
    keep: Path | None
    #: the checkpoint from which training continues; None: it starts anew
    resume: Path | None

    @property
    def several(self) -> bool:
        """Whether the files of each width carry the width in their names."""
        return len(self.widths) > 1 or self.compute == "float"

    def files(self, bits: int | None = None) -> Files:
        """The files to write: for a width (OUT.wB), or for a single model when bits is None."""
        model, report = self.out, self.asked.report
        if bits is not None:
            model, report = of_width(model, bits), None if report is None else of_width(report, bits)
        return Files(model, plan_path(model) if self.asked.plans and self.compute == "int8" else None, report)

    def checkpoint(self, bits: int | None = None) -> Path:
        """The path of the training's checkpoint."""
        return self.keep or self.resume or checkpoint_path(self.files(bits).model)

    def state_of(self, bits: int) -> Checkpoint:
        """Where the training of one of several widths keeps its state, and continues from."""
        from edgeq.learn.door import Checkpoint

        return Checkpoint(self.checkpoint(bits), self.resume)

    def kept(self) -> tuple[Path, ...]:
        """The checkpoint that stays, as requested, if there is one by now."""
        wanted = self.keep or self.resume
        return () if wanted is None or not wanted.is_file() else (wanted,)

    def forget(self, bits: int | None = None) -> None:
        """Remove a checkpoint that was not requested, but kept in case the run is interrupted."""
        if self.keep is None and self.resume is None and self.asked.recipe.finetune.trains:
            self.checkpoint(bits).unlink(missing_ok=True)

    def check(self) -> None:
        """Refuse conflicting options and files that cannot be written, before any work.

        Raises BadRecipe, BadOutput, BadTarget, MissingExtra.
        """
        check_ending(self.out, FLOAT if self.compute == "float" else INT8)
        if self.compute == "int8":
            check_target_of(self.out, self.asked.load_target())
        kept = {"--keep": self.keep is not None, "--resume": self.resume is not None}
        if any(kept.values()) and not self.asked.recipe.finetune.trains:
            what = "There is no training whose state could be kept: reconstruction runs in one go."
            raise BadRecipe(what, "--keep or --resume", "Add --epochs or --minutes, or leave them out.")
        if self.compute == "float":
            self._check_float()
        if len(self.widths) > 1:
            refuse_single(kept)
        if self.several:
            refuse_single({"--plan": self.asked.plan is not None, "--no-prove": not self.asked.prove})
        self._check_files()

    def _check_float(self) -> None:
        asked = self.asked
        idle = {"--target": asked.target != "cpu", "--float-io": asked.float_io, "--report": asked.report is not None}
        check_float(self.widths, idle | {"--reconstruct": asked.recipe.finetune.reconstruct != "none"})

    def _check_files(self) -> None:
        check_report(self.asked.report)
        widths: tuple[int | None, ...] = self.widths if self.several else (None,)
        wanted = [self.files(bits) for bits in widths]
        data = Path(self.data)
        outputs = [path for one in wanted for path in (one.model, one.plan, one.report)]
        self.asked.check_outputs(outputs, self.model, data, at_least=size_of(self.model) // SMALLEST)
        if self.asked.recipe.finetune.trains:
            kept = [self.checkpoint(bits) for bits in widths]
            # the checkpoint from which training continues may be overwritten
            force = self.asked.force or kept == [self.resume]
            check_outputs(kept, force=force, inputs=[self.model, data, *self.asked.inputs])

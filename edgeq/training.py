"""The public function finetune: quantize, then train the integers against the float model."""

from __future__ import annotations

from pathlib import Path

from edgeq.api import Quantized, quantize
from edgeq.data.doubts import DataDoubts
from edgeq.data.given.gather import Data, Preprocess
from edgeq.io.model_source import ModelSource
from edgeq.learn.door import Checkpoint, require_torch
from edgeq.metrics.chosen import MetricLike
from edgeq.progress import Progress
from edgeq.proof.written import Form
from edgeq.schema.finetune import DEFAULT_MINUTES, FineTuneWish
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe, RecipeLike, recipe_of
from edgeq.schema.target import Target
from edgeq.schema.task import Shapes


def finetune(
    model: ModelSource,
    data: Data,
    *,
    preprocess: Preprocess | None = None,
    target: str | Target = "cpu",
    recipe: RecipeLike | None = None,
    shapes: Shapes | None = None,
    plan: Plan | None = None,
    validation: Data | None = None,
    metric: MetricLike | None = None,
    prove: bool = True,
    data_doubts: DataDoubts = "refuse",
    keep: str | Path | None = None,
    resume: str | Path | None = None,
    form: Form = "onnx",
    detail: bool = False,
    progress: Progress | None = None,
) -> Quantized:
    """Make an int8 model whose integers are trained against the float model, without labels.

    It is quantize with a recipe whose `finetune` says how to train: for 5 minutes where it says
    nothing. keep: file that receives the state after every epoch. resume: such a file, from which
    training continues. The rest: see quantize. Raises MissingExtra without the extra `learn`, and
    what quantize raises.
    """
    require_torch()
    state = Checkpoint(None if keep is None else Path(keep), None if resume is None else Path(resume))
    return quantize(model, data, preprocess=preprocess, target=target, recipe=with_default_training(recipe_of(recipe)), shapes=shapes,
                    plan=plan, validation=validation, metric=metric, prove=prove, data_doubts=data_doubts, checkpoint=state, form=form,
                    detail=detail, progress=progress)  # fmt: skip


def with_default_training(recipe: Recipe) -> Recipe:
    """The recipe; one that trains nothing trains for DEFAULT_MINUTES."""
    if recipe.finetune.wanted:
        return recipe
    return recipe.with_finetune(FineTuneWish.model_validate({**recipe.finetune.model_dump(), "minutes": DEFAULT_MINUTES}))

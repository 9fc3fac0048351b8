"""Codebooks of several widths for models that compute in integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edgeq.api import calibrate, quantize
from edgeq.few_bits.widths import Width, WidthsTask, each_width, floors_of
from edgeq.learn.door import require_torch
from edgeq.progress import Progress
from edgeq.report.quantized import Quantized
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target


def fine_tune_widths(
    task: WidthsTask, widths: Sequence[int], target: Target, progress: Progress, *, ready: Callable[[Quantized], None] | None = None
) -> Iterator[Width[Quantized]]:
    """The integer models of several widths, each as soon as it is done (see each_width).

    Calibration is shared; training starts from a plan that has not seen the samples which judge it.
    The model of a width is that of `quantize` with the same recipe at that width, byte for byte.

    ready: called with what will be trained, before that. Raises what quantize raises, and BadData
    for floors that the data cannot show.
    """
    require_torch()
    floored = task.recipe.with_floors(floors_of(task.recipe.floors, task.validation_set() or task.calibration_set()))
    # as quantize would without training; where other data judges, all samples calibrate
    first = floored.with_finetune(FineTuneWish()).with_hold_out(floored.hold_out and task.validation is None)
    statistics = calibrate(task.loaded, task.data, target=target, recipe=first, shapes=task.shapes,
                           data_doubts=task.data_doubts, progress=progress)  # fmt: skip

    def plain(recipe: Recipe) -> Quantized:
        untrained = recipe.with_finetune(FineTuneWish())
        return quantize(task.loaded, task.data, target=target, recipe=untrained, shapes=task.shapes, statistics=statistics,
                        validation=task.validation, metric=task.metric, data_doubts=task.data_doubts, detail=task.detail,
                        progress=progress)  # fmt: skip

    def trained(recipe: Recipe, bits: int, before: Quantized) -> Quantized:
        if ready is not None:
            ready(before)
        return quantize(task.loaded, task.data, target=target, recipe=recipe, shapes=task.shapes, validation=task.validation,
                        metric=task.metric, data_doubts=task.data_doubts, checkpoint=task.checkpoint_of(bits), detail=task.detail,
                        progress=progress)  # fmt: skip

    yield from each_width(widths, floored, plain, trained)

"""Codebooks of several widths: each applied as it is and measured, then fine-tuned where it misses
what is asked for (Deep Compression).

The flow is that of Han et al., arXiv:1510.00149: k-means first, then training in which the entries
of a table are shared weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgeq.api import calibrate, quantize
from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.errors import BadData
from edgeq.graph.signature import input_specs
from edgeq.io.load import Loaded
from edgeq.learn.door import Checkpoint, require_torch
from edgeq.progress import Progress
from edgeq.prove.task_accuracy import Accuracy
from edgeq.report.quantized import Quantized
from edgeq.rewrite.set_up import DataSource
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.recipe import Floors, Recipe
from edgeq.schema.target import Target
from edgeq.schema.task import Shapes

#: points of top-1 that may be lost where the data is labelled and no floor is given
MAX_DROP = 0.5


@dataclass(frozen=True, eq=False)
class Width:
    """What came of one width. before: without training; after: fine-tuned (None: there was no
    need); made: the one of the two to use.
    """

    bits: int
    before: Quantized
    after: Quantized | None

    @property
    def made(self) -> Quantized:
        """The fine-tuned model, unless it names fewer labels than before training."""
        if self.after is None:
            return self.before
        return self.before if names_fewer(self.after.report.accuracy, self.before.report.accuracy) else self.after


def names_fewer(one: Accuracy | None, other: Accuracy | None) -> bool:
    """Whether a model is known to name fewer labels than another one."""
    return one is not None and other is not None and other.metric == "top1" and one.int8 < other.int8


def floors_of(given: Floors, validation_data: Dataset) -> Floors:
    """The floors that decide whether a width is fine-tuned; none given: MAX_DROP where the data is
    labelled. Raises BadData.
    """
    labelled = validation_data.labels is not None and validation_data.metric == "top1"
    if not labelled and (given.max_drop is not None or given.min_accuracy is not None):
        what = "An accuracy drop cannot be measured: the data has no labels."
        raise BadData(what, validation_data.name, "Give labelled data, or a floor that needs none, such as --min-sqnr.")
    return given.with_max_drop(MAX_DROP) if labelled and not given.wanted else given


def fine_tune_widths(
    loaded: Loaded,
    data: DataSource,
    widths: Sequence[int],
    *,
    target: Target,
    recipe: Recipe,
    shapes: Shapes | None = None,
    validation: DataSource | None = None,
    checkpoint: Callable[[int], Checkpoint] | None = None,
    ready: Callable[[Quantized], None] | None = None,
    progress: Progress,
) -> Iterator[Width]:
    """One width after the other, in the given order, as each is done. Calibration is shared;
    training starts from a plan that has not seen the samples which judge it.

    A width that misses a floor (see floors_of) is trained as recipe.finetune says; without floors
    every one is. checkpoint: of the training of so many bits. ready: called with what will be
    trained, before that. A width's model is that of `quantize` with the same recipe at that width,
    byte for byte. Raises what quantize raises, and BadData for floors that the data cannot show.
    """
    require_torch()
    if validation is None:
        validation_data = open_dataset(data, input_specs(loaded.model), samples=recipe.samples, shapes=shapes)
    else:
        validation_data = open_dataset(validation, input_specs(loaded.model), split="evaluation", shapes=shapes)
    floored = recipe.with_floors(floors_of(recipe.floors, validation_data))
    statistics = calibrate(loaded, data, target=target, recipe=floored, shapes=shapes, progress=progress)
    for bits in widths:
        wanted = floored.with_codebook(floored.codebook.with_bits(bits))
        plain = wanted.with_finetune(FineTuneWish())
        before = quantize(loaded, data, target=target, recipe=plain, shapes=shapes, statistics=statistics, validation=validation,
                          progress=progress)  # fmt: skip
        after = None
        if not floored.floors.wanted or before.report.gate == "failed":
            if ready is not None:
                ready(before)
            after = quantize(loaded, data, target=target, recipe=wanted, shapes=shapes, validation=validation,
                             checkpoint=None if checkpoint is None else checkpoint(bits), progress=progress)  # fmt: skip
        yield Width(bits, before, after)

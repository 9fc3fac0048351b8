"""Codebooks of several widths for models that stay float: each measured, and trained if needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.few_bits.tables import Tune, with_tables
from edgeq.few_bits.tuned_tables import tuned_tables
from edgeq.few_bits.widths import Width, WidthsTask, each_width, floors_of
from edgeq.io.writing.external_form import written_size
from edgeq.learn.door import clustering_of, require_torch
from edgeq.progress import Progress
from edgeq.proof.compare import CompareSettings, Comparison, check_floors, compare_models
from edgeq.proof.task_accuracy import Accuracy
from edgeq.schema.recipe import Recipe


@dataclass(frozen=True, eq=False)
class FloatMade:
    """A float model with codebooks, and how it compares with the plain one."""

    #: the model with codebooks
    model: ir.Model
    #: bytes of its file
    size: int
    #: how it compares with the plain model
    found: Comparison
    #: one line for each floor that was missed
    missed: tuple[str, ...]

    @property
    def accuracy(self) -> Accuracy | None:
        """The task accuracy; None where the data has no labels."""
        return self.found.accuracy


def fine_tune_float_widths(task: WidthsTask, widths: Sequence[int], progress: Progress) -> Iterator[Width[FloatMade]]:
    """The float models of several widths, each as soon as it is done (see each_width).

    Raises BadData for floors that the data cannot show.
    """
    require_torch()
    data = task.roles()
    assert data.division is not None and data.judging is not None
    whole, seen, judging = data.division.whole, data.division.fitted, data.judging
    floored = task.recipe.with_floors(floors_of(task.recipe.floors, judging))
    solver = clustering_of(task.recipe.codebook.solver)

    def made(recipe: Recipe, tune: Tune | None = None) -> FloatMade:
        stored = with_tables(task.loaded, recipe.codebook, seen, progress, seed=recipe.seed, tune=tune, clustering=solver)
        found = compare_models(task.loaded.model, stored.model, judging, CompareSettings(batch=recipe.batch), progress=progress)
        return FloatMade(stored.model, written_size(stored.model), found, check_floors(found, recipe.floors))

    def trained(recipe: Recipe, bits: int, _: FloatMade) -> FloatMade:
        return made(recipe, tuned_tables(task.loaded.hash, whole, recipe, progress, task.checkpoint_of(bits), task.metric))

    yield from each_width(widths, floored, made, trained)

"""What palettize calls to train tables of floats."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.errors import BadRecipe
from edgeq.few_bits.tables import Tune
from edgeq.learn.door import Checkpoint, require_torch
from edgeq.metrics.metric import Metric
from edgeq.numerics.arrays import F32
from edgeq.passes.store.fold_codebooks import Storage
from edgeq.progress import Progress
from edgeq.schema.recipe import Recipe


def tuned_tables(
    model_hash: str, data: Dataset, recipe: Recipe, progress: Progress, checkpoint: Checkpoint, metric: Metric | None = None
) -> Tune:
    """What palettize calls to train tables of floats as the recipe says.

    metric: chooses the epoch; None: the loss of held-out samples does. Raises MissingExtra and
    BadRecipe; when called, what fine_tune_tables raises.
    """
    require_torch()
    if recipe.finetune.reconstruct != "none":
        what = "Tables of floats have no codes to round to: there is nothing to reconstruct."
        raise BadRecipe(what, "--reconstruct", "Leave --reconstruct or --compute float out.")

    def tune(plain: ir.Model, tabled: ir.Model, storage: Mapping[str, Storage], weights: Mapping[str, F32]) -> Mapping[str, F32]:
        from edgeq.learn.training.finetune_tables import Tabled, fine_tune_tables

        start = Tabled(plain, tabled, storage, weights, model_hash)
        return fine_tune_tables(start, data, recipe, progress, metric=metric, keep=checkpoint.keep, resume=checkpoint.resume)

    return tune

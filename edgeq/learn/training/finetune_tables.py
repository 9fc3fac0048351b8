"""Fine-tune a palettized float model: train its tables against the model before palettization."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.learn.simulation.executor import Executor
from edgeq.learn.simulation.float_tables import FloatStudent
from edgeq.learn.training.finetune import trained
from edgeq.metrics.metric import Metric
from edgeq.numerics.arrays import F32
from edgeq.passes.store.fold_codebooks import Storage
from edgeq.progress import Progress
from edgeq.schema.recipe import Recipe


@dataclass(frozen=True)
class Tabled:
    """What training starts from."""

    #: the float model, which is the teacher
    plain: ir.Model
    #: the same model with the weights that its tables represent
    model: ir.Model
    #: "node:input index" -> how the weight is stored
    storage: Mapping[str, Storage]
    #: name of the weight's value -> the original weight
    weights: Mapping[str, F32]
    #: hash of the float model's file
    model_hash: str


def fine_tune_tables(
    start: Tabled,
    data: Dataset,
    recipe: Recipe,
    progress: Progress,
    *,
    metric: Metric | None = None,
    keep: Path | None = None,
    resume: Path | None = None,
) -> dict[str, F32]:
    """The trained weights by value name; empty when no epoch scored better than the start.

    metric, keep, resume: as in fine_tune. Raises what fine_tune raises.
    """
    progress.start("prepare training", None)
    student = FloatStudent(start.model, start.storage, start.weights, refits=recipe.finetune.centroids == "refit")
    began = hashlib.sha256(repr(sorted(start.storage.items())).encode())
    for name, array in sorted(student.learned().items()):
        began.update(name.encode() + array.tobytes())
    hashes = start.model_hash, began.hexdigest()
    state = trained(student, Executor(start.plain), data, recipe, hashes, progress, metric=metric, keep=keep, resume=resume)
    return student.learned() if state.best_epoch else {}

"""The flow of codebook_widths.py for models that stay float: tables of floats, each width measured,
and trained where it misses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.io.load import Loaded
from edgeq.learn.door import Checkpoint, require_torch
from edgeq.palettize.palettize import Tune, palettize
from edgeq.palettize.tuned_tables import tuned_tables
from edgeq.palettize.widths import floors_of, names_fewer
from edgeq.progress import Progress
from edgeq.prove.compare import CompareSettings, Comparison, check_floors, compare_models
from edgeq.rewrite.set_up import DataSource
from edgeq.schema.recipe import Recipe
from edgeq.schema.task import Shapes


@dataclass(frozen=True, eq=False)
class FloatMade:
    """A float model with codebooks. size: bytes of its file; found: against the plain model;
    missed: a line for each floor missed.
    """

    model: ir.Model
    size: int
    found: Comparison
    missed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FloatWidth:
    """What came of one width: see codebook_widths.Width."""

    bits: int
    before: FloatMade
    after: FloatMade | None

    @property
    def made(self) -> FloatMade:
        """The fine-tuned model, unless it names fewer labels than before training."""
        if self.after is None:
            return self.before
        return self.before if names_fewer(self.after.found.accuracy, self.before.found.accuracy) else self.after


def fine_tune_float_widths(
    loaded: Loaded,
    data: DataSource,
    widths: Sequence[int],
    *,
    recipe: Recipe,
    shapes: Shapes | None = None,
    validation: DataSource | None = None,
    checkpoint: Callable[[int], Checkpoint] | None = None,
    progress: Progress,
) -> Iterator[FloatWidth]:
    """One width after the other, as each is done. For the rest see
    codebook_widths.fine_tune_widths.
    """
    require_torch()
    specs = input_specs(loaded.model)
    seen = open_dataset(data, specs, samples=recipe.samples, shapes=shapes)
    validation_data = seen if validation is None else open_dataset(validation, specs, split="evaluation", shapes=shapes)
    floored = recipe.with_floors(floors_of(recipe.floors, validation_data))
    for bits in widths:
        wanted = floored.with_codebook(floored.codebook.with_bits(bits))
        before = _made(loaded, wanted, seen, validation_data, progress, None)
        after = None
        if not floored.floors.wanted or before.missed:
            tune = tuned_tables(loaded.hash, seen, wanted, progress, Checkpoint() if checkpoint is None else checkpoint(bits))
            after = _made(loaded, wanted, seen, validation_data, progress, tune)
        yield FloatWidth(bits, before, after)


def _made(loaded: Loaded, wanted: Recipe, seen: Dataset, validation_data: Dataset, progress: Progress, tune: Tune | None) -> FloatMade:
    made = palettize(loaded, wanted.codebook, seen, progress, seed=wanted.seed, tune=tune)
    found = compare_models(loaded.model, made.model, validation_data, CompareSettings(batch=wanted.batch), progress=progress)
    return FloatMade(made.model, ir.to_proto(made.model).ByteSize(), found, check_floors(found, wanted.floors))

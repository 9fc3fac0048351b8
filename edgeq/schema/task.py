"""The input of planning (Task) and its result (Planned)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from edgeq.numerics.clustering import EXACT, Clustering
from edgeq.numerics.grid import QuantParams
from edgeq.schema.finetune import Training
from edgeq.schema.pixels import PixelMap, pixel_grid
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Task:
    """One model to plan for, with everything that is fixed before data is measured."""

    #: the prepared model
    model: ir.Model
    #: sha256 of the model's file, in hex
    model_hash: str
    target: Target
    recipe: Recipe
    #: shapes of inputs that were frozen
    shapes: Shapes
    #: size of the model's file
    model_bytes: int = 0
    #: inputs that take raw pixels; `model` reads them on `pixel_grids` already
    pixels: Mapping[str, PixelMap] = field(default_factory=dict)
    #: element types of inputs and outputs in the model's file; `model` has float32 for other floats
    declared: Mapping[str, ir.DataType] = field(default_factory=dict)
    #: who finds the first tables of codebooks
    clustering: Clustering = EXACT

    @property
    def settings(self) -> str:
        """sha256 of everything that decides which values are observed."""
        pixels = "".join(f"|{name} {one.model_dump_json()}" for name, one in sorted(self.pixels.items()))
        split = "|split outputs" if self.recipe.split_outputs else ""
        return hashlib.sha256((settings_of(self.target, self.recipe, self.shapes) + pixels + split).encode()).hexdigest()

    @property
    def pixel_grids(self) -> dict[str, QuantParams]:
        """The uint8 grid on which the model reads each of the inputs that take raw pixels."""
        return {name: pixel_grid(one, self.target.activations) for name, one in self.pixels.items()}


@dataclass(frozen=True)
class Step:
    """A step of the decision that changes the numbers."""

    name: str
    #: the plan with the step
    plan: Plan
    #: SQNR of the output that is farthest from float, on the samples that judge, in dB; None: the
    #: step was not measured
    sqnr_db: float | None = None
    #: whether the plan has it: a step that lowers the SQNR is dropped
    kept: bool = True
    #: mean of the SQNRs of all outputs and their parts, dB; None: the step was not judged
    mean_db: float | None = None


@dataclass(frozen=True)
class Planned:
    """The result of planning."""

    plan: Plan
    #: the plan before its biases were corrected, or the plan itself if none was; a correction holds
    #: only for the errors it was made for, and a plan derived from this one has others
    draft: Plan
    #: the steps that were tried, in order
    steps: tuple[Step, ...] = ()
    #: names of the steps that the recipe has and that were left out for want of data, in order
    skipped: tuple[str, ...] = ()
    #: how fine-tuning went; None: nothing was trained
    training: Training | None = None


def settings_of(target: Target, recipe: Recipe, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The target, float nodes and frozen shapes, which decide what is observed, as text to hash."""
    frozen = sorted((name, tuple(dims)) for name, dims in shapes.items())
    tied = f"|{recipe.tie}" if recipe.tie else ""
    wish = recipe.placement.model_dump_json()
    return f"{target.model_dump_json()}|{recipe.keep_float}|{frozen}{tied}|{wish}"

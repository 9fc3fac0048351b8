"""What is planned for, and what comes of planning."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from edgeq.numerics.grid import QuantParams
from edgeq.schema.pixels import PixelMap, pixel_grid
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Task:
    """One model to plan for: what is fixed before anything is measured. model: the prepared one.
    model_hash, model_bytes: of the file.

    pixels: inputs that take raw pixels; `model` reads them on pixel_grids already.
    """

    model: ir.Model
    model_hash: str
    target: Target
    recipe: Recipe
    shapes: Shapes
    model_bytes: int = 0
    pixels: Mapping[str, PixelMap] = field(default_factory=dict)

    @property
    def settings(self) -> str:
        """sha256 of what decides which values are observed."""
        pixels = "".join(f"|{name} {one.model_dump_json()}" for name, one in sorted(self.pixels.items()))
        return hashlib.sha256((settings_of(self.target, self.recipe, self.shapes) + pixels).encode()).hexdigest()

    @property
    def pixel_grids(self) -> dict[str, QuantParams]:
        """The uint8 grid on which the model reads each of them."""
        return {name: pixel_grid(one, self.target.activations) for name, one in self.pixels.items()}


@dataclass(frozen=True)
class Planned:
    """What planning came to."""

    plan: Plan
    #: the same before its biases were corrected: a correction holds only for the errors that it was
    #: made for, and a plan made from this one has others; the plan itself where nothing was
    #: corrected
    draft: Plan
    #: the plans on the way, with the name of the step that each ends
    steps: tuple[tuple[str, Plan], ...] = ()


def settings_of(target: Target, recipe: Recipe, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What decides which values are observed, as text to be hashed: target, float nodes, frozen
    shapes.
    """
    frozen = sorted((name, tuple(dims)) for name, dims in shapes.items())
    return f"{target.model_dump_json()}|{recipe.keep_float}|{frozen}"

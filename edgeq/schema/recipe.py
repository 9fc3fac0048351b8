"""The user's recipe: how to choose ranges, what to keep in float, and which floors to hold.

It is read from one TOML file or given as keyword arguments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from edgeq.engines.wish import EngineWish
from edgeq.errors import BadRecipe
from edgeq.io.strict_toml import Strict, read_toml, validate
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.cost import PlacementWish
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.pixels import Preprocessing
from edgeq.schema.rules import Rule
from edgeq.schema.weight_format import WeightFormats, check_small_weights, with_codebook_format
from edgeq.schema.wide.words import check_words

Objective = Literal["accuracy", "latency", "size"]


class Floors(Strict):
    """Lowest acceptable results; a result below one ends with exit code 3. None: no floor."""

    min_sqnr: float | None = Field(None, description="SQNR of the weakest output or part of one, int8 against float, in dB")
    min_agreement: float | None = Field(None, ge=0, le=1, description="share of samples whose arg-max is that of the float model")
    min_accuracy: float | None = Field(None, ge=0, le=1, description="task accuracy of the int8 model; the data must have labels")
    max_drop: float | None = Field(
        None,
        ge=0,
        le=100,
        description="percentage points of task accuracy lost against float; the data must have labels",
    )

    @property
    def wanted(self) -> bool:
        """Whether any floor is set."""
        return any(floor is not None for floor in self.model_dump().values())

    def with_max_drop(self, points: float) -> Floors:
        """A copy with another limit for the drop in task accuracy, in percentage points."""
        return self._changed({"max_drop": points})


class Recipe(Strict):
    """How to quantize. Every default was chosen by measurement (docs/recipes.md)."""

    rule: Rule = Field("mse", description="how the range of an activation is chosen from its statistics")
    percentile: float = Field(99.99, gt=50, le=100, description="for rule percentile: share of the values kept inside the range, in %")
    ema: float = Field(0.9, ge=0, lt=1, description="for rule ema: r = ema * r + (1 - ema) * r_sample")
    weights: Literal["per_channel", "per_tensor"] = Field("per_channel", description="granularity of weight scales")
    weight_rule: Literal["minmax", "mse"] = Field("mse", description="how a weight's range is chosen")
    rounding: Literal["auto", "apart", "in_sequence"] = Field(
        "auto",
        description="effort default: apart: each layer is rounded using the float model's inputs; in_sequence: layer by layer, using the "
        "inputs that the already quantized layers produce (slower, usually more accurate); auto: apart, before training in_sequence",
    )
    weight_bits: int = Field(8, ge=2, le=8, description="bits of integer codes of weights, kept as int8; 4: INT4 in .tflite (mcu_tflite)")
    activations: tuple[str, ...] = Field((), description="16 bits: int16 (uint16 for qnn_htp) for all, PATTERN=int16 for what nodes make")
    effort: Literal["fast", "default", "best"] = Field(
        "default",
        description="fast: ranges and nearest rounding; default: weights rounded with the data in view; best: then search by measuring",
    )
    objective: Objective = Field(
        "accuracy",
        description="effort best looks for: accuracy: as much in integers as the floors allow; latency: the fastest; size: the smallest",
    )
    minutes: float = Field(5.0, gt=0, description="minutes after which effort best begins no further measurement")
    input_grids: Literal["by_output", "by_rule"] = Field(
        "by_output", description="effort default, inputs of MatMuls between float nodes: chosen by the error of the products, or by `rule`"
    )
    inputs_as: Literal["float", "uint8"] = Field(
        "float", description="uint8: image inputs take raw pixels, and the application's preprocessing is folded into the model"
    )
    preprocessing: Preprocessing = Field(
        default_factory=Preprocessing,
        description="inputs_as uint8 without a set.toml, made-up images: the application's preprocessing of pixels",
    )
    keep_float: tuple[str, ...] = Field((), description="nodes that stay float: name or glob, /regex/, or an operator type")
    split_outputs: bool = Field(False, description="outputs that end in a Concat become its parts, each on its own grid: OUT.0, OUT.1")
    standard_operators: bool = Field(
        False, description="only ONNX's own operators: layers that need others (LSTM on cpu) stay float, with weights stored in 8 bits"
    )
    tie: tuple[str, ...] = Field((), description="OUT=IN: an output that is fed to an input at the next run gets the input's grid")
    opset: int | None = Field(None, ge=13, description="opset of the output; default: the lowest that fits")
    samples: int | None = Field(None, ge=1, description="calibrate with the first N samples; default: all")
    hold_out: bool = Field(
        True,
        description="of 20 samples or more, hold one in five out: nothing is fitted to them, they judge each step and the result; "
        "not where other data judges",
    )
    batch: int = Field(8, ge=1, description="samples per step when models are compared")
    rescue: bool = Field(True, description="effort default: layers whose integers make an output useless (below 10 dB) stay float")
    seed: int = Field(0, ge=0, description="seed of everything random")
    placement: PlacementWish = Field(default_factory=PlacementWish, description="how to choose between integer and float kernels")
    codebook: CodebookWish = Field(default_factory=CodebookWish, description="weights as indices into a small table")
    weight_format: WeightFormats = Field(default_factory=WeightFormats, description="weights in number formats of few bits")
    finetune: FineTuneWish = Field(
        default_factory=FineTuneWish, description="training against the float model, after the closed-form steps"
    )
    engine: EngineWish = Field(default_factory=EngineWish, description="where the work is done; no byte of the result depends on it")
    floors: Floors = Field(default_factory=Floors, description="results below a floor end with exit code 3")

    @model_validator(mode="before")
    @classmethod
    def _codebook_format(cls, raw: object) -> object:
        return with_codebook_format(raw)

    @model_validator(mode="after")
    def _small_in_one_way(self) -> Self:
        check_small_weights(self.codebook.wanted, self.weight_format, self.effort, self.weight_bits)
        return self

    @field_validator("activations")
    @classmethod
    def _known_types(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        check_words(words)
        return words

    @property
    def small_weights(self) -> bool:
        """Whether weights are stored as codebooks or in number formats of few bits."""
        return self.codebook.wanted or self.weight_format.wanted

    @property
    def wide_type(self) -> str | None:
        """The type of activations of 16 bits; None: there are none."""
        return self.activations[0].rpartition("=")[2] if self.activations else None

    @property
    def rounds_in_sequence(self) -> bool:
        """Whether plain codes are rounded using the outputs of the already quantized layers.

        Codebooks always are.
        """
        return self.rounding == "in_sequence" or (self.rounding == "auto" and self.finetune.wanted)

    @property
    def hash(self) -> str:
        """sha256 of the canonical JSON form, without the engine, which changes no result."""
        return hashlib.sha256(self.model_dump_json(exclude={"engine"}).encode()).hexdigest()

    def with_rule(self, rule: Rule) -> Recipe:
        """A copy with another rule for the ranges of activations."""
        return self._changed({"rule": rule})

    def with_minutes(self, minutes: float) -> Recipe:
        """A copy with another time limit for the search."""
        return self._changed({"minutes": minutes})

    def with_hold_out(self, hold_out: bool) -> Recipe:
        """A copy that holds samples out, or does not."""
        return self._changed({"hold_out": hold_out})

    def with_codebook(self, codebook: CodebookWish) -> Recipe:
        """A copy with other codebook settings."""
        return self._changed({"codebook": codebook})

    def with_finetune(self, finetune: FineTuneWish) -> Recipe:
        """A copy with other training settings."""
        return self._changed({"finetune": finetune})

    def with_floors(self, floors: Floors) -> Recipe:
        """A copy with other floors."""
        return self._changed({"floors": floors})


#: a recipe, or its keys
RecipeLike = Recipe | Mapping[str, object]


def recipe_of(given: RecipeLike | None) -> Recipe:
    """The recipe, or the one of these keys; None: the default. Raises BadRecipe.

    >>> recipe_of({"rule": "minmax", "floors": {"min_sqnr": 20}}).floors.min_sqnr
    20.0
    """
    if given is None or isinstance(given, Recipe):
        return given or Recipe()
    return validate(Recipe, given, "recipe", BadRecipe, "recipe")


def load_recipe(path: Path) -> Recipe:
    """Read a recipe file. Raises BadRecipe with file, key and fix."""
    return read_toml(Recipe, path, BadRecipe, "recipe")

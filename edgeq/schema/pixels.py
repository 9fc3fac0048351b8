"""Raw pixels as model input: what the application makes of a pixel before the float model, and the
way back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field, PositiveFloat, ValidationError

from edgeq.io.strict_toml import Strict
from edgeq.numerics.arrays import F64, U8, AnyArray
from edgeq.numerics.grid import QuantParams
from edgeq.schema.target_facts import ActivationFacts

OPTION = "--inputs-as uint8"
#: sizes of a channel axis, where nothing else tells which axis it is
_CHANNELS = (1, 3, 4)
#: a zero pixel this near to a whole number is one: a hundredth of a code changes nothing that 8
#: bits hold
EXACT = 0.01


class Preprocessing(Strict):
    """What the application makes of a raw pixel p before the float model: (p * scale - mean) /
    std.
    """

    scale: PositiveFloat | None = Field(None, description="factor before mean and std; 1/255 brings bytes to 0..1")
    mean: tuple[float, ...] | None = Field(None, min_length=1, description="subtracted: [number], or one a channel")
    std: tuple[PositiveFloat, ...] | None = Field(None, min_length=1, description="divisor: [number], or one a channel")

    @property
    def given(self) -> bool:
        """Whether anything is stated."""
        return not (self.scale is None and self.mean is None and self.std is None)


class PixelMap(Strict):
    """x = scale * (p - zero) of a raw pixel p in 0..255: one number each, or one a channel along
    `axis`, counted from the end.
    """

    scale: tuple[PositiveFloat, ...] = Field(min_length=1)
    zero: tuple[float, ...] = Field(min_length=1)
    axis: int = Field(lt=0)

    @property
    def same(self) -> bool:
        """Whether all channels have one scale and one zero."""
        return len(set(self.scale)) == len(set(self.zero)) == 1

    def along(self, numbers: Sequence[float]) -> F64:
        """Numbers of the channels in a shape that broadcasts over the input."""
        return np.asarray(numbers, np.float64).reshape(-1, *[1] * (-self.axis - 1)) if len(numbers) > 1 else np.asarray(numbers[0])

    def pixels(self, x: AnyArray) -> F64:
        """The pixels, not rounded, that the application made x of."""
        return np.asarray(x.astype(np.float64) / self.along(self.scale) + self.along(self.zero))

    def codes(self, x: AnyArray) -> U8:
        """The nearest raw pixels."""
        return np.clip(np.rint(self.pixels(x)), 0, 255).astype(np.uint8)


def pixel_grid(one: PixelMap, facts: ActivationFacts) -> QuantParams:
    """The uint8 grid r = scale * (p - zero point) nearest to the map among those that the target
    has for its activations.
    """
    scale = np.float32(np.exp(np.mean(np.log(one.scale)))) if len(set(one.scale)) > 1 else np.float32(one.scale[0])
    if facts.power_of_two:
        scale = np.float32(2.0 ** np.rint(np.log2(scale)))
    zero = 128 if facts.symmetric else int(np.clip(np.rint(np.mean(one.zero)), 0, 255))
    return QuantParams("uint8", np.asarray(scale, np.float32), np.asarray(zero, np.int32))


def is_grid(one: PixelMap, grid: QuantParams) -> bool:
    """Whether the grid is the map itself, zero pixels of padding included."""
    return bool(np.all(np.abs(np.asarray(one.scale) / float(grid.scale) - 1) < 1e-6)) and keeps_zero(one, grid)


def keeps_zero(one: PixelMap, grid: QuantParams) -> bool:
    """Whether the pixel that the map makes 0 of is the zero point in every channel."""
    return bool(np.all(np.abs(np.asarray(one.zero) - int(grid.zero_point)) < EXACT))


def as_activation(grid: QuantParams, facts: ActivationFacts) -> QuantParams:
    """The same real numbers in the target's dtype: int8 codes are pixels - 128."""
    if facts.dtype == "uint8":
        return grid
    return QuantParams("int8", grid.scale, np.asarray(grid.zero_point - 128, np.int32))


def pixel_key(name: str) -> str:
    """The key in ONNX's metadata_props of an input's map."""
    return f"edgeq.pixels.{name}"


def recorded_map(record: str | None) -> PixelMap | None:
    """The map that a model's metadata tell; None where there is none, or none that can be read."""
    try:
        return None if record is None else PixelMap.model_validate_json(record)
    except ValidationError:
        return None

"""Raw pixels as model input: how the application maps pixels to floats, and the inverse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field, PositiveFloat, ValidationError

from edgeq.io.strict_toml import Strict
from edgeq.numerics.arrays import F64, U8, AnyArray
from edgeq.numerics.grid import QuantParams
from edgeq.schema.target_facts import ActivationFacts

OPTION = "--inputs-as uint8"
#: plausible sizes of a channel axis, for inputs whose axis nothing else identifies
CHANNELS = (1, 3, 4)
#: a zero pixel this close to a whole number counts as one: a hundredth of a code has no visible
#: effect at 8 bits
EXACT = 0.01


class Preprocessing(Strict):
    """How the application maps a raw pixel p to a float input: (p * scale - mean) / std."""

    scale: PositiveFloat | None = Field(None, description="factor before mean and std; 1/255 brings bytes to 0..1")
    mean: tuple[float, ...] | None = Field(None, min_length=1, description="subtracted: [number], or one per channel")
    std: tuple[PositiveFloat, ...] | None = Field(None, min_length=1, description="divisor: [number], or one per channel")

    @property
    def given(self) -> bool:
        """Whether any of the three is given."""
        return not (self.scale is None and self.mean is None and self.std is None)


class PixelMap(Strict):
    """The map from a raw pixel p in 0..255 to a float input: x = scale * (p - zero)."""

    #: one number, or one per channel
    scale: tuple[PositiveFloat, ...] = Field(min_length=1)
    #: one number, or one per channel
    zero: tuple[float, ...] = Field(min_length=1)
    #: the channel axis, counted from the end
    axis: int = Field(lt=0)

    @property
    def same(self) -> bool:
        """Whether all channels have the same scale and zero."""
        return len(set(self.scale)) == len(set(self.zero)) == 1

    def along(self, numbers: Sequence[float]) -> F64:
        """Numbers per channel in a shape that broadcasts over the input."""
        return np.asarray(numbers, np.float64).reshape(-1, *[1] * (-self.axis - 1)) if len(numbers) > 1 else np.asarray(numbers[0])

    def pixels(self, x: AnyArray) -> F64:
        """The pixels, not rounded, from which the application computed x."""
        return np.asarray(x.astype(np.float64) / self.along(self.scale) + self.along(self.zero))

    def codes(self, x: AnyArray) -> U8:
        """The nearest raw pixels of x."""
        return np.clip(np.rint(self.pixels(x)), 0, 255).astype(np.uint8)


def pixel_grid(one: PixelMap, facts: ActivationFacts) -> QuantParams:
    """The uint8 grid closest to the map, r = scale * (p - zero point), that the target supports."""
    scale = np.float32(np.exp(np.mean(np.log(one.scale)))) if len(set(one.scale)) > 1 else np.float32(one.scale[0])
    if facts.power_of_two:
        scale = np.float32(2.0 ** np.rint(np.log2(scale)))
    zero = 128 if facts.symmetric else int(np.clip(np.rint(np.mean(one.zero)), 0, 255))
    return QuantParams("uint8", np.asarray(scale, np.float32), np.asarray(zero, np.int32))


def is_grid(one: PixelMap, grid: QuantParams) -> bool:
    """Whether the grid equals the map exactly, including the zero pixels used for padding."""
    return bool(np.all(np.abs(np.asarray(one.scale) / float(grid.scale) - 1) < 1e-6)) and keeps_zero(one, grid)


def keeps_zero(one: PixelMap, grid: QuantParams) -> bool:
    """Whether the pixel that maps to 0 is the grid's zero point in every channel."""
    return bool(np.all(np.abs(np.asarray(one.zero) - int(grid.zero_point)) < EXACT))


def as_activation(grid: QuantParams, facts: ActivationFacts) -> QuantParams:
    """The same real numbers in the target's dtype: int8 codes are pixels - 128."""
    if facts.dtype == "uint8":
        return grid
    return QuantParams("int8", grid.scale, np.asarray(grid.zero_point - 128, np.int32))


def pixel_key(name: str) -> str:
    """The key of an input's map in ONNX's metadata_props."""
    return f"edgeq.pixels.{name}"


def recorded_map(record: str | None) -> PixelMap | None:
    """The map recorded in a model's metadata; None if it is absent or cannot be parsed."""
    try:
        return None if record is None else PixelMap.model_validate_json(record)
    except ValidationError:
        return None

"""Raw pixels as model input: what the application makes of a pixel before the float model, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, ValidationError

from edgeq.data_checks import show_shape
from edgeq.errors import BadRecipe
from edgeq.inputs import InputSpec
from edgeq.quant import QuantParams
from edgeq.set_toml import SetInput
from edgeq.target_facts import Activations
from edgeq.toml_model import Strict

OPTION = "--inputs-as uint8"
#: sizes of a channel axis, where nothing else tells which axis it is
_CHANNELS = (1, 3, 4)
#: a zero pixel this near to a whole number is one: a hundredth of a code changes nothing that 8 bits hold
EXACT = 0.01


class Preprocessing(Strict):
    """What the application makes of a raw pixel p before the float model: (p * scale - mean) / std."""

    scale: PositiveFloat | None = Field(None, description="factor before mean and std; 1/255 brings bytes to 0..1")
    mean: tuple[float, ...] | None = Field(None, min_length=1, description="subtracted: [number], or one a channel")
    std: tuple[PositiveFloat, ...] | None = Field(None, min_length=1, description="divisor: [number], or one a channel")

    @property
    def given(self) -> bool:
        """Whether anything is stated."""
        return not (self.scale is None and self.mean is None and self.std is None)


class PixelMap(Strict):
    """x = scale * (p - zero) of a raw pixel p in 0..255: one number each, or one a channel along `axis`, counted from the end."""

    scale: tuple[PositiveFloat, ...] = Field(min_length=1)
    zero: tuple[float, ...] = Field(min_length=1)
    axis: int = Field(lt=0)

    @property
    def same(self) -> bool:
        """Whether all channels have one scale and one zero."""
        return len(set(self.scale)) == len(set(self.zero)) == 1

    def along(self, numbers: Sequence[float]) -> NDArray[np.float64]:
        """Numbers of the channels in a shape that broadcasts over the input."""
        return np.asarray(numbers, np.float64).reshape(-1, *[1] * (-self.axis - 1)) if len(numbers) > 1 else np.asarray(numbers[0])

    def pixels(self, x: NDArray[np.generic]) -> NDArray[np.float64]:
        """The pixels, not rounded, that the application made x of."""
        return np.asarray(x.astype(np.float64) / self.along(self.scale) + self.along(self.zero))

    def codes(self, x: NDArray[np.generic]) -> NDArray[np.uint8]:
        """The nearest raw pixels."""
        return np.clip(np.rint(self.pixels(x)), 0, 255).astype(np.uint8)


def pixel_maps(inputs: Sequence[InputSpec], how: Mapping[str, SetInput], said: Preprocessing) -> dict[str, PixelMap]:
    """The map of every float input whose preprocessing is known: from the data set (how), or as the recipe says for the only input.

    Raises BadRecipe when nobody states it, both do, or it does not fit the input.
    """
    floats = [spec for spec in inputs if spec.dtype.startswith("float")]
    known = {spec.name: how[spec.name] for spec in floats if spec.name in how}
    if said.given:
        if known:
            raise BadRecipe("Preprocessing is stated twice.", "--scale, --mean, --std", "Leave them out: the data's set.toml says it.")
        if len(floats) != 1:
            names = ", ".join(spec.name for spec in floats) or "none"
            raise BadRecipe(f"It is said for one input, but float inputs are: {names}.", "--scale, --mean, --std", "Say it in a set.toml.")
        known = {floats[0].name: _as_said(floats[0], said)}
    if not known:
        mend = "Give --scale, --mean and --std as your application uses them, (pixel * scale - mean) / std, or data with a set.toml."
        raise BadRecipe("It is not known how pixels become inputs.", OPTION, mend)
    return {spec.name: _map(spec, known[spec.name]) for spec in floats if spec.name in known}


def _as_said(spec: InputSpec, said: Preprocessing) -> SetInput:
    shape = spec.shape or ()
    last = len(shape) > 2 and shape[1] not in _CHANNELS and shape[-1] in _CHANNELS
    mean, std = said.mean or (0.0,), said.std or (1.0,)
    return SetInput(name=spec.name, scale=said.scale or 1.0, mean=mean, std=std, layout="NHWC" if last else "NCHW")


def _map(spec: InputSpec, how: SetInput) -> PixelMap:
    where = f"input {spec.name}: {spec.dtype} {show_shape(spec)}"
    if spec.dtype != "float32" or spec.shape is None or len(spec.shape) < 2:
        raise BadRecipe("Pixels can be folded into inputs of type float32 and known rank.", where, f"Leave {OPTION} out.")
    if how.scale <= 0:
        raise BadRecipe(f"A scale of {how.scale:g} turns pixels round.", where, "State a positive scale.")
    rank = len(spec.shape)
    axis = -1 if how.layout == "NHWC" and rank > 2 else max(-3, 1 - rank)
    size = spec.shape[axis]
    std, mean = np.atleast_1d(np.asarray(how.std, np.float64)), np.atleast_1d(np.asarray(how.mean, np.float64))
    channels = max(std.size, mean.size)
    if not {std.size, mean.size} <= {1, channels} or (isinstance(size, int) and channels not in (1, size)):
        what = f"mean has {mean.size} numbers and std {std.size}, but the input has {size} channels."
        raise BadRecipe(what, where, "Give one number, or one a channel.")
    scale, zero = np.broadcast_to(how.scale / std, channels).tolist(), np.broadcast_to(mean / how.scale, channels).tolist()
    found = PixelMap(scale=tuple(scale), zero=tuple(zero), axis=axis)
    return PixelMap(scale=found.scale[:1], zero=found.zero[:1], axis=axis) if found.same else found


def pixel_grid(one: PixelMap, facts: Activations) -> QuantParams:
    """The uint8 grid r = scale * (p - zero point) nearest to the map among those that the target has for its activations."""
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


def as_activation(grid: QuantParams, facts: Activations) -> QuantParams:
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

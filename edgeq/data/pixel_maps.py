"""The maps from raw pixels to float inputs that a data set or a recipe states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeq.data.checks import show_shape
from edgeq.data.set_toml import SetInput
from edgeq.errors import BadRecipe
from edgeq.graph.signature import InputSpec
from edgeq.schema.pixels import CHANNELS, OPTION, PixelMap, Preprocessing


def pixel_maps(inputs: Sequence[InputSpec], how: Mapping[str, SetInput], said: Preprocessing) -> dict[str, PixelMap]:
    """The map of every float input whose preprocessing is known.

    how: preprocessing by input name, as the data set states it. said: what the recipe states, for
    the only float input. Raises BadRecipe when nobody states it, when both do, and when it does not
    fit the input.
    """
    floats = [spec for spec in inputs if spec.dtype.startswith("float")]
    known = {spec.name: how[spec.name] for spec in floats if spec.name in how}
    if said.given:
        if known:
            raise BadRecipe("Preprocessing is stated twice.", "--scale, --mean, --std", "Leave them out: the data's set.toml states it.")
        if len(floats) != 1:
            names = ", ".join(spec.name for spec in floats) or "none"
            raise BadRecipe(
                f"Preprocessing is stated for one input, but the float inputs are: {names}.",
                "--scale, --mean, --std",
                "State it per input in a set.toml.",
            )
        known = {floats[0].name: as_said(floats[0], said)}
    if not known:
        fix = "Give --scale, --mean and --std as your application uses them, (pixel * scale - mean) / std, or data with a set.toml."
        raise BadRecipe("How pixels become inputs is not known.", OPTION, fix)
    return {spec.name: _map(spec, known[spec.name]) for spec in floats if spec.name in known}


def as_said(spec: InputSpec, said: Preprocessing) -> SetInput:
    """How an image input is made, with the preprocessing that options or a recipe state.

    The channels lie on the axis whose size is one of CHANNELS: axis 1 where several are.
    """
    shape = spec.shape or ()
    last = len(shape) > 2 and shape[1] not in CHANNELS and shape[-1] in CHANNELS
    mean, std = (numbers[0] if len(numbers) == 1 else numbers for numbers in (said.mean or (0.0,), said.std or (1.0,)))
    return SetInput(name=spec.name, scale=said.scale or 1.0, mean=mean, std=std, layout="NHWC" if last else "NCHW")


def _map(spec: InputSpec, how: SetInput) -> PixelMap:
    where = f"input {spec.name}: {spec.dtype} {show_shape(spec)}"
    if spec.dtype != "float32" or spec.shape is None or len(spec.shape) < 2:
        raise BadRecipe("Pixels can be folded into inputs of type float32 and known rank.", where, f"Leave {OPTION} out.")
    if how.scale <= 0:
        raise BadRecipe(f"A scale of {how.scale:g} inverts the pixels.", where, "State a positive scale.")
    rank = len(spec.shape)
    axis = -1 if how.layout == "NHWC" and rank > 2 else max(-3, 1 - rank)
    size = spec.shape[axis]
    std, mean = np.atleast_1d(np.asarray(how.std, np.float64)), np.atleast_1d(np.asarray(how.mean, np.float64))
    channels = max(std.size, mean.size)
    if not {std.size, mean.size} <= {1, channels} or (isinstance(size, int) and channels not in (1, size)):
        what = f"mean has {mean.size} numbers and std {std.size}, but the input has {size} channels."
        raise BadRecipe(what, where, "Give one number, or one per channel.")
    scale, zero = np.broadcast_to(how.scale / std, channels).tolist(), np.broadcast_to(mean / how.scale, channels).tolist()
    found = PixelMap(scale=tuple(scale), zero=tuple(zero), axis=axis)
    return PixelMap(scale=found.scale[:1], zero=found.zero[:1], axis=axis) if found.same else found

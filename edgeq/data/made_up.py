"""Make up inputs from a model's signature, to time the model when there is no data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeq.errors import BadRecipe
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import AnyArray


def made_up_feeds(inputs: Sequence[InputSpec], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, AnyArray]:
    """One feed: normal noise for floats, zeros for all other types; equal in every run.

    Zeros are valid indices everywhere. shapes: for inputs with dynamic dimensions; without an
    entry, a dynamic first dimension is 1. Raises BadRecipe for an unknown input, a size that is not
    given, and a type that holds no numbers.
    """
    unknown = sorted(set(shapes) - {spec.name for spec in inputs})
    if unknown:
        names = ", ".join(spec.name for spec in inputs)
        raise BadRecipe(f"The model has no input {unknown[0]!r}.", "--shape", f"Use one of: {names}.")
    noise = np.random.default_rng(0)
    return {spec.name: _made_up(spec, _shape(spec, shapes), noise) for spec in inputs}


def _shape(spec: InputSpec, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    if spec.name in shapes:
        return shapes[spec.name]
    sizes = [1 if axis == 0 and not isinstance(size, int) else size for axis, size in enumerate(spec.shape or ())]
    if spec.shape is None or not all(isinstance(size, int) for size in sizes):
        fix = f"Give --data, or freeze it with --shape {spec.name}=DIMS."
        raise BadRecipe("An input has sizes that are known only at run time.", f"input {spec.name} {list(spec.shape or ())}", fix)
    return tuple(size for size in sizes if isinstance(size, int))


def _made_up(spec: InputSpec, shape: tuple[int, ...], noise: np.random.Generator) -> AnyArray:
    if spec.dtype.startswith("float"):
        return noise.standard_normal(shape).astype(spec.dtype)
    if spec.dtype in ("str", "object", "string", "unknown"):
        raise BadRecipe(f"No values can be generated for an input of type {spec.dtype}.", f"input {spec.name}", "Give --data.")
    return np.zeros(shape, spec.dtype)

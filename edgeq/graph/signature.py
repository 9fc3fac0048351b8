"""The inputs that a model expects: name, element type and shape of each."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir


@dataclass(frozen=True)
class InputSpec:
    """One input or output of a graph."""

    name: str
    #: numpy name of the element type ("float32", "int64", ...), or "unknown"
    dtype: str
    #: an int is a fixed dimension, a str a named dynamic one, None an unnamed dynamic one; None as
    #: a whole: unknown rank
    shape: tuple[int | str | None, ...] | None


def input_specs(model: ir.Model) -> tuple[InputSpec, ...]:
    """The inputs that a user has to feed, in graph order.

    Inputs with a default value (an initializer) are left out.

    >>> from edgeq.data.shipped import shipped_model
    >>> from edgeq.io.load import load_model
    >>> model = load_model(shipped_model("digits")).model
    >>> input_specs(model)
    (InputSpec(name='image', dtype='float32', shape=('N', 1, 16, 16)),)
    """
    return tuple(_spec(value) for value in model.graph.inputs if value.name not in model.graph.initializers)


def output_specs(model: ir.Model) -> tuple[InputSpec, ...]:
    """The graph outputs, in graph order."""
    return tuple(_spec(value) for value in model.graph.outputs)


def _spec(value: ir.Value) -> InputSpec:
    dtype = "unknown" if value.dtype is None else str(value.dtype.numpy())
    shape = None if value.shape is None else tuple(d if isinstance(d, int) else d.value for d in value.shape)
    return InputSpec(value.name or "", dtype, shape)


def narrower(first: tuple[InputSpec, ...], second: tuple[InputSpec, ...]) -> tuple[InputSpec, ...]:
    """The inputs of `first`, with every dimension fixed that either model fixes.

    Both models accept such inputs.
    """
    others = {spec.name: spec for spec in second}
    return tuple(_narrowed(spec, others.get(spec.name)) for spec in first)


def _narrowed(spec: InputSpec, other: InputSpec | None) -> InputSpec:
    if other is None or spec.shape is None or other.shape is None or len(spec.shape) != len(other.shape):
        return spec
    dims = tuple(
        mine if isinstance(mine, int) or not isinstance(its, int) else its for mine, its in zip(spec.shape, other.shape, strict=True)
    )
    return InputSpec(spec.name, spec.dtype, dims)

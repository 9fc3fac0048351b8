"""Freeze dynamic dimensions of a model's inputs to given sizes."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgeq.errors import BadRecipe
from edgeq.graph.read import graphs


def freeze_shapes(model: ir.Model, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Set the shapes of inputs in place; a named dimension gets its size everywhere.

    shapes: input name -> sizes, all positive, one per dimension of the input. Raises BadRecipe for
    an unknown input and for a shape that does not fit.
    """
    if not shapes:
        return
    inputs = {value.name: value for value in model.graph.inputs}
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        if name not in inputs:
            known = ", ".join(str(other) for other in inputs)
            raise BadRecipe(f"The model has no input {name!r}", f"shape of {name}", f"Its inputs are: {known}.")
        _freeze(inputs[name], shape, sizes)
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is not None:
            value.shape = ir.Shape([_sized(size, sizes) for size in value.shape])
    outer = {id(value) for value in model.graph.outputs}
    for graph in graphs(model):  # inner shapes were inferred for the dynamic model: infer them again
        for node in graph:
            for value in node.outputs:
                if id(value) not in outer:
                    value.shape = None


def _freeze(value: ir.Value, shape: tuple[int, ...], sizes: dict[str, int]) -> None:
    where, fix = f"shape of {value.name}", "Give one positive size for each dimension, and leave fixed ones as they are."
    if any(size <= 0 for size in shape):
        raise BadRecipe(f"Sizes must be positive, got {list(shape)}", where, fix)
    if value.shape is None:
        value.shape = ir.Shape(shape)
        return
    if len(value.shape) != len(shape):
        raise BadRecipe(f"The input has {len(value.shape)} dimensions, {list(shape)} has {len(shape)}", where, fix)
    for old, size in zip(value.shape, shape, strict=True):
        if isinstance(old, int):
            if old != size:
                raise BadRecipe(f"A dimension is fixed to {old} and cannot become {size}", where, fix)
        elif old.value is not None and sizes.setdefault(str(old.value), size) != size:
            raise BadRecipe(f"The dimension {old.value} would be {sizes[str(old.value)]} and {size} at once", where, fix)
    value.shape = ir.Shape(shape)


def _sized(size: int | ir.SymbolicDim, sizes: Mapping[str, int]) -> int | ir.SymbolicDim:
    return size if isinstance(size, int) else sizes.get(str(size.value), size)

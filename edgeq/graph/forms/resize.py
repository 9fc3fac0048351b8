"""Sizes of a Resize, and the pixels that it selects in mode nearest."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.graph.forms.attributes import attribute
from edgeq.graph.read import constant, dim, is_op, rank
from edgeq.numerics.nearest_pixels import nearest_pixels

#: attributes that say which pixels a Resize of mode nearest selects
COORDINATES, ROUNDING = "coordinate_transformation_mode", "nearest_mode"


def selects_alike(node: ir.Node, coordinates: str, rounding: str) -> bool:
    """Whether a Resize of mode nearest selects the same pixels with other attributes, as far as its
    sizes are known.
    """
    own = str(attribute(node, COORDINATES)), str(attribute(node, ROUNDING))
    pairs = _resized(node) if own[0] != "tf_crop_and_resize" else None
    return pairs is not None and all(nearest_pixels(*own, *pair) == nearest_pixels(coordinates, rounding, *pair) for pair in pairs)


def rounds(node: ir.Node) -> bool:
    """Whether a Resize has a scale that is not the ratio of the sizes, as far as they are known.

    ONNX then computes coordinates by the scale, and many runtimes by the ratio.
    """
    scales = _scales(node) or []
    sizes = [dim(node.inputs[0], axis) for axis in range(len(scales))]
    return any(size is not None and not float(size * by).is_integer() for size, by in zip(sizes, scales, strict=True))


def _resized(node: ir.Node) -> tuple[tuple[int, int], ...] | None:
    """The sizes of the axes that a Resize changes, before and after; None where not all are known,
    or where a scale is not their ratio.
    """
    source, made = node.inputs[0], node.outputs[0]
    if not is_op(node, "Resize") or source is None or source.shape is None or made.shape is None or rounds(node):
        return None
    scales = _scales(node)
    ratios = [None] * len(source.shape) if scales is None else scales
    pairs = [(one, other) for one, other, by in zip(source.shape, made.shape, ratios, strict=True) if one != other and by != 1]
    known = tuple((one, other) for one, other in pairs if isinstance(one, int) and isinstance(other, int))
    return known if len(known) == len(pairs) else None


def _scales(node: ir.Node) -> list[float] | None:
    """The constant scale of every axis; None where there are none, or not for every axis."""
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return None if scales is None or scales.size != rank(node.inputs[0]) else [float(by) for by in scales]

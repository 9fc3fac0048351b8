"""Give Resize scales or sizes for every axis, since onnxruntime mishandles its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, replace_constant
from edgeq.graph.read import attribute_ints, constant, dim, is_op, nodes, rank
from edgeq.numerics.arrays import AnyArray

#: positions of the inputs of Resize
_ROI, _SCALES, _SIZES = 1, 2, 3


@dataclass(frozen=True)
class ResizeAllAxes(ir.passes.InPlacePass):
    """Replace the axes of Resize (opset 18) by scales or sizes for every axis.

    onnxruntime does not load a Resize with axes between integer convolutions: where it changes
    their layout, it permutes the scales or sizes as if there were one for every axis.

    Before:  y = Resize <axes = [2, 3]> (x, , , [12, 9])       x: [2, 4, 6, 6]
    After:   y = Resize(x, , , [2, 4, 12, 9])

    Where another axis has an unknown size, the sizes become scales, from which ONNX computes the
    same sizes. A Resize whose scales or sizes a run decides stays as it is.
    """

    only_for: ClassVar[tuple[str, ...]] = ("Resize",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if is_op(node, "Resize") and attribute_ints(node, "axes") is not None]
        changed = [_widen(node, names) for node in found]
        return ir.passes.PassResult(model, modified=any(changed))


def _widen(node: ir.Node, names: Names) -> bool:
    count = rank(node.inputs[0])
    if count is None:
        return False
    axes = [axis % count for axis in attribute_ints(node, "axes") or ()]
    index = _SIZES if _input(node, _SIZES) is not None else _SCALES
    given, roi = constant(_input(node, index)), _whole_roi(node, axes, count)
    if given is None or roi is None:
        return False
    if index == _SCALES:
        whole: AnyArray = np.ones(count, np.float32)
        whole[axes] = given
    else:
        found = _whole_sizes(node, given, axes, count)
        if found is None:
            return False
        whole = found
    for name in ("axes", "keep_aspect_ratio_policy"):
        node.attributes.pop(name, None)
    if roi.size:
        replace_constant(node, _ROI, roi, names)
    else:
        node.replace_input_with(_ROI, None)
    if index == _SIZES and whole.dtype == np.float32:
        index = _SCALES
        node.replace_input_with(_SIZES, None)
        node.resize_inputs(_SIZES)
    replace_constant(node, index, whole, names)
    return True


def _input(node: ir.Node, index: int) -> ir.Value | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    array = constant(value)
    return None if array is not None and array.size == 0 else value  # an empty tensor was the way to leave one out


def _whole_roi(node: ir.Node, axes: list[int], count: int) -> AnyArray | None:
    """The region for every axis, starts before ends; empty: it is not read; None: a run decides."""
    if node.attributes.get_string("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize":
        return np.zeros(0, np.float32)
    given = constant(_input(node, _ROI))
    if given is None:
        return None
    whole = np.repeat(np.array([[0], [1]], given.dtype), count, axis=1)
    whole[:, axes] = given.reshape(2, -1)
    return whole.reshape(-1)


def _whole_sizes(node: ir.Node, sizes: AnyArray, axes: list[int], count: int) -> AnyArray | None:
    """int64 sizes, or float32 scales that stand for them; None: neither is exact."""
    before = [dim(node.inputs[0], axis) for axis in range(count)]
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch" and all(before[axis] is not None for axis in range(count) if axis not in axes):
        whole = np.array([size or 0 for size in before], np.int64)
        whole[axes] = sizes
        return whole
    if any(not before[axis] for axis in axes):
        return None
    old = np.array([before[axis] for axis in axes], np.float32)
    scales = sizes.astype(np.float32) / old
    if policy != "stretch":
        scales[:] = scales.min() if policy == "not_larger" else scales.max()
        sizes = np.floor(old * scales + 0.5)
    # one that is rounded downwards would lose an element where the product is not rounded again
    scales = np.where(np.floor(np.float64(old) * scales) < sizes, np.nextafter(scales, np.float32(np.inf)), scales)
    if (np.floor(np.float64(old) * scales) != sizes).any():
        return None
    whole = np.ones(count, np.float32)
    whole[axes] = scales
    return whole

"""Whether one node of a float graph can run on a target's integer kernel; if not, why not."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from edgeq.graph.operators import UNKNOWN
from edgeq.graph.patterns.softmax_readers import factor_end, far_end_at, far_ends, reaches_softmax
from edgeq.graph.read import (
    ONNX_DOMAINS,
    attribute_float,
    attribute_int,
    attribute_ints,
    constant,
    dim,
    is_op,
    only_consumer,
    operator_of,
    owner,
    rank,
    window_axes,
)
from edgeq.planning.fit.kernel_forms import unmet_form
from edgeq.planning.movement_fit import LARGEST, movement_obstacle
from edgeq.planning.recurrent import dynamic_layer, layer_obstacle
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts

#: why shape arithmetic is left unchanged
NOT_FLOAT = "works on integers or booleans (shapes, indices), nothing to quantize"
#: why a node needs no grid of its own: not an obstacle, but its neighbours see floats
MEASURES = "its integer kernel takes and gives floats, whose grids it measures at every run"


def data_inputs(node: ir.Node, kernel: KernelFacts | None) -> tuple[int, ...]:
    """Indices of the inputs that an integer form of the node reads as quantized tensors.

    Constants are included.
    """
    operator = operator_of(node)
    if operator is not UNKNOWN:
        return tuple(i for i in operator.data_of(len(node.inputs)) if node.inputs[i] is not None)
    # only a user's own target names operators that edgeq does not know
    return (0,) if kernel is None else tuple(i for i, value in enumerate(node.inputs) if value is not None and i != kernel.bias)


def obstacle(node: ir.Node, target: Target) -> str | None:
    """Why the node cannot run in integers on the target, or None if it can.

    The checks mirror what onnxruntime's selectors accept; each is confirmed by reading back what
    ran.
    """
    if node.domain not in ONNX_DOMAINS:
        return f"operator {node.domain}::{node.op_type} is not ONNX's own; {target.name} knows no integer kernel for it"
    kernel, layer = target.kernel_of(node.op_type), dynamic_layer(node, target)
    if layer is not None:
        return layer_obstacle(node, layer) or MEASURES
    if constant(node.outputs[0]) is not None:
        return NOT_FLOAT
    if kernel is None and node.op_type not in target.movement.ops:
        return target.no_kernel(node.op_type)
    if not is_float_work(node, kernel):
        return NOT_FLOAT
    far = [node.inputs[i] for i in data_inputs(node, kernel) if _ungridable(node, i)]
    if far:
        guess = " (a mask?)" if any(value is not None and reaches_softmax(value) for value in far) else ""
        return f"a constant input holds infinities or values too large for any grid{guess}"
    axes = window_axes(node)
    if axes is not None and target.window_axes is not None and axes != target.window_axes:
        return f"{target.name} supports windows of {target.window_axes} spatial axes, and this one has {axes}"
    unmet = unmet_form(node, target.forms_of(node.op_type))
    if unmet is not None:
        return f"{target.name} takes {node.op_type} {unmet.wanted}, and {unmet.found}"
    if kernel is None:
        return movement_obstacle(node, target)
    return _weight_obstacle(node, kernel) or _attribute_obstacle(node)


def hands_out_float(node: ir.Node, kernel: KernelFacts) -> bool:
    """Whether the node's integer kernel can output float instead of a quantized value.

    Where a single node reads the output, onnxruntime may fuse the two in float before it looks for
    integer kernels: measured for Relu and Clip, for Add behind a MatMul of rank 2 and for Sum
    behind a Gemm.
    """
    if kernel.output != "optional":
        return kernel.output == "free"
    reader = only_consumer(node.outputs[0])
    if is_op(node, "MatMul") and rank(node.outputs[0]) in (None, 2) and is_op(reader, "Add"):
        return False
    return not (is_op(reader, "Relu", "Clip") or (is_op(node, "Gemm") and is_op(reader, "Sum")))


def is_float_work(node: ir.Node, kernel: KernelFacts | None) -> bool:
    """Whether all data inputs and the output are float32 and at least one input is not constant.

    The output may also be the indices of what was selected, or what a kernel decides about numbers.
    """
    inputs = [node.inputs[i] for i in data_inputs(node, kernel) if i < len(node.inputs)]
    makes = operator_of(node).makes
    tensors = [*inputs, *(() if makes == "int64" or (kernel is not None and makes == "bool") else node.outputs[:1])]
    if not inputs or any(value is None or value.dtype != ir.DataType.FLOAT for value in tensors):
        return False
    return any(constant(value) is None for value in inputs)


def _ungridable(node: ir.Node, index: int) -> bool:
    """Whether a constant input has NaN, infinities or values beyond LARGEST.

    A mask may have them at the end where all its numbers are alike to the Softmax behind it.
    """
    array = constant(node.inputs[index])
    if array is None or array.dtype != np.float32 or bool(np.all(np.abs(array) <= LARGEST)):
        return False
    ends = far_ends(owner(node))
    end = far_end_at(node, index, ends) or factor_end(node, index, ends)
    low, high = float(array.min()), float(array.max())
    return not end or math.isnan(low) or (high > LARGEST if end < 0 else low < -LARGEST)


def _weight_obstacle(node: ir.Node, kernel: KernelFacts) -> str | None:
    if kernel.weight is None:
        return None
    weight = constant(node.inputs[kernel.weight]) if kernel.weight < len(node.inputs) else None
    if weight is None and not is_op(node, "MatMul", "Gemm"):
        return f"the weight of {node.op_type} is computed at run time; the integer kernel needs a constant"
    if kernel.bias is not None and kernel.bias < len(node.inputs):
        bias = node.inputs[kernel.bias]
        if bias is not None and constant(bias) is None:
            return f"the bias of {node.op_type} is computed at run time; the integer kernel needs a constant"
    return None


def _attribute_obstacle(node: ir.Node) -> str | None:
    if is_op(node, "Gemm"):
        return _gemm_obstacle(node)
    if is_op(node, "AveragePool"):
        return _average_obstacle(node)
    if is_op(node, "Resize"):
        return _interpolation_obstacle(node)
    if is_op(node, "HardSigmoid") and (attribute_float(node, "alpha", 0.2) <= 0 or attribute_float(node, "beta", 0.5) < 0):
        return "HardSigmoid with alpha <= 0 or beta < 0 cannot be an integer Add that saturates"
    return None


def _interpolation_obstacle(node: ir.Node) -> str | None:
    if node.attributes.get_string("mode", "nearest") == "cubic":
        return "the integer Resize interpolates linearly, and this one is cubic: its results leave the range of what it reads"
    where = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if where in ("tf_crop_and_resize", "half_pixel_symmetric"):
        return f"the integer Resize has no {where} coordinates"
    return None


def _average_obstacle(node: ir.Node) -> str | None:
    if any(d != 1 for d in attribute_ints(node, "dilations") or ()):
        return "the integer AveragePool has no dilations"
    if attribute_int(node, "ceil_mode", 0) and attribute_int(node, "count_include_pad", 0):
        return "the integer AveragePool counts positions beyond the padding when ceil_mode and count_include_pad are both set"
    return None


def _gemm_obstacle(node: ir.Node) -> str | None:
    if attribute_float(node, "alpha", 1.0) != 1.0 or attribute_float(node, "beta", 1.0) != 1.0:
        return "Gemm with alpha or beta other than 1 has no integer kernel"
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else None
    if bias is not None and bias.size != 1 and (bias.shape[-1] != bias.size or bias.size != dim(node.outputs[0], 1)):
        return "Gemm whose C is a whole matrix or a column has no integer kernel"
    return None


def channel_axis(node: ir.Node, kernel: KernelFacts) -> int | None:
    """The axis of the per-channel scales in this node's weight; None if only per-tensor works."""
    weight = constant(node.inputs[kernel.weight]) if kernel.weight is not None else None
    if weight is None or kernel.channel_axis is None or (not kernel.grouped_channels and attribute_int(node, "group", 1) > 1):
        return None
    if is_op(node, "Gemm"):
        return 0 if attribute_int(node, "transB", 0) else 1
    if is_op(node, "MatMul"):
        return 1 if weight.ndim == 2 else None
    return kernel.channel_axis % weight.ndim

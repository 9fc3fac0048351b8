"""Check single nodes for what onnx.checker leaves unchecked: Constants, counts and grids."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeq.errors import BadModel
from edgeq.graph.operators import RUNTIME_KERNELS
from edgeq.graph.read import attribute_int, constant, dim, is_op, nodes, operator_of, rank

_FIX = "The model is damaged: quantize the float model again, or export this one again."


def refuse_misfit_constants(model: ir.Model, where: str) -> None:
    """Raise BadModel for a Constant that has no value, or several.

    onnx.checker takes both, and of several values each reader takes another one.
    """
    for node in nodes(model):
        if is_op(node, "Constant") and len(node.attributes) != 1:
            what = f"A Constant has {len(node.attributes)} attributes, where one is its value"
            raise BadModel(what, f"{where}, node {node.name}", "The file is damaged: export or download it again.")


def refuse_misfit_splits(model: ir.Model, where: str) -> None:
    """Raise BadModel for a Split of more outputs than it states: onnx ends the process of one."""
    for node in nodes(model):
        stated = attribute_int(node, "num_outputs", 0) if is_op(node, "Split") else 0
        if 0 < stated < len(node.outputs):
            what = f"A Split states {stated} outputs and has {len(node.outputs)}"
            raise BadModel(what, f"{where}, node {node.name}", "The file is damaged: export or download it again.")


def refuse_misfit_flow(model: ir.Model, where: str) -> None:
    """Raise BadModel for a Loop or If whose count or condition holds no element.

    onnxruntime reads the first one all the same, and the process ends or the count is any number.
    """
    for node in nodes(model):
        told = node.inputs[:2] if is_op(node, "Loop") else node.inputs[:1] if is_op(node, "If") else ()
        for value in told:
            if value is not None and value.shape is not None and 0 in value.shape.dims:
                what = f"A {node.op_type} takes its count or condition from {value.name}, which has no elements"
                raise BadModel(what, f"{where}, node {node.name}", "The file is damaged: export or download it again.")


def refuse_misfit_groups(model: ir.Model, where: str) -> None:
    """Raise BadModel for a Conv of less than one group: onnxruntime ends the process of one.

    onnx.checker takes any number.
    """
    for node in nodes(model):
        groups = attribute_int(node, "group", 1) if operator_of(node).layer else 1
        if groups < 1:
            what = f"A {node.op_type} has {groups} groups, where 1 is the fewest"
            raise BadModel(what, f"{where}, node {node.name}", "The file is damaged: export or download it again.")


def refuse_misfit_grids(model: ir.Model, where: str) -> None:
    """Raise BadModel where a scale, a zero point and the codes do not belong together.

    onnx.checker knows no rule about them, and onnxruntime finds out when the node runs. A scale and
    its zero point have as many numbers; several are laid along an axis that the tensor has, one for
    each of its slices.
    """
    for node in nodes(model):
        place = f"{where}, node {node.name or node.op_type}"
        for codes, scale, zero in _grids(node, place):
            sizes, zeros = _size(scale), _size(zero)
            if sizes is not None and zeros is not None and sizes != zeros:
                raise BadModel(f"A scale of {sizes} numbers has a zero point of {zeros}", place, _FIX)
            if sizes == 0:
                raise BadModel("A scale holds no number", place, _FIX)
            if _converts(node):
                _check_axis(node, codes, scale, place)


def _converts(node: ir.Node) -> bool:
    """Whether it is a QuantizeLinear or a DequantizeLinear, of ONNX's or onnxruntime's domain."""
    return node.op_type in ("QuantizeLinear", "DequantizeLinear")


def _grids(node: ir.Node, place: str) -> Iterator[tuple[ir.Value, ir.Value, ir.Value | None]]:
    """The tensor, the scale and the zero point of each grid that the node reads."""
    if _converts(node):
        yield _needed(node, 0, place), _needed(node, 1, place), _given(node, 2)
        return
    found = RUNTIME_KERNELS.get(node.op_type)
    if found is None:
        return
    kernel, operator = found
    if kernel.scale is None:
        return
    held = [at for at in kernel.inputs if at < len(node.inputs)]
    for index in operator.data_of(len(held)):
        at = held[index]
        yield _needed(node, at, place), _needed(node, at + 1, place), _given(node, at + 2)
    if kernel.makes == "codes" or _given(node, kernel.scale) is not None:
        yield node.outputs[0], _needed(node, kernel.scale, place), _given(node, kernel.scale + 1)


def _given(node: ir.Node, at: int) -> ir.Value | None:
    return node.inputs[at] if at < len(node.inputs) else None


def _needed(node: ir.Node, at: int, place: str) -> ir.Value:
    value = _given(node, at)
    if value is None:
        raise BadModel(f"{node.op_type} lacks its input {at}", place, _FIX)
    return value


def _size(value: ir.Value | None) -> int | None:
    array = constant(value)
    return None if array is None else int(array.size)


def _check_axis(node: ir.Node, codes: ir.Value, scale: ir.Value, place: str) -> None:
    """Of one scale a slice: check that the tensor has the axis, and as many slices."""
    array, axes, axis = constant(scale), rank(codes), attribute_int(node, "axis", 1)
    if array is None or array.ndim != 1 or array.size == 1 or axes is None:
        return
    if not -axes <= axis < axes:
        raise BadModel(f"Scales along axis {axis} of a tensor of {axes} axes", place, _FIX)
    slices = dim(codes, axis)
    if slices not in (None, array.size):
        raise BadModel(f"{array.size} scales along an axis of {slices} slices", place, _FIX)

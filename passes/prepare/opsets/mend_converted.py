"""Forms of opset 12 and older that onnx's converter changes without keeping their meaning."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node, take_over
from edgeq.graph.read import attribute_int, constant, is_op, nodes, owner, rank
from edgeq.numerics.arrays import AnyArray


def flatten_before(model: ir.Model, opset: int) -> None:
    """Say a Hardmax over several axes, which the operator of opset 13 cannot, on a matrix.

    The converter does this for Softmax and LogSoftmax, and for Hardmax it takes the old axis for
    the new one.

    Before: `y = Hardmax<axis=1>(x)` with x of rank 3, in an opset below 13
    After:  `m = Flatten<axis=1>(x)`, `h = Hardmax<axis=1>(m)`, `s = Shape(x)`, `y = Reshape(h, s)`
    """
    if opset >= 13:
        return
    names = Names(model)
    for node in [node for node in nodes(model) if is_op(node, "Hardmax")]:
        x, y, count = node.inputs[0], node.outputs[0], rank(node.inputs[0])
        axis = attribute_int(node, "axis", 1)
        if x is None or count == 2 or axis == -1 or (count is not None and axis == count - 1):
            continue
        name, axes = node.name, {"axis": ir.AttrInt64("axis", axis)}
        flat = add_node(node, "Flatten", [x], name=names.node(f"{name}_Flatten"), output=names.value(f"{y.name}_flat"), attributes=axes)
        shape = add_node(node, "Shape", [x], name=names.node(f"{name}_Shape"), output=names.value(f"{y.name}_shape"))
        first = {"axis": ir.AttrInt64("axis", 1)}
        one = add_node(node, "Hardmax", [flat], name=names.node(f"{name}_Hardmax"), output=names.value(f"{y.name}_one"), attributes=first)
        back = add_node(node, "Reshape", [one, shape], name=names.node(f"{name}_Reshape"), output=names.value(f"{y.name}_back"))
        take_over(y, back)
        owner(node).remove(node, safe=True)
        maker = one.producer()
        assert maker is not None
        node.name, maker.name = None, name


def keep_sampling(model: ir.Model, opset: int) -> None:
    """Let every Resize that the converter made of opset 10 and older sample where it did then.

    Output element i was read at i / scale; from opset 11 on, that is the mode "asymmetric" and not
    the default. Mode "nearest" took the element below, and onnxruntime takes the one above along an
    axis that shrinks.

    Before: `y = Resize<mode="linear">(x, r, s)` as converted from opset 10
    After:  `y = Resize<mode="linear", coordinate_transformation_mode="asymmetric">(x, r, s)`
    """
    if opset > 10:
        return
    names = Names(model)
    for node in [node for node in nodes(model) if is_op(node, "Resize")]:
        node.attributes["coordinate_transformation_mode"] = ir.AttrString("coordinate_transformation_mode", "asymmetric")
        if node.attributes.get_string("mode", "nearest") != "nearest":
            continue
        scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        shrinks = scales is not None and bool(np.any(scales < 1))
        if scales is not None and shrinks and bool(np.any(scales > 1)):
            _shrink_first(node, scales, names)
            shrinks = False
        node.attributes["nearest_mode"] = ir.AttrString("nearest_mode", "ceil" if shrinks else "floor")


def _shrink_first(node: ir.Node, scales: AnyArray, names: Names) -> None:
    """Let another Resize do what makes axes smaller; the node itself is left with the rest."""
    attributes = dict(node.attributes) | {"nearest_mode": ir.AttrString("nearest_mode", "ceil")}
    down = add_constant(owner(node), np.minimum(scales, 1), names.value(f"{node.name}_shrinking"))
    inputs = [node.inputs[0], node.inputs[1], down]
    name, output = names.node(f"{node.name}_shrink"), names.value(f"{node.outputs[0].name}_shrunk")
    node.replace_input_with(0, add_node(node, "Resize", inputs, name=name, output=output, attributes=attributes))
    node.replace_input_with(2, add_constant(owner(node), np.maximum(scales, 1), names.value(f"{node.name}_growing")))

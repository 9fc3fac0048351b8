"""Let a cubic Resize that shrinks see its images one plane a sample, which no layout can change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node, replace_constant
from edgeq.graph.read import attribute_int, constant, dim, is_op, nodes, owner, rank

#: positions of the inputs of Resize
_SCALES, _SIZES = 2, 3


@dataclass(frozen=True)
class ResizePlanes(ir.passes.InPlacePass):
    """Put a cubic Resize that shrinks or crops images between two Reshapes.

    Between integer convolutions onnxruntime keeps images channels last, and moves a Resize into
    that layout. Its cubic kernel refuses it there, when the model is loaded or run, where a scale
    is below 1 and there is no antialias.

    Before:  y = Resize <mode = "cubic"> (x, , [1, 1, 0.5, 0.5])        x: [N, 8, H, W]
    After:   p = Reshape(x, [-1, 1, 0, 0])   r = Resize <mode = "cubic"> (p, , [1, 1, 0.5, 0.5])
             y = Reshape(r, [-1, 8, 0, 0])
    """

    only_for: ClassVar[tuple[str, ...]] = ("Resize",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if is_op(node, "Resize") and _is_refused_channels_last(node)]
        for node in found:
            _on_planes(node, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _is_refused_channels_last(node: ir.Node) -> bool:
    cubic = node.attributes.get_string("mode", "nearest") == "cubic" and not attribute_int(node, "antialias", 0)
    source = node.inputs[0]
    if not cubic or "axes" in node.attributes or rank(source) != 4 or (dim(source, 1) or 1) == 1:
        return False  # of one channel: a Reshape would change nothing, and onnxruntime would remove it
    crops = node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    sizes = constant(node.inputs[_SIZES]) if len(node.inputs) > _SIZES else None
    if sizes is not None:
        before = [dim(source, axis) for axis in range(4)]
        if None in before or sizes[0] != before[0] or sizes[1] != before[1]:
            return False
        return crops or any(new < (old or 0) for new, old in zip(sizes[2:], before[2:], strict=True))
    scales = constant(node.inputs[_SCALES]) if len(node.inputs) > _SCALES else None
    return scales is not None and scales.size == 4 and scales[0] == scales[1] == 1 and (crops or bool((scales < 1).any()))


def _on_planes(node: ir.Node, names: Names) -> None:
    source, made = node.inputs[0], node.outputs[0]
    count, channels = dim(source, 0), dim(source, 1)
    assert source is not None and channels is not None
    graph, planes = owner(node), None if count is None else count * channels
    shape = add_constant(graph, np.array([-1, 1, 0, 0]), names.value(f"{node.name}_planes"))
    flat = add_node(
        node, "Reshape", [source, shape], name=names.node(f"{node.name}_to_planes"), output=names.value(f"{source.name}_planes")
    )
    flat.type, flat.shape = source.type, ir.Shape([planes, 1, dim(source, 2), dim(source, 3)])
    node.replace_input_with(0, flat)
    sizes = constant(node.inputs[_SIZES]) if len(node.inputs) > _SIZES else None
    if sizes is not None:
        replace_constant(node, _SIZES, np.array([planes, 1, *sizes[2:]], np.int64), names)
    shape = add_constant(graph, np.array([-1, channels, 0, 0]), names.value(f"{node.name}_shape"))
    whole = ir.Value(type=made.type, shape=made.shape)
    made.replace_all_uses_with(whole, replace_graph_outputs=True)
    graph.insert_after(node, ir.Node("", "Reshape", [made, shape], outputs=[whole], name=names.node(f"{node.name}_from_planes")))
    whole.name, made.name = made.name, names.value(f"{made.name}_planes")
    made.shape = ir.Shape([planes, 1, dim(made, 2), dim(made, 3)])

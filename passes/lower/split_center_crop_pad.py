"""Write CenterCropPad as the Slice and the Pad that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node, bypass, retire, take_over
from edgeq.graph.read import attribute_ints, constant, dim, is_op, nodes, owner, rank


@dataclass(frozen=True)
class SplitCenterCropPad(ir.passes.InPlacePass):
    """Replace CenterCropPad by a Slice of the axes that shrink and a Pad of those that grow.

    onnxruntime expands it only after it has chosen the layout of integer convolutions: its Pad then
    pads other axes. And targets know Slice and Pad.

    Before:  y = CenterCropPad <axes = [2, 3]> (x, [4, 9])        x: [N, C, 6, 6]
    After:   s = Slice(x, [1], [5], [2])   y = Pad(s, [0, 0, 0, 1, 0, 0, 0, 2])

    Where the shape is constant and the sizes of the axes are known.
    """

    only_for: ClassVar[tuple[str, ...]] = ("CenterCropPad",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, modified = Names(model), False
        for node in [n for n in nodes(model) if is_op(n, "CenterCropPad")]:
            changes = _changes(node)
            if changes is not None:
                _replace(model, node, changes, names)
                modified = True
        return ir.passes.PassResult(model, modified)


def _changes(node: ir.Node) -> dict[int, tuple[int, int]] | None:
    """Axis -> its size before and after; None: a run decides."""
    count, wanted = rank(node.inputs[0]), constant(node.inputs[1])
    if count is None or wanted is None:
        return None
    axes = [axis % count for axis in attribute_ints(node, "axes") or range(count)]
    sizes = [(axis, dim(node.inputs[0], axis), int(size)) for axis, size in zip(axes, wanted, strict=True)]
    return {axis: (old, new) for axis, old, new in sizes if old is not None} if all(old is not None for _, old, _ in sizes) else None


def _replace(model: ir.Model, node: ir.Node, changes: dict[int, tuple[int, int]], names: Names) -> None:
    source, graph = node.inputs[0], owner(node)
    count = rank(source)
    assert source is not None and count is not None

    def stored(word: str, numbers: list[int]) -> ir.Value:
        return add_constant(graph, np.array(numbers, np.int64), names.value(f"{node.name}_{word}"))

    result = source
    cropped = {axis: ((old - new) // 2, new) for axis, (old, new) in changes.items() if new < old}
    if cropped:
        starts, ends = [start for start, _ in cropped.values()], [start + size for start, size in cropped.values()]
        inputs: list[ir.Value | None] = [result, stored("starts", starts), stored("ends", ends), stored("crop_axes", list(cropped))]
        result = add_node(
            node, "Slice", inputs, name=names.node(f"{node.name}_Slice"), output=names.value(f"{node.outputs[0].name}_cropped")
        )
        result.type = source.type
        result.shape = ir.Shape([cropped[axis][1] if axis in cropped else size for axis, size in enumerate(source.shape or ())])
    grown = {axis: new - old for axis, (old, new) in changes.items() if new > old}
    if grown:
        begins = [grown.get(axis, 0) // 2 for axis in range(count)]
        pads = stored("pads", [*begins, *(grown.get(axis, 0) - begin for axis, begin in enumerate(begins))])
        result = add_node(
            node, "Pad", [result, pads], name=names.node(f"{node.name}_Pad"), output=names.value(f"{node.outputs[0].name}_padded")
        )
    if result is source:  # nothing changes its size
        node.resize_inputs(1)
        node.op_type = "Identity"
        node.attributes.clear()
        bypass(model, node, "it changes nothing")
        return
    take_over(node.outputs[0], result)
    retire(model, node, "written as Slice and Pad")

"""Write sums over axes as means, for targets whose integer kernels have only the mean."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import attribute_int, attribute_ints, constant, dim, is_op, nodes, owner, rank


@dataclass(frozen=True)
class SumToMean(ir.passes.InPlacePass):
    """Write a sum over axes of known sizes as the mean times the number of elements.

    Before:  y = ReduceSum(x, [1])                           x: [N, 8]
    After:   m = ReduceMean <axes = [1]> (x)   y = Mul(m, 8)

    The sum of int8 codes needs a wider grid than they have; the mean does not, and the product
    changes only the scale of its codes.
    """

    #: names of nodes that stay unchanged
    keep: Set[str] = frozenset()

    only_for: ClassVar[tuple[str, ...]] = ("ReduceSum",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        opset = model.opset_imports.get("", 0)
        modified = False
        for node in [n for n in nodes(model) if is_op(n, "ReduceSum") and n.name not in self.keep]:
            axes, source = _axes(node), node.inputs[0]
            sizes = None if axes is None else [dim(source, axis) for axis in axes]
            if axes and sizes and None not in sizes and source is not None and source.dtype == ir.DataType.FLOAT:
                _split(node, axes, int(np.prod([size or 1 for size in sizes])), names, opset)
                modified = True
        return ir.passes.PassResult(model, modified)


def _axes(node: ir.Node) -> tuple[int, ...] | None:
    """The axes of the sum, from 0 upwards; None where they are computed or the rank is unknown."""
    count, axes = rank(node.inputs[0]), attribute_ints(node, "axes")
    if count is None:
        return None
    if axes is None and len(node.inputs) > 1 and node.inputs[1] is not None:
        array = constant(node.inputs[1])
        if array is None:
            return None
        axes = tuple(int(axis) for axis in array.reshape(-1))
    if not axes and attribute_int(node, "noop_with_empty_axes", 0):
        return None
    return tuple(axis % count for axis in axes or range(count))


def _split(node: ir.Node, axes: tuple[int, ...], number: int, names: Names, opset: int) -> None:
    graph, made = owner(node), node.outputs[0]
    keep = ir.AttrInt64("keepdims", attribute_int(node, "keepdims", 1))
    inputs: list[ir.Value | None] = [node.inputs[0]]
    attributes = [keep]
    if opset >= 18:
        inputs.append(add_constant(graph, np.array(axes, np.int64), names.value(f"{node.name}_axes")))
    else:
        attributes.append(ir.AttrInt64s("axes", axes))
    mean = ir.Value(name=names.value(f"{node.name}_mean"), shape=made.shape, type=made.type)
    graph.insert_before(node, ir.Node("", "ReduceMean", inputs, attributes, outputs=[mean], name=names.node(f"{node.name}_ReduceMean")))
    node.op_type = "Mul"
    node.attributes.clear()
    node.resize_inputs(2)
    node.replace_input_with(0, mean)
    node.replace_input_with(1, add_constant(graph, np.array(number, np.float32), names.value(f"{node.name}_number")))

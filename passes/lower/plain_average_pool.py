"""Bring AveragePool to the form that integer kernels compute correctly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node
from edgeq.graph.read import attribute_int, attribute_ints, dim, is_op, nodes, owner


@dataclass(frozen=True)
class PlainAveragePool(ir.passes.InPlacePass):
    """Write counted padding as a Pad where ceil_mode is on, and omit dilations of 1.

    onnxruntime replaces every AveragePool between DequantizeLinear and QuantizeLinear by its
    integer kernel. With ceil_mode and count_include_pad that kernel also counts what lies beyond
    the padding, and its schema has no dilations.

    Before:  y = AveragePool <pads = [1, 1, 1, 1], ceil_mode = 1, count_include_pad = 1> (x)
    After:   p = Pad(x, [0, 0, 1, 1, 0, 0, 1, 1])   y = AveragePool <ceil_mode = 1> (p)
    """

    only_for: ClassVar[tuple[str, ...]] = ("AveragePool",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        modified = False
        for node in [n for n in nodes(model) if is_op(n, "AveragePool")]:
            if all(size == 1 for size in attribute_ints(node, "dilations") or (2,)):
                del node.attributes["dilations"]
                modified = True
            if _counts_over_the_edge(node):
                _pad_before(node, names)
                modified = True
        return ir.passes.PassResult(model, modified)


def _counts_over_the_edge(node: ir.Node) -> bool:
    explicit = node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
    known = all(dim(node.inputs[0], axis) is not None for axis in range(2, 2 + len(attribute_ints(node, "kernel_shape") or ())))
    return explicit and known and bool(attribute_int(node, "ceil_mode", 0)) and bool(attribute_int(node, "count_include_pad", 0))


def _pad_before(node: ir.Node, names: Names) -> None:
    begins, ends = _padding(node)
    for name in ("count_include_pad", "pads"):
        node.attributes.pop(name, None)
    if not any((*begins, *ends)):
        return
    stored = add_constant(owner(node), np.array([0, 0, *begins, 0, 0, *ends], np.int64), names.value(f"{node.name}_pads"))
    inputs = [node.inputs[0], stored]
    padded = add_node(node, "Pad", inputs, name=names.node(f"{node.name}_Pad"), output=names.value(f"{node.outputs[0].name}_padded"))
    source, extra = node.inputs[0], (0, 0, *(a + b for a, b in zip(begins, ends, strict=True)))
    assert source is not None and source.shape is not None  # _counts_over_the_edge has read its sizes
    padded.type = source.type
    padded.shape = ir.Shape([size + more if isinstance(size, int) else size for size, more in zip(source.shape, extra, strict=True)])
    node.replace_input_with(0, padded)


def _padding(node: ir.Node) -> tuple[list[int], list[int]]:
    """The number of elements to add before and after each spatial axis."""
    kernel = attribute_ints(node, "kernel_shape") or ()
    strides = attribute_ints(node, "strides") or (1,) * len(kernel)
    pads = attribute_ints(node, "pads") or (0,) * (2 * len(kernel))
    begins, ends = list(pads[: len(kernel)]), list(pads[len(kernel) :])
    for axis, (window, stride) in enumerate(zip(kernel, strides, strict=True)):
        inside = (dim(node.inputs[0], axis + 2) or 0) + begins[axis]
        windows = -(-(inside + ends[axis] - window) // stride) + 1
        if (windows - 1) * stride >= inside:
            # a window that would start in the padding behind the image is left out, so the padding
            # ends where the previous window ends
            ends[axis] = (windows - 2) * stride + window - inside
    return begins, ends

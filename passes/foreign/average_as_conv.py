"""Write an AveragePool whose output has another grid than its input as what has free grids."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.edit import Names
from edgeq.graph.read import attribute_int, attribute_ints, dim, is_op, nodes, rank
from edgeq.numerics.grid import PerTensor, QuantParams
from edgeq.passes.foreign.changes import record
from edgeq.passes.foreign.one_quantizer import quantizers
from edgeq.passes.foreign.own_grids import same_numbers
from edgeq.passes.foreign.pair_movement import input_grids
from edgeq.passes.lower.average_to_global_pool import covers
from edgeq.passes.quantize.qdq import dequantize_constant


@dataclass(frozen=True)
class AverageAsConv(ir.passes.InPlacePass):
    """Sum with weights of code 1 and scale 1 / (elements of the window): the same numbers.

    Before:  y = AveragePool <kernel_shape = [2, 2]> (f)
    After:   w = DequantizeLinear(ones, 1/4)   y = Conv <group = C> (f, w)

    AVERAGE_POOL_2D rounds to the grid of its input, which would lose a finer grid behind it; a
    convolution rounds once, to the output's.

    1. A pool over the whole image becomes a GlobalAveragePool, whose grids are free.
    2. Another one becomes a Conv, if a finer grid follows it and padding, if any, is counted.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, modified = Names(model), False
        for node in [node for node in nodes(model) if is_op(node, "AveragePool")]:
            pair = _grids(node)
            if pair is None or same_numbers(*pair):
                continue
            if covers(node):
                node.op_type = "GlobalAveragePool"
                node.attributes.clear()
            elif pair[1].scale < pair[0].scale and _plain(node):
                _rewrite(model, node, names)
            else:
                continue
            modified = True
        return ir.passes.PassResult(model, modified)


def _grids(node: ir.Node) -> tuple[QuantParams, QuantParams] | None:
    """The grids of input and output; None: one is not known, or has several scales."""
    before, found = input_grids(node), quantizers(node.outputs[0])
    behind = grid_of(found[0]) if len(found) == 1 and len(node.outputs[0].uses()) == 1 else None
    if behind is None or len(before) != 1 or before[0] is None or behind.scale.size != 1 or before[0].scale.size != 1:
        return None
    return before[0], behind


def _plain(node: ir.Node) -> bool:
    """Whether every window has the same number of elements, on two axes of known channels."""
    counted = attribute_int(node, "count_include_pad", 0) or not any(attribute_ints(node, "pads") or ())
    resolved = node.attributes.get_string("auto_pad", "NOTSET") in ("NOTSET", "VALID") and not attribute_int(node, "ceil_mode", 0)
    return bool(counted) and resolved and rank(node.inputs[0]) == 4 and dim(node.inputs[0], 1) not in (None, 0)


def _rewrite(model: ir.Model, node: ir.Node, names: Names) -> None:
    kernel, channels = attribute_ints(node, "kernel_shape") or (), dim(node.inputs[0], 1)
    assert channels is not None  # _plain looked
    scale = np.asarray(1 / math.prod(kernel), np.float32)
    grid = QuantParams("int8", scale, np.asarray(0, np.int32), PerTensor())
    weight = dequantize_constant(node, np.ones((channels, 1, *kernel), np.int8), grid, f"{node.name}_ones", names)
    node.op_type = "Conv"
    node.attributes.pop("count_include_pad", None)
    node.attributes.pop("ceil_mode", None)
    node.attributes["group"] = ir.AttrInt64("group", channels)
    node.resize_inputs(2)
    node.replace_input_with(1, weight)
    record(model, "operator_replaced", node, "an average to a finer grid became a depthwise convolution of ones", 0.0)

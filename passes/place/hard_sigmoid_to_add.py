"""Give a quantized HardSigmoid an integer kernel: an Add whose output grid saturates."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import attribute_float, constant, is_op, nodes, only_consumer, owner
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import LIMITS, QuantParams, grid_for_range, quantize
from edgeq.passes.quantize.qdq import dequantize_constant


@dataclass(frozen=True)
class HardSigmoidToAdd(ir.passes.InPlacePass):
    """Rewrite DequantizeLinear -> HardSigmoid -> QuantizeLinear as a saturating Add.

    Before:  y = HardSigmoid <alpha, beta> (x_dequantized)
             q = QuantizeLinear(y, s, z)
    After:   y = Add(x_dequantized, dequantized constant beta/alpha)
             q = QuantizeLinear(y, s / alpha, z)

    max(0, min(1, alpha x + beta)) = alpha * clip(x + beta/alpha, 0, 1/alpha). The codes q stay the
    same; whoever dequantizes them with s multiplies alpha back in. Only the output grid clips the
    sum, so the range of (s, z) must start at 0 and end at 1 or below.
    """

    #: names of the nodes that are rewritten
    names: Set[str]
    #: integer type of the constant's codes
    dtype: str

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [n for n in nodes(model) if n.name in self.names and is_op(n, "HardSigmoid") and _fits(n)]
        for node in found:
            self._rewrite(node, names)
        return ir.passes.PassResult(model, modified=bool(found))

    def _rewrite(self, node: ir.Node, names: Names) -> None:
        alpha, _ = _slope(node)
        graph, reader = owner(node), next(iter(node.outputs[0].uses())).node
        codes, grid = shift_of(node, self.dtype)
        operand = dequantize_constant(node, codes, grid, f"{node.name}_shift", names)
        scale = constant(reader.inputs[1])
        assert scale is not None
        wider = add_constant(graph, np.asarray(np.asarray(scale, np.float32) / alpha, np.float32), names.value(f"{node.name}_output_scale"))
        reader.replace_input_with(1, wider)
        node.op_type = "Add"
        node.attributes.clear()
        node.resize_inputs(2)
        node.replace_input_with(1, operand)


def shift_of(node: ir.Node, dtype: str) -> tuple[AnyArray, QuantParams]:
    """The constant beta/alpha of a HardSigmoid as codes of this dtype, and its grid."""
    alpha, beta = _slope(node)
    shift = np.array(beta / alpha, np.float32)
    grid = grid_for_range(0.0, float(shift) or 1.0, dtype)
    return quantize(shift, grid), grid


def _fits(node: ir.Node) -> bool:
    source, reader = node.inputs[0], only_consumer(node.outputs[0])
    quantized = source is not None and is_op(source.producer(), "DequantizeLinear")
    alpha, beta = _slope(node)
    return quantized and alpha > 0 and beta >= 0 and reader is not None and is_op(reader, "QuantizeLinear") and _saturates(reader)


def _saturates(reader: ir.Node) -> bool:
    """Whether the range of a QuantizeLinear starts at 0 and ends at 1 or below."""
    scale, zero = (constant(value) for value in reader.inputs[1:3])
    if scale is None or zero is None or scale.size != 1:
        return False
    low, high = LIMITS[str(zero.dtype)]
    return int(zero.item()) == low and (high - low) * float(scale.item()) <= 1 + 1e-5


def _slope(node: ir.Node) -> tuple[float, float]:
    return attribute_float(node, "alpha", 0.2), attribute_float(node, "beta", 0.5)

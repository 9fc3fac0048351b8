"""Give a quantized HardSigmoid an integer kernel: an Add whose output grid saturates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph import attribute_float, constant, is_op, nodes, owner
from edgeq.graph_edit import Names, add_constant
from edgeq.passes.qdq import dequantize_constant
from edgeq.quant import grid_for_range, quantize


@dataclass(frozen=True)
class HardSigmoidToAdd(ir.passes.InPlacePass):
    """Rewrite DequantizeLinear -> HardSigmoid -> QuantizeLinear over [0, 1] as an Add of beta/alpha that saturates at [0, 1/alpha].

    Before:  y = HardSigmoid <alpha, beta> (x_dequantized)            q = QuantizeLinear(y, s, z)
    After:   y = Add(x_dequantized, dequantized constant beta/alpha)  q = QuantizeLinear(y, s / alpha, z)

    max(0, min(1, alpha x + beta)) = alpha * clip(x + beta/alpha, 0, 1/alpha): the reader's own scale s puts alpha back.
    """

    dtype: str

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [n for n in nodes(model) if is_op(n, "HardSigmoid") and self._fits(n)]
        for node in found:
            self._rewrite(node, names)
        return ir.passes.PassResult(model, modified=bool(found))

    def _fits(self, node: ir.Node) -> bool:
        source = node.inputs[0]
        readers = [use.node for use in node.outputs[0].uses()]
        quantized = source is not None and is_op(source.producer(), "DequantizeLinear")
        alpha, beta = _slope(node)
        one = len(readers) == 1 and is_op(readers[0], "QuantizeLinear") and not node.outputs[0].is_graph_output()
        return quantized and one and alpha > 0 and beta >= 0 and constant(readers[0].inputs[1]) is not None

    def _rewrite(self, node: ir.Node, names: Names) -> None:
        alpha, beta = _slope(node)
        graph, reader = owner(node), next(iter(node.outputs[0].uses())).node
        shift = np.array(beta / alpha, np.float32)
        grid = grid_for_range(0.0, float(shift) or 1.0, self.dtype)
        operand = dequantize_constant(node, quantize(shift, grid), grid, f"{node.name}_shift", names)
        scale = constant(reader.inputs[1])
        assert scale is not None
        wider = add_constant(graph, np.asarray(np.asarray(scale, np.float32) / alpha, np.float32), names.value(f"{node.name}_output_scale"))
        reader.replace_input_with(1, wider)
        node.op_type = "Add"
        node.attributes.clear()
        node.resize_inputs(2)
        node.replace_input_with(1, operand)


def _slope(node: ir.Node) -> tuple[float, float]:
    return attribute_float(node, "alpha", 0.2), attribute_float(node, "beta", 0.5)

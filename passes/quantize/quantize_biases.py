"""Store biases as int32 at the scale of the accumulator: input scale * weight scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.find_layer import every_group
from edgeq.graph.read import constant, is_op, nodes
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import F32
from edgeq.numerics.grid import LIMITS, PerChannel, PerTensor, QuantParams
from edgeq.passes.quantize.qdq import dequantize_constant


@dataclass(frozen=True)
class QuantizeBiases(ir.passes.InPlacePass):
    """Quantize the constant bias of every node with a dequantized input and a dequantized weight.

    Before:  y = Conv(x_dequantized, w_dequantized, b)
    After:   b_dequantized = DequantizeLinear <axis = 0> (b_quantized, x_scale * w_scale)
             y = Conv(x_dequantized, w_dequantized, b_dequantized)

    A bias that two layers share gets an int32 copy for each. Formula: Jacob et al.,
    arXiv:1712.05877, equation 11.
    """

    #: operator type -> (index of the weight, index of the bias) among its inputs
    inputs: Mapping[str, tuple[int, int]]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        modified = False
        for node in list(nodes(model)):
            if not is_op(node, *self.inputs):
                continue
            weight_index, bias_index = self.inputs[node.op_type]
            value = node.inputs[bias_index] if bias_index < len(node.inputs) else None
            array = constant(value)
            scale = _accumulator_scale(node, weight_index)
            if value is None or array is None or scale is None:
                continue
            node.replace_input_with(bias_index, _store(node, np.asarray(array, np.float32), scale, str(value.name), names))
            modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def _accumulator_scale(node: ir.Node, weight_index: int) -> F32 | None:
    """x_scale * w_scale as float32, () or [C]; None when one of them is not dequantized.

    The product is rounded to float32, as onnxruntime computes it.
    """
    scales = [_scale_of(node.inputs[index]) for index in (0, weight_index)]
    if scales[0] is None or scales[1] is None:
        return None
    return every_group(node, np.asarray(np.float32(scales[0].reshape(())) * scales[1], np.float32))


def _scale_of(value: ir.Value | None) -> F32 | None:
    found = stored(value)
    scale = None if found is None else constant(found.scale)
    return None if scale is None else np.asarray(scale, np.float32)


def _store(node: ir.Node, bias: F32, scale: F32, stem: str, names: Names) -> ir.Value:
    flat = bias.reshape(-1)
    channels = max(flat.size, scale.size)
    low, high = LIMITS["int32"]
    codes = np.clip(np.rint(np.broadcast_to(flat, channels).astype(np.float64) / scale.astype(np.float64)), low, high).astype(np.int32)
    granularity = PerChannel(0) if scale.ndim else PerTensor()
    zero = np.zeros(scale.shape, np.int32)
    return dequantize_constant(node, codes, QuantParams("int32", scale, zero, granularity), stem, names)

"""Store weights and constant operands as integers behind a DequantizeLinear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, drop_unread_constants
from edgeq.graph.read import constant, nodes, owner
from edgeq.numerics.arrays import Ints
from edgeq.numerics.grid import QuantParams, quantize
from edgeq.passes.quantize.qdq import dequantize_constant
from edgeq.schema.plan_parts.codes import shaped
from edgeq.schema.weights import weight_key


@dataclass(frozen=True)
class QuantizeConstants(ir.passes.InPlacePass):
    """Replace constant inputs by an integer initializer and a DequantizeLinear each.

    Before:  y = Conv(x, w)
    After:   w_dequantized = DequantizeLinear <axis = 0> (w_quantized, w_scale, w_zero_point)
             y = Conv(x, w_dequantized)

    An initializer that several nodes share gets one integer copy per distinct grid; the float one
    stays for its other readers.
    """

    #: "node name:input index" -> grid
    grids: Mapping[str, QuantParams]
    #: same key -> codes [N], row-major, of a weight whose rounding was chosen on data; all others
    #: round to nearest
    codes: Mapping[str, Ints]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        made: dict[tuple[str, bytes, str, bytes, int], ir.Value] = {}
        modified = False
        for node in list(nodes(model)):
            for index, value in enumerate(node.inputs):
                place = weight_key(node.name, index)
                grid = self.grids.get(place)
                array = constant(value)
                if grid is None or value is None or array is None:
                    continue
                codes = self.codes.get(place)
                same = f"{grid.dtype} {grid.narrow} {grid.granularity} {codes is None}"
                chosen = b"" if codes is None else codes.tobytes()
                key = (str(value.name), grid.scale.tobytes() + grid.zero_point.tobytes(), same, chosen, id(owner(node)))
                if key not in made:
                    weight = np.asarray(array, np.float32)
                    integers = quantize(weight, grid) if codes is None else shaped(codes, weight.shape, f"weight {place}")
                    made[key] = dequantize_constant(node, integers, grid, str(value.name), names)
                node.replace_input_with(index, made[key])
                modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)

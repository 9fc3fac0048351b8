"""How NVFP4 stores a weight: codes of elements, scales of blocks as bytes, and one float."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.format import Stored
from edgeq.numerics.formats.nvfp4 import BLOCK, ELEMENT, SCALE, stored_scales
from edgeq.passes.store.constant_nodes import ConstantNodes


def store(nodes: ConstantNodes, stored: Stored) -> ir.Value:
    """The numbers of a weight, [C, B, 16]: blocks along its input channels.

    After:  c = Cast <to = INT32> (w_codes)    v = Gather(values, c)
            e = Cast <to = INT32> (w_scales)   g = Gather(scales, e)
            s = Mul(g, w_scale)                p = Mul(v, s)

    A Cast takes the place of the second Gather where FP8 has a type of its own. Everything is a
    float32, and the same as in the format, bit by bit.
    """
    elements, scales = cut(stored.elements[0], stored.kernel, BLOCK), stored_scales(stored)
    codes = nodes.reshaped(nodes.unsigned(ELEMENT.encode(elements), ELEMENT.bits, "codes"), elements.shape)
    if nodes.typed:
        units = nodes.floats(scales, ir.DataType.FLOAT8E4M3FN, "scales")
    else:
        table = np.where(np.isfinite(SCALE.values), SCALE.values, 0).astype(np.float32)  # no scale is NaN
        units = nodes.taken(table, nodes.unsigned(scales, SCALE.bits, "scales"))
    steps = nodes.node("Mul", [units, nodes.shared(np.asarray(stored.scales[0], np.float32))], ir.DataType.FLOAT, (), scales.shape)
    values = nodes.taken(ELEMENT.values.astype(np.float32), codes)
    return nodes.node("Mul", [values, steps], ir.DataType.FLOAT, (), elements.shape)

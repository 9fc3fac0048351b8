"""Which outputs of a layer a scale of its weight serves."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_int, is_op
from edgeq.numerics.arrays import F32


def every_group(node: ir.Node, scale: F32) -> F32:
    """The scale of each output channel, [C] or (), from the scales of the layer's weight.

    The weight of a ConvTranspose is [C_in, C / groups, ...]: a scale along its axis 1 serves one
    output of every group. All other weights have an entry per output.
    """
    repeats = is_op(node, "ConvTranspose") and scale.ndim > 0
    return np.tile(scale, attribute_int(node, "group", 1)) if repeats else scale

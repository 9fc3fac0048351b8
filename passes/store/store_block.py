"""How block:N stores a weight: codes of four bits, and a scale for each block."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import add_constant
from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.format import Stored
from edgeq.passes.store import store_two_level
from edgeq.passes.store.constant_nodes import ConstantNodes


def store(nodes: ConstantNodes, stored: Stored) -> ir.Value:
    """The numbers of a weight, [C, B, n]: blocks of n along its input channels.

    After:  c = Cast <to = INT32> (w_codes)   b = Cast <to = INT8> (c)
            f = Cast <to = FLOAT> (b)         p = Mul(f, w_scales)

    The Cast to int8 is the mark by which `edgeq materialize` knows codes of a weight. A
    DequantizeLinear with block_size would say the same in one node, but onnxruntime computes it at
    every inference. Layers that run in integers have the nodes of two_level.
    """
    if stored.format.compute == "int8":
        return store_two_level.store(nodes, stored)
    assert stored.format.block is not None
    blocks = cut(stored.elements[0], stored.kernel, stored.format.block).astype(np.int8)
    scales = np.asarray(stored.scales[0][0], np.float32)[..., None]
    steps = add_constant(nodes.graph, scales, nodes.names.value(f"{nodes.stem}_scales"))
    codes = nodes.cast(nodes.signed(blocks, 4, "codes"), ir.DataType.INT8, blocks.shape)
    codes = nodes.cast(codes, ir.DataType.FLOAT, blocks.shape)
    return nodes.node("Mul", [codes, steps], ir.DataType.FLOAT, (), blocks.shape)

"""How int4 stores a weight: its codes, two in a byte."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.format import Stored
from edgeq.passes.store.constant_nodes import ConstantNodes


def store(nodes: ConstantNodes, stored: Stored) -> ir.Value:
    """The int8 codes of a weight, [C, 1, K], channels last.

    After:  c = Cast <to = INT32> (w_codes)   w8 = Cast <to = INT8> (c)
    """
    codes = cut(stored.elements[0], stored.kernel, stored.elements.shape[2]).astype(np.int8)
    return nodes.cast(nodes.signed(codes, 4, "codes"), ir.DataType.INT8, codes.shape)

"""How two_level stores a weight: codes and scales of vectors in four bits each."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.format import Stored
from edgeq.passes.store.constant_nodes import ConstantNodes


def store(nodes: ConstantNodes, stored: Stored) -> ir.Value:
    """The int8 codes of a weight, [C, B, n]: vectors of n along its input channels.

    After:  c = Cast <to = INT32> (w_codes)   s = Cast <to = INT32> (w_vector_scales)
            p = Mul(c, s)                     w8 = Cast <to = INT8> (p)
    """
    assert stored.format.block is not None
    vectors = cut(stored.elements[0], stored.kernel, stored.format.block).astype(np.int8)
    scales = np.asarray(stored.scales[1][0], np.uint8)[..., None]
    codes = nodes.signed(vectors, 4, "codes")
    factors = nodes.reshaped(nodes.unsigned(scales, 4, "vector_scales"), scales.shape)
    return nodes.cast(nodes.int32("Mul", [codes, factors], vectors.shape), ir.DataType.INT8, vectors.shape)

"""How MX4, MX6 and MX9 store a weight: codes, the exponents of blocks as bytes, shifts as bits."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.codecs.microexponents import BLOCK, PAIR
from edgeq.numerics.formats.codecs.shared_exponents import BIAS
from edgeq.numerics.formats.format import Stored
from edgeq.numerics.formats.microexponents import Microexponents
from edgeq.passes.store.constant_nodes import ConstantNodes


def store(nodes: ConstantNodes, stored: Stored) -> ir.Value:
    """The numbers of a weight, [C, B, 8, 2]: pairs in blocks along its input channels.

    After:  e = Cast <to = INT32> (w_exponents)   s = Cast <to = INT32> (unpacked w_shifts)
            d = Sub(e, s)                         f = Gather(powers, d)
            c = the codes in int32                p = Mul(c, f)
            w8 = Cast <to = INT8> (p)

    With int8 compute, exponents are relative to the scale of the channel, and the result is int8
    codes. With float compute, a Gather makes the codes floats, there is no Cast, exponents are
    those of float32, and everything is exact.
    """
    form = stored.format
    assert isinstance(form, Microexponents)
    exponents, shifts = (np.asarray(scale[0], np.uint8) for scale in stored.scales[-2:])
    pairs = cut(stored.elements[0], stored.kernel, BLOCK).astype(np.int8).reshape(*exponents.shape, BLOCK // PAIR, PAIR)
    shape = (*pairs.shape[:-1], 1)
    shifted = nodes.reshaped(nodes.unsigned(shifts, 1, "shifts"), shape)
    powers = nodes.int32("Sub", [nodes.unsigned(exponents[..., None, None], 8, "exponents"), shifted], shape)
    if form.compute == "int8":
        codes = nodes.signed(pairs, form.bits, "codes")
        product = nodes.int32("Mul", [codes, nodes.taken(2 ** np.arange(8, dtype=np.int32), powers)], pairs.shape)
        return nodes.cast(product, ir.DataType.INT8, pairs.shape)
    half = 1 << form.mantissa
    codes = nodes.reshaped(nodes.unsigned((pairs.astype(np.int64) + half).astype(np.uint8), form.bits, "codes"), pairs.shape)
    values = np.arange(-half, half, dtype=np.float32)
    units = np.ldexp(np.float32(1), np.arange(255) - BIAS - (form.mantissa - 1)).astype(np.float32)
    return nodes.node("Mul", [nodes.taken(values, codes), nodes.taken(units, powers)], ir.DataType.FLOAT, (), pairs.shape)

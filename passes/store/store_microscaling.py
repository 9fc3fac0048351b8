"""How the OCP MX formats store a weight: codes of elements, and exponents of blocks as bytes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.numerics.formats.blocks import cut
from edgeq.numerics.formats.codecs.shared_exponents import BIAS, BLOCK
from edgeq.numerics.formats.format import Stored
from edgeq.numerics.formats.microscaling import Microscaling
from edgeq.passes.store.constant_nodes import ConstantNodes

#: elements that have a type of their own, which runtimes convert
TYPES = {"e4m3": ir.DataType.FLOAT8E4M3FN, "e5m2": ir.DataType.FLOAT8E5M2}


def store(nodes: ConstantNodes, stored: Stored) -> ir.Value:
    """The numbers of a weight, [C, B, 32]: blocks along its input channels.

    After:  c = Cast <to = INT32> (w_codes)       v = Gather(values, c)
            e = Cast <to = INT32> (w_exponents)   f = Gather(powers, e)
            p = Mul(v, f)                         w8 = Cast <to = INT8> (p)

    With int8 compute, values are whole numbers, exponents are relative to the scale of the channel,
    and the result is int8 codes. With float compute, there is no Cast, exponents are E8M0, and
    everything is a float32, exact; a Cast takes the place of a Gather where FP8 and E8M0 have types
    of their own.
    """
    form = stored.format
    assert isinstance(form, Microscaling)
    elements = cut(stored.elements[0], stored.kernel, BLOCK)
    exponents = np.asarray(stored.scales[-1][0], np.uint8)[..., None]
    kind = TYPES.get(form.element.name)
    if nodes.typed and kind is not None:
        parts = [nodes.floats(form.element.encode(elements), kind, "codes"), nodes.floats(exponents, ir.DataType.FLOAT8E8M0, "exponents")]
        return nodes.node("Mul", parts, ir.DataType.FLOAT, (), elements.shape)
    codes = nodes.reshaped(nodes.unsigned(form.element.encode(elements), form.element.bits, "codes"), elements.shape)
    raised = nodes.unsigned(exponents, 8, "exponents")
    whole = form.compute == "int8"
    values = np.where(np.isfinite(form.element.values), form.element.values, 0)  # no element is infinite or NaN
    table = np.rint(values * form.units).astype(np.int32) if whole else values.astype(np.float32)
    powers = 2 ** np.arange(8, dtype=np.int32) if whole else np.ldexp(np.float32(1), np.arange(255) - BIAS).astype(np.float32)
    parts = [nodes.taken(table, codes), nodes.taken(powers, raised)]
    product = nodes.node("Mul", parts, ir.DataType.INT32 if whole else ir.DataType.FLOAT, (), elements.shape)
    return nodes.cast(product, ir.DataType.INT8, elements.shape) if whole else product

"""Bound how far the sums of an integer model can go, for any input codes.

The bounds are exact and follow from the weights of each layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.errors import FloorMissed
from edgeq.graph.edit import Names, add_constant
from edgeq.graph.find_layer import layer_of
from edgeq.graph.layer import Layer
from edgeq.graph.read import constant, is_op, nodes, owner
from edgeq.graph.stored import stored
from edgeq.numerics.arrays import I64
from edgeq.numerics.grid import LIMITS
from edgeq.numerics.saturation import neighbours, worst_pairs

#: the largest unsigned 8-bit code, the largest int16 and the largest int32
CODE, INT16, INT32 = 255, 2**15 - 1, 2**31 - 1
#: the types of codes whose layers are bounded
_AUDITED = {ir.DataType.UINT8: "uint8", ir.DataType.INT8: "int8", ir.DataType.INT32: "int32"}


@dataclass(frozen=True)
class LayerBounds:
    """The worst sums of one integer layer."""

    #: name of the node
    node: str
    #: ONNX operator type of the node
    op_type: str
    #: largest sum of two neighbouring products, which processors without VNNI add in int16; None:
    #: no kernel does that
    pair: int | None
    #: largest sum of all products and the bias, which is int32 everywhere
    accumulator: int

    @property
    def saturates(self) -> bool:
        return self.pair is not None and self.pair > INT16

    @property
    def overflows(self) -> bool:
        return self.accumulator > INT32


@dataclass(frozen=True)
class _Codes:
    """A tensor behind a DequantizeLinear."""

    #: type of its codes, a key of LIMITS
    dtype: str
    #: its zero point, one for the whole tensor
    zero: int
    #: codes of a constant; None: it is an activation
    codes: I64 | None


def audit_sums(model: ir.Model) -> tuple[LayerBounds, ...]:
    """Bounds of every Conv, Gemm and MatMul of codes whose weight is constant, in graph order.

    The model is in Q/DQ form, from any tool. A product of two activations has no weight to bound
    it; u8 x u8 kernels do not add in int16.
    """
    copy = model.clone()
    open_codes = _lay_open(copy)
    found = []
    for node in [node for node in nodes(copy) if is_op(node, "Conv", "Gemm", "MatMul")]:
        source, weight = (open_codes.get(str(value.name)) if value is not None else None for value in node.inputs[:2])
        layer = layer_of(node) if source is not None and weight is not None and weight.codes is not None else None
        if source is not None and weight is not None and layer is not None:
            bias = node.inputs[2] if len(node.inputs) > 2 else None
            added = open_codes.get(str(bias.name)) if bias is not None else None
            found.append(_bounds(node, layer, source, weight, None if added is None else added.codes))
    return tuple(found)


def require_exact(bounds: Sequence[LayerBounds]) -> None:
    """Raise FloorMissed that names the layers whose sums can exceed their type."""
    lines = [f"{one.node} ({one.op_type}): {_excess(one)}" for one in bounds if one.saturates or one.overflows]
    if lines:
        more = f"; and {len(lines) - 4} more" if len(lines) > 4 else ""
        fix = "Quantize with edgeq for the target cpu, or with --no-vnni for another: weights then keep clear of it."
        raise FloorMissed(f"{len(lines)} of {len(bounds)} integer layers can saturate.", "; ".join(lines[:4]) + more, fix)


def _excess(one: LayerBounds) -> str:
    if one.overflows:
        return f"the accumulator can reach {one.accumulator}, beyond int32"
    return f"two products can reach {one.pair}, beyond int16 on processors without VNNI"


def _bounds(node: ir.Node, layer: Layer, source: _Codes, weight: _Codes, bias: I64 | None) -> LayerBounds:
    assert weight.codes is not None
    rows = layer.weight_rows(weight.codes)
    pair = None
    if weight.dtype == "int8" and not layer.depthwise:  # u8 weights take kernels that are exact
        alone = np.abs(rows).max(initial=0.0)
        pair = CODE * int(max(alone, worst_pairs(rows, neighbours(layer.kernel)).max(initial=0.0)))
    low, high = LIMITS[source.dtype]
    centred = rows.astype(np.float64) - weight.zero
    up, down = np.maximum(centred, 0).sum(-1), np.maximum(-centred, 0).sum(-1)
    above = up * (high - source.zero) + down * (source.zero - low)
    below = up * (source.zero - low) + down * (high - source.zero)
    shift = np.zeros(above.size) if bias is None else np.broadcast_to(bias.reshape(-1), above.size).astype(np.float64)
    worst = np.maximum(above.reshape(-1) + shift, below.reshape(-1) - shift)
    return LayerBounds(str(node.name), node.op_type, pair, int(worst.max(initial=0.0)))


def _lay_open(model: ir.Model) -> dict[str, _Codes]:
    """Value name -> the codes behind it, for every DequantizeLinear of an audited type.

    Constants are replaced by their codes, in place.
    """
    names = Names(model)
    found: dict[str, _Codes] = {}
    for node in [node for node in nodes(model) if is_op(node, "DequantizeLinear")]:
        result = node.outputs[0]
        one = stored(result)
        zero = None if one is None else constant(one.zero_point)
        if one is None or one.dtype not in _AUDITED or (zero is not None and np.unique(zero).size > 1):
            continue
        dtype, codes = _AUDITED[one.dtype], constant(one.codes)
        middle = 0 if zero is None else int(np.ravel(zero)[0])
        if codes is None:
            found[str(result.name)] = _Codes(dtype, middle, None)
            continue
        plain = add_constant(owner(node), np.asarray(codes, np.float32), names.value(f"{result.name}_codes"))
        result.replace_all_uses_with(plain)
        found[str(plain.name)] = _Codes(dtype, middle, np.asarray(codes, np.int64))
    return found

"""Fold BatchNormalization into the weights of the operator after it, where padding allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.affine import Affine, batch_norm_affine
from edgeq.graph.edit import Names, replace_constant, retire
from edgeq.graph.read import attribute_float, attribute_int, attribute_ints, constant, nodes, only_consumer, operator_of, rank
from edgeq.numerics.arrays import F64


@dataclass(frozen=True)
class FoldBatchNormForward(ir.passes.InPlacePass):
    """Fold a BatchNormalization that only a Conv, ConvTranspose, Gemm or MatMul reads.

    The weights absorb the scale, and the bias absorbs the shift. The scale always folds. A shift
    does not fold past zero padding (the zeros would have to be shifted too) nor into a
    ConvTranspose.

    Before: `y = BatchNormalization(x, gamma, beta, mean, var)`, `z = Conv(y, w, b)`
    After:  `z = Conv(x, w * scale, b + sum(w * shift))`
    """

    only_for: ClassVar[tuple[str, ...]] = ("BatchNormalization",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        changed = [_fold(model, node, names) for node in list(nodes(model)) if node.op_type == "BatchNormalization"]
        return ir.passes.PassResult(model, modified=any(changed))


def _fold(model: ir.Model, node: ir.Node, names: Names) -> bool:
    affine, source, out = batch_norm_affine(node), node.inputs[0], node.outputs[0]
    user = only_consumer(out)
    if affine is None or source is None or user is None or not _accepts(user, out, affine):
        return False
    weight = constant(user.inputs[1])
    assert weight is not None
    scaled, extra = _scale_inputs(user, weight.astype(np.float64), affine)
    bias = _new_bias(user, extra)
    with np.errstate(over="ignore"):
        new_weight, new_bias = scaled.astype(weight.dtype), bias.astype(weight.dtype)
    if not (np.isfinite(new_weight).all() and np.isfinite(new_bias).all()):
        return False
    replace_constant(user, 1, new_weight, names)
    if extra.any():
        user.op_type = "Gemm" if user.op_type == "MatMul" else user.op_type
        user.attributes.pop("beta", None)
        replace_constant(user, 2, new_bias, names)
    out.replace_all_uses_with(source)
    retire(model, node, f"folded into {user.name}")
    return True


def _accepts(user: ir.Node, value: ir.Value, affine: Affine) -> bool:
    """Whether `user` reads the value as data, has constant weights, and can absorb the shift."""
    if not operator_of(user).layer or user.inputs[0] is not value or user.inputs.count(value) != 1:
        return False
    weight = constant(user.inputs[1])
    if weight is None or (len(user.inputs) > 2 and user.inputs[2] is not None and constant(user.inputs[2]) is None):
        return False
    if user.op_type in ("Gemm", "MatMul"):
        return rank(value) == 2 and weight.ndim == 2 and not attribute_int(user, "transA", 0)
    return not affine.shift.any() or (user.op_type == "Conv" and not _pads(user))


def _pads(conv: ir.Node) -> bool:
    auto = conv.attributes.get_string("auto_pad", "NOTSET")
    return auto not in ("NOTSET", "VALID") or (auto == "NOTSET" and any(attribute_ints(conv, "pads") or ()))


def _scale_inputs(user: ir.Node, weight: F64, affine: Affine) -> tuple[F64, F64]:
    """The weights with the scale folded in, and what the shift adds to each output channel."""
    scale, shift = affine.scale, affine.shift
    if user.op_type == "ConvTranspose":  # [in, out / group, ...]; the shift is zero here
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), np.zeros(1)
    if user.op_type == "Conv":  # [out, in / group, ...]: the outputs of a group read the same inputs
        group = attribute_int(user, "group", 1)
        grouped = weight.reshape(group, weight.shape[0] // group, *weight.shape[1:])
        spread = (group, 1, weight.shape[1], *[1] * (weight.ndim - 2))
        extra = (grouped * shift.reshape(spread)).sum(axis=tuple(range(2, grouped.ndim))).reshape(-1)
        return (grouped * scale.reshape(spread)).reshape(weight.shape), extra
    alpha = attribute_float(user, "alpha", 1.0) if user.op_type == "Gemm" else 1.0
    if user.op_type == "Gemm" and attribute_int(user, "transB", 0):
        return weight * scale, weight @ shift * alpha
    return weight * scale[:, None], shift @ weight * alpha


def _new_bias(user: ir.Node, extra: F64) -> F64:
    bias = constant(user.inputs[2]) if len(user.inputs) > 2 else None
    beta = attribute_float(user, "beta", 1.0) if user.op_type == "Gemm" else 1.0
    return extra if bias is None else bias.astype(np.float64) * beta + extra

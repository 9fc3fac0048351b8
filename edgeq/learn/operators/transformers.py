"""ONNX operators of transformers in torch: normalization, shape arithmetic and selection."""

from __future__ import annotations

import onnx_ir as ir
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it

from edgeq.graph.read import attribute_float, attribute_int
from edgeq.learn.operators.operands import Operands, Tensor, TorchOperator, refuse

_TYPES = {
    ir.DataType.FLOAT: torch.float32,
    ir.DataType.DOUBLE: torch.float64,
    ir.DataType.INT64: torch.int64,
    ir.DataType.INT32: torch.int32,
    ir.DataType.BOOL: torch.bool,
}


def _layer_normalization(node: ir.Node, x: Operands) -> Tensor:
    axis = attribute_int(node, "axis", -1) % x[0].dim()
    return F.layer_norm(x[0], x[0].shape[axis:], x[1], x.get(2), attribute_float(node, "epsilon", 1e-5))


def _gelu(node: ir.Node, x: Operands) -> Tensor:
    return F.gelu(x[0], approximate=node.attributes.get_string("approximate", "none") or "none")


def _gather(node: ir.Node, x: Operands) -> Tensor:
    data, axis = x[0], attribute_int(node, "axis", 0) % x[0].dim()
    size = data.shape[axis]
    index = torch.where(x[1] < 0, x[1] + size, x[1]).long()
    taken = data.index_select(axis, index.reshape(-1))
    return taken.reshape((*data.shape[:axis], *index.shape, *data.shape[axis + 1 :]))


def _shape(node: ir.Node, x: Operands) -> Tensor:
    end = node.attributes.get_int("end", x[0].dim())
    return torch.tensor(tuple(x[0].shape)[slice(attribute_int(node, "start", 0), end)], dtype=torch.int64)


def _unsqueeze(_: ir.Node, x: Operands) -> Tensor:
    axes = x.ints(1)
    result, rank = x[0], x[0].dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        result = result.unsqueeze(axis)
    return result


def _expand(_: ir.Node, x: Operands) -> Tensor:
    own, wanted = list(x[0].shape), x.ints(1)
    rank = max(len(own), len(wanted))
    own, wanted = [1] * (rank - len(own)) + own, [1] * (rank - len(wanted)) + wanted
    return x[0].expand([a if b == 1 else b for a, b in zip(own, wanted, strict=True)])


def _cast(node: ir.Node, x: Operands) -> Tensor:
    kind = ir.DataType(attribute_int(node, "to", 1))
    if kind not in _TYPES:
        raise refuse(node, f"to {kind.name}")
    return x[0].to(_TYPES[kind])


TRANSFORMER_OPERATORS: dict[str, TorchOperator] = {
    "Cast": _cast,
    "Equal": lambda _, x: x[0] == x[1],
    "Erf": lambda _, x: torch.erf(x[0]),
    "Exp": lambda _, x: torch.exp(x[0]),
    "Expand": _expand,
    "Gather": _gather,
    "Gelu": _gelu,
    "LayerNormalization": _layer_normalization,
    "Shape": _shape,
    "Unsqueeze": _unsqueeze,
    "Where": lambda _, x: torch.where(x[0], x[1], x[2]),
}

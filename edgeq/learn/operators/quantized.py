"""Quantized operators in torch: the sums of integer kernels, with straight-through gradients.

The straight-through estimator is Bengio et al., arXiv:1308.3432: rounding passes gradients
unchanged, clipping stops them. With that, the derivative of scale * (code - zero) by the scale is
the gradient of learned step size quantization (Esser et al., arXiv:1902.08153).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import torch

from edgeq.graph.read import attribute_float, attribute_int
from edgeq.learn.operators.operands import Operand, Operands, Result, Scaled, Sum, Tensor, TorchOperator, real
from edgeq.learn.operators.table import OPERATORS
from edgeq.numerics.grid import LIMITS
from edgeq.passes.place.hard_sigmoid_to_add import shift_of
from edgeq.schema.target import Target

#: type of the zero point -> smallest and largest code
_ENDS = {ir.DataType.INT8: LIMITS["int8"], ir.DataType.UINT8: LIMITS["uint8"]}


def straight(wanted: Tensor, chosen: Tensor) -> Tensor:
    """The values of `chosen` with the gradient of `wanted` (straight-through estimator)."""
    return chosen.detach() + (wanted - wanted.detach())


def rounded(x: Tensor) -> Tensor:
    """Round half to even; the gradient passes through."""
    return straight(x, torch.round(x))


def _quantize(node: ir.Node, x: Operands) -> Tensor:
    """Codes, zero point included; codes are requantized with one factor, as integer kernels do."""
    source, terms, result, zero = x.scaled(0), x.terms(0), x.result(0), x.get(2)
    kind = node.inputs[2].dtype if len(node.inputs) > 2 and node.inputs[2] is not None else ir.DataType.UINT8
    low, high = _ENDS[kind or ir.DataType.UINT8]
    if terms is not None and _cut_by_grid(terms, x[1], low if zero is None else float(zero), high):
        return torch.clamp(rounded(_added(terms, x[1] / terms.slope, zero)), low, high)
    if result is not None:
        return torch.clamp(result.codes(x[1], zero), low, high)
    steps = x[0] / x[1] if source is None else source.codes * (source.scale / x[1])
    return torch.clamp(rounded(steps) if zero is None else rounded(steps) + zero, low, high)


def _cut_by_grid(terms: Sum, scale: Tensor, zero: float, high: int) -> bool:
    """Whether the grid begins at the lower end of the sum and stops at or below the upper end."""
    return terms.ends is None or (zero == high - 255 and float(scale.detach()) * 255 <= terms.ends[1] + 1e-5)


def _added(terms: Sum, scale: Tensor, zero: Tensor | None) -> Tensor:
    """The sum on the grid of the result, its zero point included, before rounding.

    The kernel of onnxruntime starts from the constant part and adds each term by a fused
    multiply-add with one rounding to float32, the second term first. Computing in float64 and
    rounding to float32 gives the same numbers.
    """
    ratios = [term.scale / scale for term in (terms.first, terms.second)]
    zeros = [_shift(term.zero) for term in (terms.first, terms.second)]
    taken_off = (ratios[0].double() * zeros[0] + (ratios[1] * zeros[1]).double()).float()
    total = (_shift(zero) - taken_off).double()
    for term, ratio, taken in ((terms.second, ratios[1], zeros[1]), (terms.first, ratios[0], zeros[0])):
        total = ((term.codes + taken).double() * ratio.double() + total).float().double()
    return total.float()


def _dequantize(node: ir.Node, x: Operands) -> Scaled:
    codes, scale, zero = x[0].to(torch.float32), x[1], x.get(2)
    if scale.dim():
        shape = [1] * codes.dim()
        shape[attribute_int(node, "axis", 1)] = -1
        scale, zero = scale.reshape(shape), None if zero is None else zero.reshape(shape)
    return Scaled(codes if zero is None else codes - zero, scale, zero)


def _layer(node: ir.Node, x: Operands) -> Operand:
    """Conv, Gemm, MatMul: on codes where both factors have them, otherwise on real values."""
    source, weight, bias = x.scaled(0), x.scaled(1), x.scaled(2)
    plain = OPERATORS[node.op_type]
    scaled_bias = len(x.given) < 3 or x.given[2] is None or bias is not None
    if source is None or weight is None or source.scale.dim() or not scaled_bias or _weighs_terms(node):
        return _plain(plain(node, x))
    codes: list[Operand | None] = [source.codes, weight.codes, None if bias is None else bias.codes]
    total = _plain(plain(node, Operands(codes[: len(x.given)])))
    scale = source.scale * weight.scale
    if node.op_type == "Conv" and scale.dim():
        return Scaled(total, scale.reshape(1, -1, *[1] * (total.dim() - 2)))
    return Scaled(total, scale.reshape(-1) if scale.dim() else scale)


def _plain(made: Operand | tuple[Operand, ...]) -> Tensor:
    assert not isinstance(made, tuple)
    return real(made)


def _weighs_terms(node: ir.Node) -> bool:
    return attribute_float(node, "alpha", 1.0) != 1.0 or attribute_float(node, "beta", 1.0) != 1.0


def _global_average(node: ir.Node, x: Operands) -> Operand:
    """GlobalAveragePool: the sum of the codes times scale / (result scale * positions)."""
    source = x.scaled(0)
    if source is None:
        return _plain(OPERATORS[node.op_type](node, x))
    total, scale = source.codes.sum(tuple(range(2, source.codes.dim())), keepdim=True), source.scale
    places = source.codes[0, 0].numel()
    return Result(lambda: total * (scale / places), lambda grid, zero: rounded(total * (scale / (grid * places))) + _shift(zero))


def _average_pool(node: ir.Node, x: Operands) -> Operand:
    """The mean, requantized. The kernel adds the zero point before rounding, see _multiply."""
    mean = _plain(OPERATORS[node.op_type](node, x))
    return mean if x.scaled(0) is None else Result(lambda: mean, lambda grid, zero: rounded(mean / grid + _shift(zero)))


def _shift(zero: Tensor | None) -> Tensor:
    return torch.zeros(()) if zero is None else zero.to(torch.float32)


def _add(node: ir.Node, x: Operands) -> Operand:
    first, second = x.scaled(0), x.scaled(1)
    if first is None or second is None:
        return _plain(OPERATORS[node.op_type](node, x))
    # onnxruntime's kernel swaps the operands when the first is a single number
    return Sum(second, first) if first.codes.numel() == 1 < second.codes.numel() else Sum(first, second)


def _hard_sigmoid(node: ir.Node, x: Operands) -> Operand:
    """HardSigmoid as HardSigmoidToAdd writes it: alpha times an Add of codes of beta/alpha."""
    source = x.scaled(0)
    alpha, beta = attribute_float(node, "alpha", 0.2), attribute_float(node, "beta", 0.5)
    if source is None or source.scale.dim() or alpha <= 0 or beta < 0:
        return _plain(OPERATORS[node.op_type](node, x))
    codes, grid = shift_of(node, "int8" if source.zero is not None and source.zero.dtype == torch.int8 else "uint8")
    zero = torch.from_numpy(np.asarray(grid.zero_point, np.float32))
    shift = Scaled(torch.from_numpy(np.asarray(codes, np.float32)) - zero, torch.from_numpy(np.asarray(grid.scale)), zero)
    return Sum(source, shift, alpha, (0.0, 1.0))


def _multiply(node: ir.Node, x: Operands) -> Operand:
    """The product of the codes, requantized.

    The kernel adds the zero point before rounding: where it is odd, ties round to other codes than
    if it were added afterwards.
    """
    first, second = x.scaled(0), x.scaled(1)
    if first is None or second is None:
        return _plain(OPERATORS[node.op_type](node, x))
    product, scale = first.codes * second.codes, first.scale * second.scale
    return Result(lambda: product * scale, lambda grid, zero: rounded(product * (scale / grid) + _shift(zero)))


def _quantize_at_run(_: ir.Node, x: Operands) -> tuple[Tensor, ...]:
    """DynamicQuantizeLinear: a uint8 grid over the range of this tensor and 0.

    No gradient reaches the scale and the zero point.
    """
    low, high = x[0].detach().amin().clamp(max=0.0), x[0].detach().amax().clamp(min=0.0)
    scale = (high - low) / 255
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    zero = torch.round(torch.clamp(-low / scale, 0, 255))
    return torch.clamp(rounded(x[0] / scale) + zero, 0, 255), scale, zero


def _integer_product(_: ir.Node, x: Operands) -> Tensor:
    a, b = x[0].to(torch.float32), x[1].to(torch.float32)
    left, right = x.get(2), x.get(3)
    return (a if left is None else a - left) @ (b if right is None else b - right)


QUANTIZED_OPERATORS: dict[str, TorchOperator] = OPERATORS | {
    "Add": _add,
    "AveragePool": _average_pool,
    "Conv": _layer,
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _quantize_at_run,
    "Gemm": _layer,
    "HardSigmoid": _hard_sigmoid,
    "GlobalAveragePool": _global_average,
    "MatMul": _layer,
    "MatMulInteger": _integer_product,
    "Mul": _multiply,
    "QuantizeLinear": _quantize,
}


def operators_of(target: Target) -> dict[str, TorchOperator]:
    """The operators of a quantized model for this target.

    An integer-only target computes HardSigmoid with a lookup table instead of an Add of codes.
    """
    return QUANTIZED_OPERATORS | ({"HardSigmoid": OPERATORS["HardSigmoid"]} if target.integer_only else {})

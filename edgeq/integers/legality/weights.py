"""Rules about the weights and biases of layers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.graph.find_layer import every_group
from edgeq.graph.read import attribute_int
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.legality.violation import Violation
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.numerics.grid import PerChannel
from edgeq.numerics.saturation import neighbours, worst_pairs
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts

_REQUANTIZE = "Quantize the float model again for this target."


def weight_rules(step: IntegerOp, kernel: KernelFacts, target: Target) -> Iterator[Violation]:
    """Check the weight of a layer whose input is quantized."""
    weight = step.inputs[kernel.weight] if kernel.weight is not None and kernel.weight < len(step.inputs) else None
    if weight is None:
        return
    if weight.data is None:
        if step.op_type not in ("MatMul", "Gemm"):
            yield _found(step, "weight_constant", f"{weight.name} is computed", "weights are constants", kernel.source)
        return
    if weight.grid is None:
        observed = f"{weight.name} is {weight.dtype} and not dequantized"
        yield _found(step, "weight_float", observed, f"weights are {target.weights.dtype}", target.weights.source)
        return
    yield from _weight_grid(step, weight, target)
    yield from _weight_scales(step, weight, kernel, target)
    yield from _weight_sums(step, weight, target)


def _weight_grid(step: IntegerOp, weight: Operand, target: Target) -> Iterator[Violation]:
    facts = target.weights
    assert weight.data is not None and weight.grid is not None
    if str(weight.data.dtype) != facts.dtype:
        yield _found(step, "weight_dtype", f"{weight.name} is {weight.data.dtype}", f"weights are {facts.dtype}", facts.source)
        return
    if facts.symmetric and np.any(weight.grid.zero_point):
        observed = f"zero point {int(weight.grid.zero_point.reshape(-1)[np.flatnonzero(weight.grid.zero_point.reshape(-1))[0]])}"
        yield _found(step, "weight_zero_point", observed, "weights have zero point 0", facts.source)
    if facts.narrow and facts.dtype == "int8" and np.any(weight.data == -128):
        yield _found(step, "weight_narrow", "code -128 is in use", "codes are -127..127", facts.source)


def _weight_scales(step: IntegerOp, weight: Operand, kernel: KernelFacts, target: Target) -> Iterator[Violation]:
    facts, grid = target.weights, weight.grid
    assert grid is not None and weight.data is not None
    if isinstance(grid.granularity, PerChannel):
        if "per_channel" not in facts.granularity:
            yield _found(step, "weight_granularity", f"{grid.scale.size} scales", "one scale per weight", facts.source)
        elif not kernel.grouped_channels and attribute_int(step.node, "group", 1) > 1:
            yield _found(step, "weight_granularity", f"{grid.scale.size} scales", "one scale per weight in groups", kernel.source)
        else:
            axis = _axis(step, kernel, weight.data.ndim)
            if axis is not None and grid.granularity.axis % weight.data.ndim != axis:
                yield _found(step, "weight_axis", f"scales along axis {grid.granularity.axis}", f"scales along axis {axis}", kernel.source)
    if facts.power_of_two and not is_power_of_two(grid.scale):
        yield _found(step, "weight_power_of_two", f"scale {float(np.ravel(grid.scale)[0]):g}", "scales are powers of two", facts.source)


def _weight_sums(step: IntegerOp, weight: Operand, target: Target) -> Iterator[Violation]:
    assert weight.data is not None
    if step.op_type not in ("Conv", "Gemm", "MatMul"):
        return
    rows = weight.data if step.op_type == "Conv" or attribute_int(step.node, "transB", 0) else np.swapaxes(weight.data, -1, 0)
    sums = np.abs(rows.astype(np.int64)).reshape(len(rows), -1).sum(1)
    limit = target.weights.max_sum
    if limit is not None and sums.max(initial=0) > limit:
        yield _found(step, "weight_sum", f"magnitudes of a channel add up to {sums.max()}", f"at most {limit}", target.weights.source)
    yield from _weight_pairs(step, rows, target)
    bias = step.inputs[2] if len(step.inputs) > 2 else None
    extra = np.abs(bias.data.astype(np.int64)).reshape(-1) if bias is not None and bias.data is not None and bias.dtype == "int32" else 0
    worst = int(np.max(sums * 255 + extra, initial=0))
    if worst >= 2**31:
        yield _found(step, "accumulator", f"a sum can reach {worst}", "sums stay within int32", target.bias.source)


def _weight_pairs(step: IntegerOp, rows: AnyArray, target: Target) -> Iterator[Violation]:
    """Check that two neighbouring products cannot saturate an int16 sum.

    The limit is on neighbours of one sign. Depthwise kernels add no pairs of products.
    """
    limit = target.weights.pair_limit
    groups = attribute_int(step.node, "group", 1)
    depthwise = step.op_type == "Conv" and rows.shape[1] == 1 and groups == len(rows) and groups > 1
    if limit is None or depthwise or (step.op_type != "Conv" and rows.ndim != 2):
        return
    worst = int(worst_pairs(rows.reshape(len(rows), -1).astype(np.float32), neighbours(rows.shape[1:])).max(initial=0))
    if worst > limit:
        yield _found(step, "weight_pair", f"|a| + |b| of neighbours reaches {worst}", f"at most {limit}", target.weights.source)


def bias_rules(step: IntegerOp, kernel: KernelFacts, target: Target) -> Iterator[Violation]:
    """Check the bias of a layer whose input and weight are quantized."""
    bias = step.inputs[kernel.bias] if kernel.bias is not None and kernel.bias < len(step.inputs) else None
    if bias is None:
        return
    facts = target.bias
    if bias.data is None:
        yield _found(step, "bias_constant", f"{bias.name} is computed", "biases are constants", kernel.source)
        return
    if bias.dtype != facts.dtype:
        rule = "bias_float" if bias.dtype.startswith("float") else "bias_dtype"
        yield _found(step, rule, f"{bias.name} is {bias.dtype}", f"biases are {facts.dtype}", facts.source)
        return
    if facts.dtype == "float32":
        return
    largest = int(np.abs(bias.data.astype(np.int64)).max(initial=0))
    if largest >= 2 ** (facts.bits - 1):
        yield _found(step, "bias_bits", f"{largest} needs {largest.bit_length() + 1} bits", f"{facts.bits} bits", facts.source)
    if bias.grid is None:  # a QOperator bias has the product of both scales by definition
        return
    if np.any(bias.grid.zero_point):
        yield _found(step, "bias_zero_point", "another zero point than 0", "biases have zero point 0", facts.source)
    yield from _bias_scale(step, bias.grid.scale, kernel, target)


def _bias_scale(step: IntegerOp, scale: F32, kernel: KernelFacts, target: Target) -> Iterator[Violation]:
    first, weight = step.inputs[0], step.inputs[kernel.weight or 1]
    if first is None or weight is None or first.grid is None or weight.grid is None:
        return
    wanted = every_group(step.node, np.float32(first.grid.scale) * weight.grid.scale)
    alike = scale.size in (1, wanted.size) and np.all(wanted > 0)
    if alike and not np.allclose(scale, wanted, rtol=1e-3, atol=0):
        ratio = float(np.max(np.abs(scale / wanted)))
        yield _found(step, "bias_scale", f"{ratio:.4g} times input scale * weight scale", "input scale * weight scale", target.bias.source)


def _axis(step: IntegerOp, kernel: KernelFacts, rank: int) -> int | None:
    if step.op_type == "Gemm":
        return 0 if attribute_int(step.node, "transB", 0) else 1
    return None if kernel.channel_axis is None else kernel.channel_axis % rank


def is_power_of_two(scale: object) -> bool:
    """Whether every scale is 2^n for an integer n."""
    fractions, _ = np.frexp(np.asarray(scale, np.float64))
    return bool(np.all(fractions == 0.5))


def _found(step: IntegerOp, rule: str, observed: str, fact: str, source: str) -> Violation:
    return Violation(step.name, step.op_type, rule, observed, fact, source, _REQUANTIZE)

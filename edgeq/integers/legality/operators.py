"""Rules about operators: whether a kernel exists, its operands, the grids that it allows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import ONNX_DOMAINS, is_op, operator_of
from edgeq.integers.graph import IntegerOp, Operand
from edgeq.integers.legality.forms import form_rules
from edgeq.integers.legality.shifts import shift_rules
from edgeq.integers.legality.violation import Violation
from edgeq.integers.legality.weights import bias_rules, is_power_of_two, weight_rules
from edgeq.integers.legality.widths import facts_of, fixed_grid, width_rules
from edgeq.numerics.grid import LIMITS, PerTensor, QuantParams
from edgeq.schema.target import Target
from edgeq.schema.target_facts import KernelFacts, OutputGrid

#: steps that the graph reader makes of Q, DQ, and a Cast with the Gather behind it
_STEPS = ("QuantizeLinear", "DequantizeLinear", "Requantize", "Lookup")
_WIDE = ("int16", "uint16", "int4", "uint4", "float8e4m3fn", "float8e5m2")
_REQUANTIZE = "Quantize the float model again for this target."


def operator_rules(step: IntegerOp, target: Target) -> Iterator[Violation]:
    """Every fact of the target that one operator breaks."""
    yield from _activation_rules(step, target)
    if step.op_type in _STEPS:
        return
    if not target.integer_only and not _between_codes(step, target):
        return  # a float operator, and the target has those
    if not _touches_data(step):
        return  # shape arithmetic
    kernel = target.kernel_of(step.op_type)
    if step.node.domain not in ONNX_DOMAINS or (kernel is None and step.op_type not in target.movement.ops):
        fact = target.no_kernel(step.op_type)
        name = step.op_type if step.node.domain in ONNX_DOMAINS else f"{step.node.domain}::{step.op_type}"
        yield _found(step, "no_kernel", name, fact, target.movement.source, "Change the float model, or let edgeq lower it.")
        return
    if target.integer_only:
        yield from _float_ends(step, target)
    yield from form_rules(step, target)
    yield from width_rules(step, target)
    if kernel is None and target.movement.pairs and step.node.inputs and not is_op(_maker(step), "DequantizeLinear"):
        fact = "it stands between a DequantizeLinear and a QuantizeLinear"
        yield _found(step, "pairs", "it works on integer tensors", fact, target.movement.source, _REQUANTIZE)
    if kernel is None:
        yield from _same_grids(step, "one grid for input and output", target.movement.source, step.inputs[:1])
    else:
        yield from _kernel_rules(step, kernel, target)


def _kernel_rules(step: IntegerOp, kernel: KernelFacts, target: Target) -> Iterator[Violation]:
    if kernel.weight is not None and step.inputs[0] is not None and step.inputs[0].grid is not None:
        yield from weight_rules(step, kernel, target)
    if kernel.bias is not None and step.inputs[0] is not None and step.inputs[0].grid is not None:
        yield from bias_rules(step, kernel, target)
    if kernel.same_scale:
        operands = step.inputs if step.op_type == "Concat" else step.inputs[:1]
        yield from _same_grids(step, "one grid for inputs and output", kernel.source, operands)
    wanted = fixed_grid(step, kernel.output_grid, target)
    if wanted is not None:
        yield from _fixed_grid(step, wanted, kernel)
    yield from shift_rules(step, kernel)
    if step.op_type == "Gemm":
        for name in ("alpha", "beta"):
            value = step.node.attributes.get_float(name, 1.0)
            if value != 1.0:
                yield _found(step, "attributes", f"{name} is {value:g}", f"{name} is 1", kernel.source, "Fold it into the weight.")
    if kernel.output == "required" and any(output.is_float for output in step.outputs) and _is_integer(step) and not target.integer_only:
        observed = f"{step.outputs[0].name} is float"
        yield _found(step, "output_quantized", observed, "the kernel exists only with a quantized output", kernel.source, _REQUANTIZE)


def _float_ends(step: IntegerOp, target: Target) -> Iterator[Violation]:
    fact = f"{target.name} computes in integers only"
    kernel = target.kernel_of(step.op_type)
    skip = (kernel.weight, kernel.bias) if kernel is not None else ()
    data = operator_of(step.node).data_of(len(step.inputs))
    for number, operand in enumerate(step.inputs):
        constant_float = operand is not None and operand.data is not None and operand.grid is None and operand.data.dtype.kind == "f"
        matters = constant_float and number in data and number not in skip
        if operand is not None and (operand.is_float or matters):
            yield _found(step, "float_input", f"reads {operand.name} as float", fact, target.boundary.source, _REQUANTIZE)
    for operand in step.outputs:
        if operand.is_float:
            yield _found(step, "float_output", f"makes {operand.name} as float", fact, target.boundary.source, _REQUANTIZE)


def _activation_rules(step: IntegerOp, target: Target) -> Iterator[Violation]:
    facts, kernel = target.activations, target.kernel_of(step.op_type)
    skip = (kernel.weight, kernel.bias) if kernel is not None else ()
    operands = [operand for number, operand in enumerate(step.inputs) if number not in skip and step.op_type != "Lookup"]
    for operand in (*operands, *step.outputs):
        if operand is None or (operand in step.inputs and _flips_sign(step)):
            continue
        if operand.grid is None:
            if operand.dtype in _WIDE:
                yield _found(step, "activation_dtype", f"{operand.name} is {operand.dtype}", f"{facts.dtype}", facts.source, _REQUANTIZE)
            continue
        yield from _grid_rules(step, operand, operand.grid, target)


def _flips_sign(step: IntegerOp) -> bool:
    """Whether the step turns uint8 codes into int8 codes of the same numbers, 128 lower.

    That takes no arithmetic: only the highest bit of each code is flipped.
    """
    first, made = step.inputs[0] if step.inputs else None, step.outputs[0].grid if step.outputs else None
    grid = None if first is None else first.grid
    if step.op_type != "Requantize" or grid is None or made is None or (grid.dtype, made.dtype) != ("uint8", "int8"):
        return False
    return np.array_equal(grid.scale, made.scale) and np.array_equal(grid.zero_point - 128, made.zero_point)


def _grid_rules(step: IntegerOp, operand: Operand, grid: QuantParams, target: Target) -> Iterator[Violation]:
    facts = facts_of(grid, target)
    if grid.dtype != facts.dtype:
        observed, fact = f"{operand.name} is {grid.dtype}", f"activations are {facts.dtype}"
        yield _found(step, "activation_dtype", observed, fact, facts.source, _REQUANTIZE)
        return
    if not isinstance(grid.granularity, PerTensor):
        observed = f"{operand.name} has {grid.scale.size} scales"
        yield _found(step, "activation_granularity", observed, "one scale per tensor", facts.source, _REQUANTIZE)
        return
    if not np.all(np.isfinite(grid.scale)) or not np.all(grid.scale > 0):
        observed = f"{operand.name} has scale {float(grid.scale):g}"
        yield _found(step, "scale_positive", observed, "scales are positive", facts.source, _REQUANTIZE)
        return
    middle = 0 if LIMITS[facts.dtype][0] < 0 else (LIMITS[facts.dtype][1] + 1) // 2
    if facts.symmetric and int(grid.zero_point) != middle:
        observed = f"{operand.name} has zero point {int(grid.zero_point)}"
        yield _found(step, "activation_zero_point", observed, f"zero point {middle}", facts.source, _REQUANTIZE)
    if facts.power_of_two and not is_power_of_two(grid.scale):
        observed = f"{operand.name} has scale {float(grid.scale):g}"
        yield _found(step, "activation_power_of_two", observed, "scales are powers of two", facts.source, _REQUANTIZE)


def _same_grids(step: IntegerOp, fact: str, source: str, operands: tuple[Operand | None, ...]) -> Iterator[Violation]:
    for operand in operands:
        for output in step.outputs:
            if operand is not None and operand.grid is not None and output.grid is not None and operand.grid != output.grid:
                observed = f"{operand.name}: {_words(operand.grid)}; {output.name}: {_words(output.grid)}"
                fix = "Give both one grid, or requantize the input first."
                yield _found(step, "same_scale", observed, fact, source, fix)
                return


def _fixed_grid(step: IntegerOp, wanted: OutputGrid, kernel: KernelFacts) -> Iterator[Violation]:
    grid = step.outputs[0].grid if step.outputs else None
    if grid is not None and (abs(float(grid.scale) / wanted.scale - 1) > 1e-6 or int(grid.zero_point) != wanted.zero_point):
        fact = f"scale {wanted.scale:g}, zero point {wanted.zero_point}"
        yield _found(step, "output_grid", _words(grid), fact, kernel.source, _REQUANTIZE)


def _maker(step: IntegerOp) -> ir.Node | None:
    first = step.node.inputs[0]
    return None if first is None else first.producer()


def _is_integer(step: IntegerOp) -> bool:
    """Whether the step reads or writes codes at run time."""
    operands = [*(operand for operand in step.inputs if operand is not None and operand.data is None), *step.outputs]
    return any(operand.grid is not None for operand in operands)


def _between_codes(step: IntegerOp, target: Target) -> bool:
    """Whether the model intends integers here: codes on both sides, or codes before a layer."""
    before = any(operand is not None and operand.data is None and operand.grid is not None for operand in step.inputs)
    kernel = target.kernel_of(step.op_type)
    layer = kernel is not None and kernel.weight is not None
    return before and (layer or any(operand.grid is not None for operand in step.outputs))


def _touches_data(step: IntegerOp) -> bool:
    operands = [operand for operand in (*step.inputs, *step.outputs) if operand is not None and operand.data is None]
    return any(operand.is_float or operand.grid is not None for operand in operands)


def _words(grid: QuantParams) -> str:
    return f"scale {float(np.ravel(grid.scale)[0]):g}, zero point {int(np.ravel(grid.zero_point)[0])}"


def _found(step: IntegerOp, rule: str, observed: str, fact: str, source: str, fix: str) -> Violation:
    return Violation(step.name, step.op_type, rule, observed, fact, source, fix)

"""List the operators of a quantized file, for a runtime that does not report what it ran."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.integers.graph import integer_graph
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.runtimes.ran_operator import RanOperator


def code_operators(model: ir.Model, kernel: str) -> tuple[RanOperator, ...]:
    """The operators of the file in execution order, each attributed to `kernel`.

    An operator counts as integer when all its operands that are not constant have a grid. A
    QuantizeLinear or DequantizeLinear always does.
    """
    shaped = model.clone()
    InferShapes()(shaped)
    rows = []
    for step in integer_graph(shaped).steps:
        operands = [operand for operand in (*step.inputs, *step.outputs) if operand is not None and operand.data is None]
        codes = all(operand.grid is not None for operand in operands) or step.op_type in ("QuantizeLinear", "DequantizeLinear")
        rows.append(RanOperator(step.op_type, codes, kernel))
    return tuple(rows)

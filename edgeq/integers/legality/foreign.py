"""Check a model of another tool, before it is written as .tflite, against the target's rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import onnx_ir as ir

from edgeq.integers.graph import IntegerGraph, Operand, integer_graph
from edgeq.integers.legality.check import one_grid_rules
from edgeq.integers.legality.operators import operator_rules
from edgeq.integers.legality.violation import Violation
from edgeq.integers.signed import signed, signed_codes
from edgeq.passes.foreign.join_grids import several
from edgeq.schema.target import Target

#: rules that a model keeps after --requantize: grids and weights are then rounded anew
MENDED = frozenset(
    {
        "bias_float", "bias_scale", "bias_zero_point", "bias_dtype", "output_grid", "same_scale", "several_grids",
        "weight_axis", "weight_dtype", "weight_float", "weight_narrow", "weight_zero_point",
    }
)  # fmt: skip
#: rules that it keeps after --requantize with data: values without a grid get one
MEASURED = frozenset({"float_input", "float_output"})


def foreign_rules(model: ir.Model, target: Target) -> tuple[Violation, ...]:
    """Every rule that a Q/DQ model of fixed sizes breaks, node by node; empty: it can be written.

    uint8 codes count as the int8 codes that stand for the same numbers. Inputs, outputs and opset
    are not looked at: they become what the file needs.
    """
    found = [*_several(model, target), *one_grid_rules(model, target)]
    for step in _signed_graph(integer_graph(model)).steps:
        found.extend(operator_rules(step, target))
    return tuple(dict.fromkeys(found))


def _several(model: ir.Model, target: Target) -> Iterator[Violation]:
    inputs = [] if target.float_io else list(model.graph.inputs)  # a float input may be quantized in several ways
    for value in (*inputs, *(value for node in model.graph for value in node.outputs)):
        if several(value):
            node = value.producer() or next(iter(value.uses())).node
            observed = f"{value.name} is read on several grids, or as floats too"
            fix = "Let all its readers read one grid."
            yield Violation(str(node.name), node.op_type, "several_grids", observed, "one grid per tensor", target.activations.source, fix)


def _signed_graph(graph: IntegerGraph) -> IntegerGraph:
    steps = tuple(
        replace(step, inputs=tuple(_signed(one) for one in step.inputs), outputs=tuple(_plain(one) for one in step.outputs))
        for step in graph.steps
    )
    return replace(graph, steps=steps)


def _signed(operand: Operand | None) -> Operand | None:
    return None if operand is None else _plain(operand)


def _plain(operand: Operand) -> Operand:
    """The operand in int8 codes, where it has uint8 codes."""
    if operand.grid is None or operand.grid.dtype != "uint8":
        return operand
    data = None if operand.data is None else signed_codes(operand.data)
    return replace(operand, dtype="int8", grid=signed(operand.grid), data=data)

"""Check a quantized ONNX model, made by any tool, against the facts of a target."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeq.graph.code_grids import grid_of
from edgeq.graph.read import constant, is_op, nodes
from edgeq.integers.graph import IntegerGraph, integer_graph
from edgeq.integers.legality.clamps import clamp_rules
from edgeq.integers.legality.dequantized import dequantize_rules
from edgeq.integers.legality.operators import operator_rules
from edgeq.integers.legality.parts import part_rules
from edgeq.integers.legality.violation import Violation
from edgeq.passes.boundary.qoperator_to_qdq import QoperatorToQdq
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.store.materialize import Materialize
from edgeq.schema.origins import PACKED_KEY
from edgeq.schema.target import Target


def check_model(model: ir.Model, target: Target) -> tuple[Violation, ...]:
    """Every fact of the target that the model breaks, then warnings: outputs whose parts share a
    grid, and constants that are dequantized at every inference.

    Empty for a legal model whose outputs are served by their grids. The model is not changed.
    """
    return (*broken_facts(model, target), *dequantize_rules(model, target), *part_rules(model))


def broken_facts(model: ir.Model, target: Target) -> tuple[Violation, ...]:
    """Every fact of the target that the model breaks; empty for a legal model.

    Violations of the whole model come first, then those of its nodes in order, then the rules that
    look at pairs and clamps. Each is listed once. The model is not changed.
    """
    own = model.clone()
    QoperatorToQdq()(own)
    Materialize()(own)  # weights that are stored in fewer bits are constants
    InferShapes()(own)
    graph = integer_graph(own)
    found = [*_opset(own, target), *_packed(own, target), *_boundary(graph, target)]
    for step in graph.steps:
        found.extend(operator_rules(step, target))
    if target.integer_only:
        found.extend(one_grid_rules(own, target))
    if not target.keeps_clamps:
        found.extend(clamp_rules(own, target))
    return tuple(dict.fromkeys(found))


def _opset(model: ir.Model, target: Target) -> Iterator[Violation]:
    opset = model.opset_imports.get("", 0)
    if not target.min_opset <= opset <= target.max_opset:
        fact = f"{target.min_opset}..{target.max_opset}"
        yield Violation(
            "", "", "opset", f"opset {opset}", fact, "min_opset, max_opset", f"Convert the float model to opset {target.max_opset}."
        )


def _packed(model: ir.Model, target: Target) -> Iterator[Violation]:
    """A model whose .tflite file would have INT4 weights, where the target takes none."""
    if PACKED_KEY in model.metadata_props and not target.weights.packed:
        observed, fact = "its .tflite file stores weights as INT4", f"weights are {target.weights.dtype}"
        fix = "Quantize the float model for this target, which stores codes of 4 bits in 8."
        yield Violation("", "", "weight_packed", observed, fact, target.weights.source, fix)


def _boundary(graph: IntegerGraph, target: Target) -> Iterator[Violation]:
    if target.float_io:
        return
    fix = "Quantize again for this target, without --float-io."
    for word, operands in (("input", graph.inputs), ("output", graph.outputs)):
        for operand in operands:
            if operand.is_float:
                observed = f"{word} {operand.name} is {operand.dtype}"
                yield Violation("", "", f"integer_{word}", observed, f"{word}s are {target.activations.dtype}", "float_io = false", fix)


def one_grid_rules(model: ir.Model, target: Target) -> Iterator[Violation]:
    """A DequantizeLinear that reads the codes of a QuantizeLinear must have the same grid."""
    for node in nodes(model):
        source = node.inputs[0] if node.inputs else None
        maker = source.producer() if source is not None else None
        if not is_op(node, "DequantizeLinear") or maker is None or not is_op(maker, "QuantizeLinear") or constant(source) is not None:
            continue
        first, second = grid_of(maker), grid_of(node)
        if first is not None and second is not None and first != second:
            observed = (
                f"scale {float(first.scale.reshape(-1)[0]):g} where it is made, {float(second.scale.reshape(-1)[0]):g} where it is read"
            )
            yield Violation(
                str(node.name), node.op_type, "one_grid", observed, "one scale and zero point per tensor", target.activations.source,
                "Quantize the float model again for this target.",
            )  # fmt: skip

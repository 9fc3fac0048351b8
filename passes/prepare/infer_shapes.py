"""Infer the types and shapes of all values, with onnx's own inference."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from edgeq.graph.read import is_op, nodes, values
from edgeq.graph.symbolic_shapes import integers_are_short

# onnx_ir logs a traceback when inference fails, which is expected here; a program that wants to
# see it adds a handler of its own
logging.getLogger("onnx_ir").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class InferShapes(ir.passes.InPlacePass):
    """Add the types and shapes that other passes need.

    Where inference fails, what is known stays: a missing shape only means fewer rewrites.

    Before: `y = Conv(x, w)` with a shape for x alone
    After:  the same with a shape for y
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        before = {value.name: (value.dtype, str(value.shape)) for value in values(model)}
        known = [(value, value.shape) for value in values(model)]
        declared = [value.shape for value in model.graph.outputs]
        _infer(model, follow_values=False)
        if any(is_op(node, "Shape") for node in nodes(model)) and integers_are_short(model):
            for value, shape in known:
                value.shape = shape  # onnx names no dimensions that are declared as unknown
            _infer(model, follow_values=True)
        for value, shape in zip(model.graph.outputs, declared, strict=True):
            value.shape = value.shape if shape is None else shape  # the interface stays as declared
        after = {value.name: (value.dtype, str(value.shape)) for value in values(model)}
        return ir.passes.PassResult(model, modified=before != after)


def _infer(model: ir.Model, follow_values: bool) -> None:
    """Run onnx's inference; follow_values makes it evaluate integer values too.

    That also names unknown dimensions, so that equal ones are known to be equal.
    """
    if all(value.type is None or isinstance(value.type, ir.TensorType) for value in values(model)) and not any(
        map(_makes_others, nodes(model))
    ):
        common_passes.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=follow_values)(model)
    else:
        _infer_any_type(model, follow_values)


def _makes_others(node: ir.Node) -> bool:
    """Whether an output of the node is never a tensor: a sequence, an optional or a map."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        schema = onnx.defs.get_schema(node.op_type, domain)
    except onnx.defs.SchemaError:
        return False
    return any(output.types and not any(kind.startswith("tensor(") for kind in output.types) for output in schema.outputs)


def _infer_any_type(model: ir.Model, follow_values: bool) -> None:
    """The same where some values are no tensors; onnx_ir would make tensors of them."""
    try:
        proto = onnx.shape_inference.infer_shapes(ir.to_proto(model), data_prop=follow_values)
    except Exception as error:  # onnx raises what it likes; a missing shape only means fewer rewrites
        logging.getLogger("onnx_ir").info("shape inference failed: %s", error)
        return
    found = {value.name: value for value in values(ir.from_proto(proto)) if value.name}
    for value in values(model):
        inferred = found.get(str(value.name))
        if inferred is not None and inferred.type is not None:
            value.type, value.shape = inferred.type, value.shape if inferred.shape is None else inferred.shape

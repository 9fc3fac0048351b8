"""Look embeddings up as integers: gather the rows first, then dequantize them."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.edit import Names
from edgeq.graph.read import attribute_int, constant, is_op, nodes, only_consumer, owner, rank


@dataclass(frozen=True)
class GatherIntegerRows(ir.passes.InPlacePass):
    """Swap a DequantizeLinear of a stored matrix and the Gather of its rows.

    Before:  t = DequantizeLinear <axis = 1> (table, scale, zero_point)
             y = Gather <axis = 0> (t, rows)
    After:   g = Gather <axis = 0> (table, rows)
             w = Cast <to = FLOAT> (g)   y = Mul(w, scale)

    The table is never expanded to float. With a zero point other than 0, y is a DequantizeLinear of
    g: with a scale for every column, onnxruntime 1.32 takes five times as long for it as for Cast
    and Mul, and may quantize it again behind what moves it. The Gather must be the only reader of
    the dequantized table.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        found = [node for node in nodes(model) if _fits(node)]
        for node in found:
            _swap(node, names)
        return ir.passes.PassResult(model, modified=bool(found))


def _fits(node: ir.Node) -> bool:
    if not is_op(node, "Gather") or attribute_int(node, "axis", 0) != 0 or rank(node.inputs[1]) is None:
        return False
    table = node.inputs[0]
    producer = table.producer() if table is not None else None
    if table is None or producer is None or not is_op(producer, "DequantizeLinear") or only_consumer(table) is not node:
        return False
    stored = constant(producer.inputs[0])
    return stored is not None and stored.ndim == 2 and attribute_int(producer, "axis", 1) == 1


def _swap(node: ir.Node, names: Names) -> None:
    table, result = node.inputs[0], node.outputs[0]
    dequantize = table.producer() if table is not None else None
    assert dequantize is not None and dequantize.inputs[0] is not None
    codes = dequantize.inputs[0]
    gathered = ir.Value(name=names.value(f"{result.name}_rows"), shape=result.shape, type=ir.TensorType(codes.dtype or ir.DataType.INT8))
    lookup = ir.Node("", "Gather", [codes, node.inputs[1]], [], outputs=[gathered], name=node.name)
    owner(node).insert_before(node, lookup)
    node.attributes.clear()
    scale, zero = dequantize.inputs[1], dequantize.inputs[2] if len(dequantize.inputs) > 2 else None
    offsets = constant(zero)
    if offsets is None or not offsets.any():
        _as_product(node, gathered, scale, names)
    else:
        node.op_type, node.name = "DequantizeLinear", names.node(f"{lookup.name}_DequantizeLinear")
        node.attributes["axis"] = ir.AttrInt64("axis", rank(node.inputs[1]) or 0)
        _read(node, gathered, scale, zero)
    owner(dequantize).remove(dequantize, safe=True)


def _as_product(node: ir.Node, codes: ir.Value, scale: ir.Value | None, names: Names) -> None:
    """Turn the node into the product of its scales with the codes as floats."""
    whole = ir.Value(name=names.value(f"{node.outputs[0].name}_whole"), shape=codes.shape, type=ir.TensorType(ir.DataType.FLOAT))
    to_float = [ir.AttrInt64("to", int(ir.DataType.FLOAT))]
    owner(node).insert_before(node, ir.Node("", "Cast", [codes], to_float, outputs=[whole], name=names.node(f"{node.name}_Cast")))
    node.op_type, node.name = "Mul", names.node(f"{node.name}_Mul")
    _read(node, whole, scale)


def _read(node: ir.Node, *values: ir.Value | None) -> None:
    node.resize_inputs(len(values))
    for index, value in enumerate(values):
        node.replace_input_with(index, value)

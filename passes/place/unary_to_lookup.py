"""Replace a function of one number, between 8-bit integers, by a table of 256 codes."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, drop_unread_constants, take_over
from edgeq.graph.read import constant, is_op, nodes, only_consumer, owner
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.numerics.grid import PerTensor, QuantParams, dequantize, quantize


@dataclass(frozen=True)
class UnaryToLookup(ir.passes.InPlacePass):
    """Replace DequantizeLinear -> function -> QuantizeLinear of the named nodes by a lookup.

    Before:  f = DequantizeLinear(q, s, z)   y = Tanh(f)   r = QuantizeLinear(y, t, u)
    After:   i = Cast <to = INT32> (q)       r = Gather(table, i)

    table[i] is the code of y for the input code i; a negative i counts from the end of the 256
    entries, as in ONNX's Gather. The result is exact: onnx's reference implementation computes the
    function in float for every code. A table of codes that another table alone made is joined with
    it: the codes between the two are looked up here.
    """

    #: names of the nodes that are replaced
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        modified = False
        for node in [n for n in nodes(model) if n.name in self.names]:
            source, after = node.inputs[0], only_consumer(node.outputs[0])
            before = source.producer() if source is not None else None
            if before is None or after is None or not is_op(before, "DequantizeLinear") or not is_op(after, "QuantizeLinear"):
                continue
            first, second = _grid(before), _grid(after)
            if first is not None and second is not None:
                _replace(node, before, after, _table(node, first, second, model.opset_imports.get("", 17)), free)
                _join(node, free)
                modified = True
        if modified:
            drop_unread_constants(model)
        return ir.passes.PassResult(model, modified)


def _grid(node: ir.Node) -> QuantParams | None:
    scale, zero = (constant(value) for value in node.inputs[1:3])
    if scale is None or zero is None or scale.size != 1 or str(zero.dtype) not in ("int8", "uint8"):
        return None
    return QuantParams(str(zero.dtype), np.asarray(scale, np.float32).reshape(()), np.asarray(zero, np.int32).reshape(()), PerTensor())


def _table(node: ir.Node, first: QuantParams, second: QuantParams, opset: int) -> AnyArray:
    """The 256 output codes, ordered by the byte 0x00 to 0xff of the input code."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    codes = np.arange(256, dtype=np.uint8).view(first.dtype)
    proto = ir.to_proto(node)
    del proto.input[:], proto.output[:]
    proto.input.append("x")
    proto.output.append("y")
    kind = onnx.helper.make_tensor_value_info
    ends = [kind("x", onnx.TensorProto.FLOAT, [256])], [kind("y", onnx.TensorProto.FLOAT, [256])]
    model = onnx.helper.make_model(onnx.helper.make_graph([proto], "table", *ends), opset_imports=[onnx.helper.make_opsetid("", opset)])
    with np.errstate(all="ignore"):  # a logarithm at 0
        (y,) = ReferenceEvaluator(model).run(None, {"x": dequantize(codes, first)})
    return quantize(_defined(np.asarray(y, np.float32), dequantize(codes, first)), second)


def _defined(results: F32, numbers: F32) -> F32:
    """The results, at numbers where the function is not defined those of the nearest others."""
    known = np.flatnonzero(~np.isnan(results))
    if not known.size:
        return np.zeros_like(results)
    nearest = known[np.abs(numbers[:, None] - numbers[known]).argmin(1)]
    return np.asarray(results[nearest], np.float32)


def _replace(node: ir.Node, before: ir.Node, after: ir.Node, table: AnyArray, free: Names) -> None:
    graph, source = owner(node), before.inputs[0]
    stored = add_constant(graph, table, free.value(f"{node.name}_table"))
    index = ir.Value(name=free.value(f"{node.name}_index"), shape=source.shape if source else None, type=ir.TensorType(ir.DataType.INT32))
    cast = ir.Node("", "Cast", [source], [ir.AttrInt64("to", int(ir.DataType.INT32))], outputs=[index], name=free.node(f"{node.name}_Cast"))
    graph.insert_before(node, cast)
    old, result = node.outputs[0], after.outputs[0]
    node.op_type = "Gather"
    node.attributes.clear()
    node.resize_inputs(2)
    node.replace_input_with(0, stored)
    node.replace_input_with(1, index)
    take_over(result, old)
    graph.remove(after, safe=True)
    if not before.outputs[0].uses() and not before.outputs[0].is_graph_output():
        graph.remove(before, safe=True)


def _join(node: ir.Node, free: Names) -> None:
    """Look the table up by the codes that an earlier table is looked up by.

    Before:  i = Cast(q)   r = Gather(first, i)   j = Cast(r)   s = Gather(second, j)
    After:   i = Cast(q)   s = Gather(second[first], i)
    """
    cast = node.inputs[1].producer() if node.inputs[1] is not None else None
    between = None if cast is None else cast.inputs[0]
    earlier = None if between is None else between.producer()
    if cast is None or between is None or not is_op(earlier, "Gather") or earlier is None or only_consumer(between) is not cast:
        return
    index, first, second = earlier.inputs[1], constant(earlier.inputs[0]), constant(node.inputs[0])
    if index is None or not is_op(index.producer(), "Cast") or first is None or second is None or first.shape != (256,):
        return
    graph = owner(node)
    joined = second[first.astype(np.int64)]  # negative codes count from the end here as well
    node.replace_input_with(0, add_constant(graph, joined, free.value(f"{node.name}_table")))
    node.replace_input_with(1, index)
    graph.remove((cast, earlier), safe=True)

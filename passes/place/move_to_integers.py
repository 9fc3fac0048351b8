"""Run operators that only move or select elements directly on the integer tensors."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, take_over
from edgeq.graph.read import clip_bounds, constant, is_op, nodes, operator_of, owner, scalar
from edgeq.numerics.grid import LIMITS


@dataclass(frozen=True)
class MoveToIntegers(ir.passes.InPlacePass):
    """Replace DequantizeLinear -> operator -> QuantizeLinear by the operator on codes.

    Before:  f = DequantizeLinear(q, s, z)   g = MaxPool(f)   h = QuantizeLinear(g, s, z)
    After:   h = MaxPool(q)

    1. Every data input must come from a DequantizeLinear and every output that is read must go to
       one QuantizeLinear, all with the same grid. Indices (of ArgMax, TopK) stay what they are:
       codes have the order of the numbers.
    2. Relu becomes Clip at the zero point; the bounds of Clip and the fill value of Pad become
       codes on the grid.
    """

    #: names of the nodes that are moved
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        modified = False
        for node in list(nodes(model)):
            if node.name in self.names and self._move(node, free):
                modified = True
        return ir.passes.PassResult(model, modified)

    def _move(self, node: ir.Node, free: Names) -> bool:
        data = operator_of(node).data_of(len(node.inputs))
        before = [value.producer() if value is not None else None for value in (node.inputs[index] for index in data)]
        outputs = [value for value in node.outputs if value.dtype != ir.DataType.INT64 and (value.uses() or value.is_graph_output())]
        after = [_only_reader(value) for value in outputs]
        pairs = all(is_op(n, "DequantizeLinear") for n in before) and all(is_op(n, "QuantizeLinear") for n in after)
        if not pairs or not _is_read(node):
            return False
        grids = {_grid(n) for n in (*before, *after) if n is not None}
        if len(grids) != 1 or None in grids or not _has_codes(node):
            return False
        first = before[0]
        assert first is not None
        _to_codes(node, first, free)
        for index, producer in zip(data, before, strict=True):
            assert producer is not None
            node.replace_input_with(index, producer.inputs[0])
        codes = ir.TensorType(_code_type(first))
        for value in node.outputs:
            if value.dtype != ir.DataType.INT64:  # one that nothing reads too
                value.type = codes
        for value, reader in zip(outputs, after, strict=True):
            assert reader is not None
            take_over(reader.outputs[0], value)
            owner(reader).remove(reader, safe=True)
        for producer in dict.fromkeys(before):
            if producer is not None and producer.graph is not None and not _is_read(producer):
                owner(producer).remove(producer, safe=True)
        return True


def _has_codes(node: ir.Node) -> bool:
    """Whether the node's bounds or fill value, if it has any, are constant."""
    if is_op(node, "Relu", "Clip"):
        return clip_bounds(node) is not None
    return not is_op(node, "Pad") or len(node.inputs) < 3 or node.inputs[2] is None or scalar(node.inputs[2]) is not None


def _is_read(node: ir.Node) -> bool:
    return any(value.uses() or value.is_graph_output() for value in node.outputs)


def _only_reader(value: ir.Value) -> ir.Node | None:
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def _grid(node: ir.Node) -> tuple[str, bytes, bytes] | None:
    """What must be equal for equal codes to mean equal numbers."""
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if scale is None or zero is None or scalar(node.inputs[1]) is None:
        return None
    return str(zero.dtype), scale.tobytes(), zero.tobytes()


def _code_type(dequantize: ir.Node) -> ir.DataType:
    """The type of the codes that a DequantizeLinear with a zero point reads."""
    zero = constant(dequantize.inputs[2])
    assert zero is not None
    return ir.DataType.from_numpy(zero.dtype)


def _to_codes(node: ir.Node, dequantize: ir.Node, free: Names) -> None:
    """Turn float bounds and fill values into codes on the grid, and Relu into Clip."""
    scale, zero = scalar(dequantize.inputs[1]), constant(dequantize.inputs[2])
    assert scale is not None and zero is not None
    low, high = LIMITS[str(zero.dtype)]

    def code(number: float) -> np.ndarray[tuple[()], np.dtype[np.generic]]:
        return np.asarray(np.clip(np.rint(number / scale) + int(zero.item()), low, high)).astype(zero.dtype)

    if is_op(node, "Relu", "Clip"):
        bounds = clip_bounds(node)
        assert bounds is not None
        _become_clip(node, [code(bound) for bound in bounds], free)
    elif is_op(node, "Pad") and node.attributes.get_string("mode", "constant") == "constant":
        fill = scalar(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else 0.0
        assert fill is not None
        stored = add_constant(owner(node), code(fill), free.value(f"{node.name}_fill"))
        if len(node.inputs) < 3:
            node.resize_inputs(3)
        node.replace_input_with(2, stored)


def _become_clip(node: ir.Node, bounds: list[np.ndarray[tuple[()], np.dtype[np.generic]]], free: Names) -> None:
    graph = owner(node)
    node.op_type = "Clip"
    node.resize_inputs(3)
    for index, (bound, word) in enumerate(zip(bounds, ("min", "max"), strict=True), start=1):
        node.replace_input_with(index, add_constant(graph, bound, free.value(f"{node.name}_{word}")))

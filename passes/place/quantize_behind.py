"""Keep a QuantizeLinear behind a float pool, where the runtime would move it in front."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node
from edgeq.graph.read import is_op, nodes, only_consumer, operator_of, owner, scalar


@dataclass(frozen=True)
class QuantizeBehind(ir.passes.InPlacePass):
    """Double what a named node makes, and the scale at which it is quantized.

    Before:  y = MaxPool(x)   q = QuantizeLinear(y, s, z)
    After:   y = MaxPool(x)   t = Mul(y, 2)   q = QuantizeLinear(t, 2 s, z)

    onnxruntime moves a QuantizeLinear in front of a pool, whose kernel on codes takes many times as
    long as in float where channels are not last. It does not move it in front of a Mul. Both
    factors of two are exact, so the codes stay what they are.
    """

    #: names of the nodes that are to run in float
    names: Set[str]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        free = Names(model)
        made = [_last_view(node.outputs[0]) for node in nodes(model) if node.name in self.names]
        found = [value for value in made if _quantizers(value)]
        for value in found:
            _double(value, free)
        return ir.passes.PassResult(model, modified=bool(found))


def _last_view(value: ir.Value) -> ir.Value:
    """The value, or the last of the views of it, in front of which it would be moved too."""
    reader = only_consumer(value)
    while reader is not None and operator_of(reader).moves == "views" and reader.inputs[0] is value:
        value = reader.outputs[0]
        reader = only_consumer(value)
    return value


def _quantizers(value: ir.Value) -> list[ir.Node]:
    """The nodes that quantize the value with one scale that can be doubled."""
    readers = (use.node for use in value.uses())
    return [node for node in readers if is_op(node, "QuantizeLinear") and _doubled(node) is not None]


def _doubled(quantizer: ir.Node) -> np.float32 | None:
    scale = scalar(quantizer.inputs[1])
    twice = None if scale is None else np.float32(scale) * np.float32(2)
    return twice if twice is not None and np.isfinite(twice) else None


def _double(value: ir.Value, free: Names) -> None:
    stem = str(value.name)
    quantizers = _quantizers(value)
    graph = owner(quantizers[0])
    two = add_constant(graph, np.array(2, np.float32), free.value(f"{stem}_two"))
    twice = add_node(quantizers[0], "Mul", [value, two], name=free.node(f"{stem}_twice"), output=free.value(f"{stem}_twice"))
    twice.shape, twice.type = value.shape, value.type
    for quantizer in quantizers:
        scale = add_constant(graph, np.asarray(_doubled(quantizer), np.float32), free.value(f"{stem}_scale_twice"))
        quantizer.replace_input_with(0, twice)
        quantizer.replace_input_with(1, scale)

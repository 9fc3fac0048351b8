"""Write LayerNormalization as means, products and a root, for targets without a kernel for it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node
from edgeq.graph.read import attribute_float, attribute_int, is_op, nodes, owner, rank


@dataclass(frozen=True)
class SplitLayerNorm(ir.passes.InPlacePass):
    """Write the normalization out.

    Before:  y = LayerNormalization <axis = -1> (x, s, b)
    After:   m = ReduceMean(x)   d = Sub(x, m)   q = Mul(d, d)   v = ReduceMean(q)
             e = Add(v, epsilon)   r = Sqrt(e)   i = Reciprocal(r)
             n = Mul(d, i)   t = Mul(n, s)   y = Add(t, b)

    The means keep their axes. A node that hands out its mean or deviation stays unchanged, and so
    does one of unknown rank.
    """

    #: names of nodes that stay unchanged
    keep: Set[str] = frozenset()

    only_for: ClassVar[tuple[str, ...]] = ("LayerNormalization",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = Names(model)
        opset = model.opset_imports.get("", 0)
        found = [n for n in nodes(model) if is_op(n, "LayerNormalization") and n.name not in self.keep and _splits(n)]
        for node in found:
            _Writer(node, names, opset).write()
        return ir.passes.PassResult(model, modified=bool(found))


def _splits(node: ir.Node) -> bool:
    source = node.inputs[0]
    more = any(value.uses() or value.is_graph_output() for value in node.outputs[1:])
    return source is not None and source.dtype == ir.DataType.FLOAT and source.shape is not None and not more


class _Writer:
    """The nodes before one normalization."""

    def __init__(self, node: ir.Node, names: Names, opset: int) -> None:
        self.node, self.names, self.opset = node, names, opset
        count = rank(node.inputs[0]) or 1
        self.axes = list(range(attribute_int(node, "axis", -1) % count, count))

    def write(self) -> None:
        node = self.node
        source, scale = node.inputs[0], node.inputs[1]
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        assert source is not None and source.shape is not None
        small = ir.Shape([1 if axis in self.axes else size for axis, size in enumerate(source.shape)])
        whole = source.shape
        centred = self.add("Sub", [source, self.mean(source, "mean", small)], "centred", whole)
        variance = self.mean(self.add("Mul", [centred, centred], "squared", whole), "variance", small)
        epsilon = np.array(attribute_float(node, "epsilon", 1e-5), np.float32)
        lifted = self.add("Add", [variance, add_constant(owner(node), epsilon, self.names.value(f"{node.name}_epsilon"))], "lifted", small)
        factor = self.add("Reciprocal", [self.add("Sqrt", [lifted], "deviation", small)], "factor", small)
        result = self.add("Mul", [centred, factor], "normalized", whole)
        node.attributes.clear()
        for value in node.outputs[1:]:
            value.name = None
        if bias is not None:
            result = self.add("Mul", [result, scale], "scaled", whole)
        node.op_type = "Mul" if bias is None else "Add"
        node.resize_inputs(2)
        node.replace_input_with(0, result)
        node.replace_input_with(1, scale if bias is None else bias)
        node.resize_outputs(1)

    def mean(self, source: ir.Value, word: str, shape: ir.Shape) -> ir.Value:
        inputs: list[ir.Value | None] = [source]
        attributes: dict[str, ir.Attr] = {"keepdims": ir.AttrInt64("keepdims", 1)}
        if self.opset >= 18:
            axes = add_constant(owner(self.node), np.array(self.axes, np.int64), self.names.value(f"{self.node.name}_{word}_axes"))
            inputs.append(axes)
        else:
            attributes["axes"] = ir.AttrInt64s("axes", self.axes)
        return self.add("ReduceMean", inputs, word, shape, attributes)

    def add(
        self, op_type: str, inputs: list[ir.Value | None], word: str, shape: ir.Shape, attributes: dict[str, ir.Attr] | None = None
    ) -> ir.Value:
        stem = self.node.name
        made = add_node(
            self.node,
            op_type,
            inputs,
            name=self.names.node(f"{stem}_{word}_{op_type}"),
            output=self.names.value(f"{stem}_{word}"),
            attributes=attributes,
        )
        made.shape, made.type = shape, ir.TensorType(ir.DataType.FLOAT)
        return made

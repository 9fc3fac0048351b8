"""Recognize normalizations by what they compute, and write each as its operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.edit import Names, add_constant, add_node, retire
from edgeq.graph.patterns.regions import walk_order
from edgeq.graph.patterns.transposed_parts import Perm, inverse
from edgeq.graph.read import owner
from edgeq.numerics.arrays import F64
from edgeq.passes.prepare.recognize.found_norms import FoundNorm, averages, norm_that_ends_in


@dataclass(frozen=True)
class FuseNorms(ir.passes.InPlacePass):
    """Replace the nodes that compute a normalization, in any order, by its operator.

    1. Over the last axes: LayerNormalization (from opset 17 on), or RMSNormalization (from opset 23
       on) where no mean is subtracted.
    2. Over another axis, as in channels-first networks: the same between two Transposes.
    3. Over the axes from 2 to the last: InstanceNormalization. A group normalization in five
       dimensions is one, too.

    Before: `m = ReduceMean(x)`, `d = Sub(x, m)`, `q = Mul(d, d)`, `v = ReduceMean(q)`,
            `e = Add(v, 1e-5)`, `s = Sqrt(e)`, `n = Div(d, s)`, `g = Mul(n, scale)`, `y = Add(g, b)`
    After:  `y = LayerNormalization<axis = -1>(x, scale, b)`

    onnxruntime recognizes some of the forms, but not where a Quantize and a Dequantize lie between.
    """

    only_for: ClassVar[tuple[str, ...]] = ("ReduceMean",)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, opset = Names(model), model.opset_imports.get("", 0)
        changed, order = False, walk_order(model)
        for node in reversed(order) if averages(order) else ():
            found = None if node.graph is None else norm_that_ends_in(node, order)
            if found is not None and found.opset <= opset:
                _replace(model, found, names)
                changed = True
        return ir.passes.PassResult(model, modified=changed)


def _replace(model: ir.Model, found: FoundNorm, names: Names) -> None:
    last, source, gone = found.region.last, found.region.source, found.region.removable
    if not found.swapped:
        _become(last, found.operator, _inputs(found, source, names), _attributes(found))
    else:
        perm = _to_last(found)
        made = _added(last, "Transpose", [source], {"perm": ir.AttrInt64s("perm", perm)}, names)
        made.type, made.shape = source.type, None if source.shape is None else ir.Shape([source.shape[axis] for axis in perm])
        normal = _added(last, found.operator, _inputs(found, made, names), _attributes(found), names)
        normal.type, normal.shape = made.type, made.shape
        _become(last, "Transpose", [normal], {"perm": ir.AttrInt64s("perm", inverse(perm))})
    for node in gone[1:]:
        retire(model, node, f"merged into {last.name}")


def _inputs(found: FoundNorm, source: ir.Value, names: Names) -> list[ir.Value | None]:
    last = found.region.last

    def stored(array: F64, word: str) -> ir.Value:
        return add_constant(owner(last), array.reshape(found.scale_shape).astype(np.float32), names.value(f"{last.name}_{word}"))

    inputs: list[ir.Value | None] = [source, stored(found.norm.scale, "scale")]
    return inputs if found.norm.kind == "rms" else [*inputs, stored(found.norm.shift, "shift")]


def _attributes(found: FoundNorm) -> dict[str, ir.Attr]:
    epsilon: dict[str, ir.Attr] = {"epsilon": ir.AttrFloat32("epsilon", found.norm.epsilon)}
    over = {"axis": ir.AttrInt64("axis", -len(found.axes))}
    return epsilon if found.of_instances else epsilon | over


def _to_last(found: FoundNorm) -> Perm:
    return (*(axis for axis in range(found.rank) if axis != found.axes[0]), found.axes[0])


def _added(before: ir.Node, op_type: str, inputs: list[ir.Value | None], attributes: dict[str, ir.Attr], names: Names) -> ir.Value:
    word = op_type.lower()
    name, output = names.node(f"{before.name}_{word}"), names.value(f"{before.outputs[0].name}_{word}")
    return add_node(before, op_type, inputs, name=name, output=output, attributes=attributes)


def _become(node: ir.Node, op_type: str, inputs: list[ir.Value | None], attributes: dict[str, ir.Attr]) -> None:
    node.op_type = op_type
    node.attributes.clear()
    node.attributes.update(attributes)
    node.resize_inputs(len(inputs))
    for index, value in enumerate(inputs):
        node.replace_input_with(index, value)
